from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from core import git as linkage
from core import project
from core.project import Project
from tests.git.conftest import CODE, begin, commit, line, sh, take, write


def loaded(root: Path, *names: str) -> dict[str, str]:
    """What a child reports: names and git's ids of the bytes as they are on disk."""
    return {n: line(root, "hash-object", "--no-filters", n) for n in names}


def test_a_readme_changes_the_tree_and_not_the_code(repo: Project) -> None:
    before = take(repo)
    write(repo.root, README_dot_md="hello\n")
    after = take(repo)
    assert after.tree != before.tree
    assert after.code_tree == before.code_tree


@pytest.mark.parametrize("change", ["work.py", "kit/a.py", "kit/new.py"])
def test_a_code_path_changes_the_code(repo: Project, change: str) -> None:
    before = take(repo)
    write(repo.root, **{change.replace("/", "__"): "changed\n"})
    assert take(repo).code_tree != before.code_tree


def test_code_that_git_does_not_hold_counts_with_its_bytes(repo: Project, tmp_path: Path) -> None:
    write(tmp_path, elsewhere__x_dot_py="1\n")
    write(repo.root, private_dot_ignored="1\n")
    paths = ("private.ignored", str(tmp_path / "elsewhere"), "missing.txt")
    seen = [take(repo, code=paths).code_tree]
    write(tmp_path, elsewhere__x_dot_py="2\n")
    seen.append(take(repo, code=paths).code_tree)
    write(repo.root, private_dot_ignored="2\n")
    seen.append(take(repo, code=paths).code_tree)
    assert len(set(seen)) == 3


def test_where_code_lies_on_a_machine_is_no_part_of_its_digest(tmp_path: Path) -> None:
    digests = set()
    for place in ("here", "there"):
        made = begin(tmp_path / place / "repo")
        write(tmp_path / place, pack__x_dot_py="1\n")
        (tmp_path / place / "pack" / "__pycache__").mkdir()
        (tmp_path / place / "pack" / "__pycache__" / "x.pyc").write_text(place)
        outside = str(tmp_path / place / "pack")
        digests.add(take(made, code=(*CODE, outside)).code_tree)
        digests.add(linkage.content_digest(made.root, [*CODE, outside]))
    assert len(digests) == 2


def test_without_git_the_digest_is_of_names_and_bytes(tmp_path: Path) -> None:
    write(tmp_path, kit__a_dot_py="a\n", kit__b_dot_py="b\n")
    first = linkage.content_digest(tmp_path, ["kit"])
    assert linkage.content_digest(tmp_path, ["kit", "missing"]) == first
    (tmp_path / "kit/a.py").rename(tmp_path / "kit/c.py")
    second = linkage.content_digest(tmp_path, ["kit"])
    write(tmp_path, kit__c_dot_py="c\n")
    assert len({first, second, linkage.content_digest(tmp_path, ["kit"])}) == 3


def test_blobs_are_gits_ids_by_path_from_the_project(repo: Project) -> None:
    write(repo.root, sub__registry_dot_yaml="tasks: {}\n", sub__x_dot_py="x\n")
    commit(repo.root, "sub")
    sub = project.find(repo.root / "sub")
    want = hashlib.sha1(b"blob 2\0x\n", usedforsecurity=False).hexdigest()
    assert linkage.blobs(sub, "HEAD", ["x.py", "none.py"]) == {"x.py": want}
    assert set(linkage.blobs(repo, "HEAD", ["sub"])) == {"sub/x.py", "sub/registry.yaml"}


def test_modules_as_in_the_snapshot_have_not_moved(repo: Project) -> None:
    write(repo.root, new_dot_py="n\n", generated_dot_ignored="g\n")
    modules = loaded(repo.root, "work.py", "kit/a.py", "new.py", "generated.ignored")
    assert linkage.moved(repo, str(take(repo).commit), modules) == []


def test_a_module_edited_or_added_after_the_snapshot_moved(repo: Project) -> None:
    got = take(repo)
    write(repo.root, work_dot_py="edited\n", late_dot_py="late\n")
    modules = loaded(repo.root, "work.py", "late.py", "kit/a.py")
    assert linkage.moved(repo, str(got.commit), modules) == ["late.py", "work.py"]


def test_a_module_edited_after_it_was_loaded_has_not_moved(repo: Project) -> None:
    modules = loaded(repo.root, "work.py")
    got = take(repo)
    write(repo.root, work_dot_py="edited since\n")
    assert linkage.moved(repo, str(got.commit), modules) == []


@pytest.mark.parametrize("conversion", ["true", "input"])
def test_converted_line_ends_are_no_move(repo: Project, conversion: str) -> None:
    sh(repo.root, "config", "core.autocrlf", conversion)
    (repo.root / "work.py").write_bytes(b"a\r\nb\r\n")
    modules = loaded(repo.root, "work.py")
    got = take(repo)
    assert linkage.moved(repo, str(got.commit), modules) == []
    (repo.root / "work.py").write_bytes(b"a\r\nb\r\nc\r\n")
    assert linkage.moved(repo, str(got.commit), loaded(repo.root, "work.py")) == ["work.py"]


def test_modules_of_a_submodule_are_not_looked_for(repo: Project, tmp_path: Path) -> None:
    inner = begin(tmp_path / "inner")
    sh(
        repo.root,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        str(inner.root),
        "sub",
    )
    got = take(repo, code=("sub",))
    modules = {"sub/work.py": "0" * 40}
    assert linkage.moved(repo, str(got.commit), modules) == []
    write(repo.root / "sub", work_dot_py="edited\n")
    assert take(repo, code=("sub",)).code_tree != got.code_tree
