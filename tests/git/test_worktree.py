from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from core import git as linkage
from core import project
from core.errors import AssayError
from core.project import Project
from tests.git.conftest import begin, commit, line, sh, state, take, write


def trees(made: Project) -> list[str]:
    """Names of the worktrees that git or the store knows, beside the main one."""
    listed = line(made.root, "worktree", "list", "--porcelain").splitlines()
    known = {Path(row.split(" ", 1)[1]).name for row in listed if row.startswith("worktree ")}
    folder = made.store / "worktrees"
    here = {p.name for p in folder.iterdir()} if folder.exists() else set()
    return sorted((known | here) - {made.root.name})


def test_a_checkout_is_detached_and_gone_after_the_block(repo: Project) -> None:
    write(repo.root, work_dot_py="two\n")
    got = take(repo)
    before = state(repo.root)
    with linkage.checkout(repo, str(got.commit), "again") as tree:
        assert (tree / "work.py").read_text() == "two\n"
        assert line(tree, "rev-parse", "HEAD") == got.commit
        assert line(tree, "rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
        assert project.find(tree).store == repo.store
        assert trees(repo) == ["again"]
    assert trees(repo) == []
    assert state(repo.root) == before


def test_a_checkout_goes_also_when_its_block_fails(repo: Project) -> None:
    def fail(tree: Path) -> None:
        write(tree, left_dot_txt="x\n")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), linkage.checkout(repo, "HEAD", "again") as tree:
        fail(tree)
    assert trees(repo) == []


def test_a_kept_checkout_stays_until_it_is_removed(repo: Project) -> None:
    with linkage.checkout(repo, "HEAD", "kept", keep=True) as tree:
        pass
    with linkage.checkout(repo, "HEAD", "next"):
        assert tree.exists()
    linkage.remove(repo, "kept")
    assert trees(repo) == []


def test_a_checkout_of_a_project_below_the_top_is_its_folder(repo: Project) -> None:
    write(repo.root, sub__registry_dot_yaml="tasks: {}\n")
    commit(repo.root, "sub")
    with linkage.checkout(project.find(repo.root / "sub"), "HEAD", "again") as tree:
        assert tree == repo.store / "worktrees" / "again" / "sub"
        assert (tree / "registry.yaml").exists()


def _hold(made: Project, name: str, ready: Connection) -> None:
    with linkage.checkout(made, "HEAD", name):
        ready.send("there")
        signal.pause()


def test_the_tree_of_a_killed_process_is_cleared_and_a_live_one_stays(repo: Project) -> None:
    fork = multiprocessing.get_context("fork")
    children = []
    for name in ("dead", "alive"):
        here, there = multiprocessing.Pipe()
        children.append(fork.Process(target=_hold, args=(repo, name, there), daemon=True))
        children[-1].start()
        assert here.poll(20)
    os.kill(children[0].pid or 0, signal.SIGKILL)
    children[0].join()
    with linkage.checkout(repo, "HEAD", "next"):
        assert trees(repo) == ["alive", "next"]
    children[1].kill()
    children[1].join()


def test_a_half_made_tree_is_removed(repo: Project) -> None:
    write(repo.store, worktrees__half__x_dot_txt="x\n")
    linkage.remove(repo, "half")
    assert trees(repo) == []


def test_a_commit_that_is_not_here_is_refused(repo: Project) -> None:
    with pytest.raises(AssayError, match="git worktree"), linkage.checkout(repo, "1" * 40, "x"):
        pass
    assert trees(repo) == []


def test_the_tree_of_a_run_is_its_snapshot_or_the_head_of_a_clean_one(
    repo: Project, tmp_path: Path
) -> None:
    clean = take(repo, "CLEAN")
    sh(tmp_path, "clone", "-q", "--no-local", str(repo.root), "other")
    other = project.find(tmp_path / "other")
    assert linkage.locate(repo, clean) == clean.commit
    assert linkage.locate(other, clean) == clean.head
    write(repo.root, work_dot_py="two\n")
    dirty = take(repo, "DIRTY")
    with pytest.raises(AssayError, match=f"commit {dirty.commit} is not in this clone"):
        linkage.locate(other, dirty)
    sh(other.root, "fetch", "-q", "origin", "refs/assay/snap/*:refs/assay/snap/*")
    assert linkage.locate(other, dirty) == dirty.commit


def test_a_run_without_any_commit_says_why(repo: Project, tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="not made in a git repository"):
        linkage.locate(repo, None)
    write(repo.root, work_dot_py="two\n")
    lost = take(repo).model_copy(update={"commit": None, "flags": ["read-only .git"]})
    with pytest.raises(AssayError, match=r"no commit holds this run's tree: read-only \.git"):
        linkage.locate(repo, lost)


def test_a_diff_is_between_two_trees_without_their_ledgers(repo: Project) -> None:
    a = take(repo)
    write(repo.root, ledger__segment_dot_jsonl="{}\n", work_dot_py="two\n", kit__b_dot_py="b\n")
    commit(repo.root, "more")
    (repo.root / "kit/a.py").unlink()
    b = take(repo)
    ends = (str(a.commit), str(b.commit))
    changes = {"kit/a.py": "D", "kit/b.py": "A", "work.py": "M"}
    assert linkage.changed_files(repo, *ends) == changes
    assert linkage.changed_files(repo, *ends, paths=["kit"]) == {"kit/a.py": "D", "kit/b.py": "A"}
    whole = linkage.diff(repo, *ends)
    assert "\n-one\n+two" in whole
    assert "segment" not in whole
    assert "3 files changed" in linkage.diff(repo, *ends, stat=True)
    assert linkage.diff(repo, *ends, paths=["registry.yaml"]) == ""


def test_a_diff_of_a_project_below_the_top_shows_the_rest_of_the_tree_too(tmp_path: Path) -> None:
    outer = begin(tmp_path / "mono")
    write(outer.root, sub__registry_dot_yaml="tasks: {}\n")
    a = commit(outer.root, "sub")
    write(outer.root, work_dot_py="two\n", sub__ledger__x="x\n", sub__y="y\n")
    b = commit(outer.root, "more")
    sub = project.find(outer.root / "sub")
    assert linkage.changed_files(sub, a, b) == {"sub/y": "A", "work.py": "M"}
