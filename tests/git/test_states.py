"""One test for each state that a repository can be in when a run starts."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from core import git as linkage
from core import project
from core.errors import AssayError
from core.project import Project
from tests.git.conftest import begin, commit, held, line, sh, state, take, write

NOBODY = 65534


def test_staged_unstaged_and_untracked_files_are_in_and_ignored_ones_are_not(repo: Project) -> None:
    write(repo.root, staged_dot_py="s\n")
    sh(repo.root, "add", "staged.py")
    write(repo.root, work_dot_py="two\n", kit__new_dot_py="n\n", x_dot_ignored="i\n")
    got = take(repo)
    assert got.dirty
    assert held(repo.root, got.commit) == {
        "registry.yaml": b"tasks: {}\n",
        ".gitignore": b"*.ignored\nruns/\n",
        "work.py": b"two\n",
        "kit/a.py": b"a\n",
        "kit/new.py": b"n\n",
        "staged.py": b"s\n",
    }
    assert got.tree == line(repo.root, "rev-parse", f"{got.commit}^{{tree}}")


def test_index_head_status_stash_and_work_tree_stay_as_they_were(repo: Project) -> None:
    write(repo.root, work_dot_py="stashed\n")
    sh(repo.root, "stash")
    write(repo.root, staged_dot_py="s\n", ledger__x_dot_jsonl="{}\n")
    sh(repo.root, "add", "-A")
    write(repo.root, staged_dot_py="then changed\n", new_dot_py="n\n")
    (repo.root / "kit/a.py").unlink()
    before, files = state(repo.root), sorted(repo.root.rglob("[!.]*.py"))
    take(repo)
    assert state(repo.root) == before
    assert sorted(repo.root.rglob("[!.]*.py")) == files


def test_a_clean_tree_is_a_commit_of_its_own_with_the_tree_of_head(repo: Project) -> None:
    got = take(repo)
    assert not got.dirty
    assert got.head == line(repo.root, "rev-parse", "HEAD")
    assert got.commit != got.head
    assert got.tree == line(repo.root, "rev-parse", "HEAD^{tree}")
    assert (got.branch, got.flags, got.excluded) == ("main", [], [])


def test_an_unborn_head_has_no_parent_and_no_index(tmp_path: Path) -> None:
    sh(tmp_path, "init", "-q", "-b", "main", "new")
    write(tmp_path / "new", registry_dot_yaml="tasks: {}\n", work_dot_py="one\n")
    made = project.find(tmp_path / "new")
    got = take(made)
    assert (got.head, got.branch, got.dirty) == (None, "main", True)
    assert held(made.root, got.commit).keys() == {"registry.yaml", "work.py"}
    assert line(made.root, "log", "--format=%P", str(got.commit)) == ""
    assert take(made).commit == got.commit


def test_a_detached_head_has_no_branch(repo: Project) -> None:
    sh(repo.root, "checkout", "-q", "--detach")
    got = take(repo)
    assert got.branch is None
    assert got.head == line(repo.root, "rev-parse", "HEAD")


def test_a_linked_worktree_uses_its_own_index_and_the_same_chain(repo: Project) -> None:
    first = take(repo)
    sh(repo.root, "worktree", "add", "-q", "-b", "side", "../side")
    side = project.find(repo.root.parent / "side")
    write(side.root, work_dot_py="side\n", only_here_dot_py="s\n")
    sh(side.root, "add", "only_here.py")
    before = state(side.root), state(repo.root)
    got = take(side)
    assert (state(side.root), state(repo.root)) == before
    assert got.branch == "side"
    assert held(repo.root, got.commit)["work.py"] == b"side\n"
    parents = line(repo.root, "log", "-1", "--format=%P", str(got.commit)).split()
    assert parents == [got.head, first.commit]


def test_a_project_below_the_top_takes_the_whole_work_tree(tmp_path: Path) -> None:
    begin(tmp_path / "mono")
    write(tmp_path / "mono", sub__registry_dot_yaml="tasks: {}\n", sub__work_dot_py="w\n")
    commit(tmp_path / "mono", "sub")
    made = project.find(tmp_path / "mono" / "sub")
    before = take(made)
    write(made.root, work_dot_py="w2\n", ledger__x="x\n", runs__y="y\n")
    write(tmp_path / "mono", work_dot_py="outer\n")
    got = take(made)
    files = held(made.root, got.commit)
    assert (files["sub/work.py"], files["work.py"]) == (b"w2\n", b"outer\n")
    assert not [name for name in files if "ledger" in name or "runs" in name]
    assert got.code_tree != before.code_tree


def test_a_sparse_checkout_keeps_what_is_not_on_disk(repo: Project) -> None:
    write(repo.root, far__b_dot_py="b\n", near__c_dot_py="c\n")
    commit(repo.root, "more")
    sh(repo.root, "sparse-checkout", "set", "near")
    assert not (repo.root / "far").exists()
    write(repo.root, near__c_dot_py="changed\n", far__extra_dot_py="e\n")
    files = held(repo.root, take(repo).commit)
    assert files["far/b.py"] == b"b\n"
    assert files["near/c.py"] == b"changed\n"
    assert files["far/extra.py"] == b"e\n"


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_that_git_was_told_not_to_see_is_in(repo: Project, mark: str) -> None:
    sh(repo.root, "update-index", mark, "work.py")
    write(repo.root, work_dot_py="seen\n")
    before = state(repo.root)
    got = take(repo)
    assert held(repo.root, got.commit)["work.py"] == b"seen\n"
    assert got.dirty
    assert state(repo.root) == before


def test_a_file_as_young_as_the_index_is_read_again(repo: Project) -> None:
    """Same size, same second as the index: git's stat cache alone cannot see the change."""
    work = repo.root / "work.py"
    second = 0
    while second != int(time.time()):  # all of it within one second
        second = int(time.time())
        work.write_text("one!\n")
        sh(repo.root, "add", "work.py")
        work.write_text("two!\n")
    time.sleep(1.01)  # by now a new copy of the index would be younger than the file
    assert held(repo.root, take(repo).commit)["work.py"] == b"two!\n"


