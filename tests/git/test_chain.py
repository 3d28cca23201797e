from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from core import project
from core.project import Project, writer
from tests.git.conftest import commit, held, line, sh, take, write

SNAP = """
import sys
from pathlib import Path
from core import git, project
made = project.find(Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    (made.root / f"{sys.argv[2]}.txt").write_text(str(n))
    print(git.snapshot(made, f"{sys.argv[2]}{n}", []).commit)
"""


def ref(project: Project) -> str:
    return f"refs/assay/snap/{writer(project.store)}"


def test_a_snapshot_hangs_on_head_and_on_the_one_before(repo: Project) -> None:
    first = take(repo, "FIRST")
    write(repo.root, work_dot_py="two\n")
    second = take(repo, "SECOND")
    shown = line(repo.root, "log", "-1", "--format=%P|%s|%an <%ae>|%cn <%ce>", ref(repo))
    who = "assay <assay@localhost>"
    assert shown == f"{second.head} {first.commit}|SECOND|{who}|{who}"


def test_the_same_head_and_tree_use_the_commit_again(repo: Project) -> None:
    write(repo.root, work_dot_py="two\n")
    first = take(repo, "FIRST")
    assert take(repo, "SECOND") == first
    head = commit(repo.root, "now committed")
    third = take(repo, "THIRD")
    assert (third.tree, third.head) == (first.tree, head)
    assert third.commit != first.commit


def test_snapshots_of_four_processes_at_once_make_one_chain(repo: Project) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SNAP, str(repo.root), name, "6"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "abcd"
    ]
    made = [commit for process in started for commit in process.communicate()[0].split()]
    assert [p.returncode for p in started] == [0, 0, 0, 0]
    chain = line(repo.root, "rev-list", ref(repo)).split()
    assert len(made) == 24
    assert set(made) <= set(chain)
    links = line(repo.root, "log", "--format=%P", "--grep=^[abcd]", ref(repo)).splitlines()
    assert sum(len(parents.split()) == 1 for parents in links) == 1  # one beginning
    previous = [parents.split()[1] for parents in links if len(parents.split()) == 2]
    assert len(set(previous)) == len(previous)  # and no fork


def test_amend_and_gc_keep_the_commit_of_a_clean_run(repo: Project) -> None:
    clean = take(repo)
    write(repo.root, work_dot_py="amended\n")
    sh(repo.root, "commit", "-qa", "--amend", "-m", "another")
    sh(repo.root, "reflog", "expire", "--expire=now", "--all")
    sh(repo.root, "gc", "-q", "--prune=now")
    assert held(repo.root, clean.commit)["work.py"] == b"one\n"
    assert line(repo.root, "cat-file", "-t", str(clean.head)) == "commit"


def test_a_push_shares_no_snapshot_unless_asked(repo: Project, tmp_path: Path) -> None:
    write(repo.root, work_dot_py="mine\n")
    got = take(repo)
    sh(tmp_path, "init", "-q", "--bare", "hub")
    sh(repo.root, "remote", "add", "hub", str(tmp_path / "hub"))
    sh(repo.root, "push", "-q", "hub", "--all")
    assert line(tmp_path / "hub", "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    sh(repo.root, "push", "-q", "hub", "refs/assay/snap/*")
    assert held(tmp_path / "hub", got.commit)["work.py"] == b"mine\n"


def test_two_clones_have_chains_of_their_own(repo: Project, tmp_path: Path) -> None:
    sh(tmp_path, "clone", "-q", str(repo.root), "other")
    other = project.find(tmp_path / "other")
    take(repo)
    take(other)
    assert ref(repo) != ref(other)