def test_a_submodule_is_recorded_at_its_commit(repo: Project, tmp_path: Path) -> None:
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
    commit(repo.root, "with a submodule")
    assert take(repo).submodules == {"sub": line(inner.root, "rev-parse", "HEAD")}
    write(repo.root / "sub", work_dot_py="two\n")
    os.utime(repo.root / "sub" / "registry.yaml", (1, 1))  # git would like to note that
    before = state(repo.root / "sub")
    got = take(repo)
    assert state(repo.root / "sub") == before
    assert got.flags == ["submodule sub has changes that no commit holds"]
    moved = commit(repo.root / "sub", "inside")
    got = take(repo)
    assert (got.submodules, got.flags, got.dirty) == ({"sub": moved}, [], True)


def test_a_nested_repository_is_left_out_with_a_warning(repo: Project) -> None:
    begin(repo.root / "nested")
    (repo.root / "empty").mkdir()
    sh(repo.root / "empty", "init", "-q")
    got = take(repo)
    assert not [
        name for name in held(repo.root, got.commit) if name.startswith(("nested", "empty"))
    ]
    assert "nested/" in {e.path for e in got.excluded}
    assert any("nested/" in flag for flag in got.flags)


def test_line_ends_and_clean_filters_apply(repo: Project) -> None:
    sh(repo.root, "config", "core.autocrlf", "true")
    sh(repo.root, "config", "core.safecrlf", "true")
    sh(repo.root, "config", "filter.shout.clean", "tr a-z A-Z")
    write(repo.root, _dot_gitattributes="*.shout filter=shout\n", quiet_dot_shout="quiet\n")
    (repo.root / "windows.txt").write_bytes(b"a\r\nb\n")
    files = held(repo.root, take(repo).commit)
    assert files["windows.txt"] == b"a\nb\n"
    assert files["quiet.shout"] == b"QUIET\n"


def test_a_merge_in_progress_is_flagged_and_taken_as_it_lies(repo: Project) -> None:
    sh(repo.root, "checkout", "-q", "-b", "side")
    write(repo.root, work_dot_py="side\n", kit__a_dot_py="side\n")
    commit(repo.root, "side")
    sh(repo.root, "checkout", "-q", "main")
    write(repo.root, work_dot_py="main\n")
    sh(repo.root, "rm", "-q", "kit/a.py")
    commit(repo.root, "main")
    sh(repo.root, "merge", "side", ok=(1,))
    before = state(repo.root)
    got = take(repo)
    assert got.flags == ["merge in progress"]
    files = held(repo.root, got.commit)
    assert files["work.py"] == (repo.root / "work.py").read_bytes()
    assert b"<<<<<<<" in files["work.py"]
    assert files["kit/a.py"] == b"side\n"
    assert state(repo.root) == before


def test_a_file_that_vanishes_while_git_reads_means_another_look(repo: Project) -> None:
    sh(repo.root, "config", "filter.gone.clean", "rm -f a.gone b.txt; exit 1")
    sh(repo.root, "config", "filter.gone.required", "true")
    write(repo.root, _dot_gitattributes="*.gone filter=gone\n", a_dot_gone="a\n", b_dot_txt="b\n")
    files = held(repo.root, take(repo).commit)
    assert ".gitattributes" in files
    assert not {"a.gone", "b.txt"} & files.keys()


def test_what_git_refuses_three_times_is_told_in_one_line(repo: Project) -> None:
    sh(repo.root, "config", "filter.bad.clean", "false")
    sh(repo.root, "config", "filter.bad.required", "true")
    write(repo.root, _dot_gitattributes="*.bad filter=bad\n", a_dot_bad="a\n")
    with pytest.raises(AssayError, match=r"git update-index: .*a\.bad.*'bad' failed") as told:
        take(repo)
    assert "\n" not in str(told.value)


def test_types_and_modes_change(repo: Project) -> None:
    root = repo.root
    write(root, folder__x="x\n", file="f\n", script="#!\n", other__x="other\n", was_dir__y="y\n")
    (root / "link").symlink_to("work.py")
    commit(root, "all kinds")
    (root / "script").chmod(0o755)
    (root / "link").unlink()
    (root / "link").write_text("a file now\n")
    (root / "file").unlink()
    write(root, file__inside="a folder now\n")
    shutil.rmtree(root / "folder")
    (root / "folder").symlink_to("other")
    shutil.rmtree(root / "was_dir")
    (root / "was_dir").write_text("a file now\n")
    got = take(repo)
    modes = line(
        root, "ls-tree", "-r", "--format=%(objectmode) %(path)", str(got.commit)
    ).splitlines()
    assert {"100755 script", "100644 link", "100644 file/inside", "120000 folder"} <= {*modes}
    assert "100644 was_dir" in modes
    assert not any(m.endswith((" folder/x", " was_dir/y", " file")) for m in modes)


def test_a_staged_rename_that_went_on_changing_is_the_new_name_as_on_disk(repo: Project) -> None:
    write(repo.root, old_dot_py="line\n" * 50)
    commit(repo.root, "fifty lines")
    sh(repo.root, "mv", "old.py", "renamed.py")
    write(repo.root, renamed_dot_py="line\n" * 51)
    files = held(repo.root, take(repo).commit)
    assert files["renamed.py"] == b"line\n" * 51
    assert "old.py" not in files


def test_staged_and_changed_ledger_and_runs_are_as_in_head(repo: Project) -> None:
    write(repo.root, ledger__kept_dot_jsonl="old\n", ledger__baselines_dot_yaml="b: 1\n")
    commit(repo.root, "ledger")
    clean = take(repo)
    write(repo.root, ledger__kept_dot_jsonl="new\n", ledger__fresh_dot_jsonl="f\n", runs__r="r\n")
    sh(repo.root, "add", "-A")
    sh(repo.root, "add", "-f", "runs/r")
    sh(repo.root, "rm", "-q", "--cached", "ledger/baselines.yaml")
    write(repo.root, ledger__untracked_dot_jsonl="u\n")
    got = take(repo)
    assert (got.tree, got.commit, got.dirty) == (clean.tree, clean.commit, False)


def test_a_shallow_clone_is_flagged_and_works(repo: Project, tmp_path: Path) -> None:
    commit(repo.root, "second")
    sh(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo.root}", "shallow")
    made = project.find(tmp_path / "shallow")
    write(made.root, work_dot_py="here\n")
    got = take(made)
    assert got.flags == ["shallow clone"]
    with linkage.checkout(made, str(got.commit), "again") as tree:
        assert (tree / "work.py").read_text() == "here\n"


def test_without_git_there_is_no_snapshot(tmp_path: Path) -> None:
    write(tmp_path, registry_dot_yaml="tasks: {}\n")
    assert linkage.snapshot(project.find(tmp_path), "RUN", []) is None


def test_a_git_that_is_not_installed_is_named(
    repo: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AssayError, match="git is not installed"):
        take(repo)


def test_inside_a_git_hook_the_snapshot_is_of_the_project(
    repo: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = begin(tmp_path / "other")
    write(other.root, work_dot_py="other\n")
    for name, value in (("DIR", ".git"), ("WORK_TREE", "."), ("INDEX_FILE", ".git/index")):
        monkeypatch.setenv(f"GIT_{name}", str(other.root / value))
    got = take(repo)
    monkeypatch.undo()
    assert held(repo.root, got.commit)["work.py"] == b"one\n"


def test_no_hook_of_the_repository_runs(repo: Project) -> None:
    for name in ("reference-transaction", "post-checkout", "pre-commit", "post-index-change"):
        hook = repo.root / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {repo.root}/ran-$(basename $0)\nexit 1\n")
        hook.chmod(0o755)
    write(repo.root, work_dot_py="two\n")
    with linkage.checkout(repo, str(take(repo).commit), "tree"):
        pass
    assert not list(repo.root.glob("ran-*"))


def _as_another_user(made: Project, answer: Connection) -> None:
    if os.geteuid() == 0:  # whom no mode keeps from writing
        os.setuid(NOBODY)
    answer.send(take(made))


def test_a_read_only_store_gives_the_tree_alone_and_says_so(repo: Project) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folder is closed to other users
        os.chmod(folder, 0o755)
        root = Path(folder) / "repo"
        shutil.copytree(repo.root, root, symlinks=True)
        write(root, work_dot_py="two\n")
        for path in (root, *root.rglob("*")):
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
            if path.is_dir() and ".git" in path.parts:
                path.chmod(0o555)
        here, there = multiprocessing.Pipe()
        child = multiprocessing.get_context("fork").Process(
            target=_as_another_user, args=(project.find(root), there)
        )
        child.start()
        child.join(30)
        assert here.poll(), "the other user's process failed"
        got = here.recv()
        assert not line(root, "-c", "safe.directory=*", "for-each-ref", "refs/assay")
        for path in root.rglob("*/"):
            path.chmod(0o755)
    write(repo.root, work_dot_py="two\n")
    assert (got.commit, got.flags) == (None, ["read-only .git"])
    assert got == take(repo).model_copy(update={"commit": None, "flags": ["read-only .git"]})
