"""Sharing by git: every run is seen once, and the ledger never gets in git's way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import AssayError
from core.ledger import Ledger, lines, segments
from core.ledger.journal import Journal
from core.ledger.verify import verify
from core.project import Project, find
from tests.ledger.conftest import git, record, verdict

KEEP = {"decision": "keep", "by": "human", "reason": "good", "verdict": None}
VOID = {"kind": "void", "text": "wrong data", "by": "human"}
Clone = Callable[..., Project]


def ids(project: Project) -> list[str]:
    return sorted(row["run"] for row in Ledger(project).rows(["run"]))


def published(project: Project) -> list[Path]:
    return [path for _, path in segments.files(project)]


def test_published_lines_are_those_of_the_journal(ledger: Ledger, home: Project) -> None:
    record(ledger)
    path = ledger.publish()
    assert path is not None
    assert path.read_bytes() == Journal(home.store).files()[0].read_bytes()
    first = lines.parse(path.read_bytes().split(b"\n")[0])
    assert path.stem == first["id"]
    assert path.parent.name == Journal(home.store).writer()


def test_nothing_new_is_not_published_again(ledger: Ledger, home: Project) -> None:
    record(ledger)
    ledger.publish()
    assert ledger.publish() is None
    assert len(published(home)) == 1


def test_an_untracked_segment_is_continued(ledger: Ledger, home: Project) -> None:
    record(ledger)
    first = ledger.publish()
    record(ledger)
    assert ledger.publish() == first
    assert len(lines.whole(published(home)[0].read_bytes())) == 4


@pytest.mark.parametrize("how", ["committed", "added", "full"])
def test_a_segment_is_not_written_again_once_it_is(
    ledger: Ledger, home: Project, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    record(ledger)
    first = ledger.publish()
    assert first is not None
    if how == "full":
        monkeypatch.setattr(segments, "FULL", 100)
    else:
        git(home.root, "add", "ledger")
    if how == "committed":
        git(home.root, "commit", "-qm", "runs")
    before = first.read_bytes()
    record(ledger)
    assert ledger.publish() != first
    assert first.read_bytes() == before
    assert len(published(home)) == 2


def test_running_never_dirties_a_tracked_file(ledger: Ledger, home: Project) -> None:
    git(home.root, "branch", "other")
    for _ in range(3):
        record(ledger)
        ledger.commit("runs")
        record(ledger)
        ledger.publish()
        assert {row[:2] for row in git(home.root, "status", "--porcelain").splitlines()} == {"??"}
        git(home.root, "checkout", "-q", "other")
        git(home.root, "checkout", "-q", "main")


def test_clean_switch_and_delete_between_runs_lose_nothing(ledger: Ledger, home: Project) -> None:
    runs = [record(ledger)]
    ledger.publish()
    git(home.root, "clean", "-fdx")
    assert ids(home) == runs
    git(home.root, "checkout", "-qb", "side")
    runs.append(record(ledger))
    assert ledger.commit("two runs") is not None
    git(home.root, "checkout", "-q", "main")
    assert not published(home)
    assert ids(home) == runs
    assert ledger.publish() is None  # a branch has them
    git(home.root, "branch", "-qD", "side")
    runs.append(record(ledger))
    assert ids(home) == runs
    path = ledger.publish()
    assert path is not None
    assert len(lines.whole(path.read_bytes())) == 6


def test_a_gap_begins_another_segment(ledger: Ledger, home: Project) -> None:
    """What stands between two unpublished events is on a branch: a piece for each side of it."""
    git(home.root, "checkout", "-qb", "a")
    record(ledger)
    ledger.commit("a")
    git(home.root, "checkout", "-q", "main")
    git(home.root, "checkout", "-qb", "b")
    record(ledger)
    ledger.commit("b")
    git(home.root, "checkout", "-q", "main")
    git(home.root, "branch", "-qD", "a")
    record(ledger)
    ledger.publish()
    assert [len(lines.whole(path.read_bytes())) for path in published(home)] == [2, 2]


def test_a_damaged_segment_is_published_anew_beside_it(ledger: Ledger, home: Project) -> None:
    record(ledger)
    path = ledger.publish()
    assert path is not None
    path.write_bytes(path.read_bytes().replace(b"lightmap", b"lightmop"))
    damaged = path.read_bytes()
    again = ledger.publish()
    assert again == path.with_name(f"{path.stem}-2.jsonl")
    assert path.read_bytes() == damaged


def test_commit_takes_the_ledger_alone(ledger: Ledger, home: Project) -> None:
    (home.root / "staged.txt").write_text("mine")
    (home.root / "registry.yaml").write_text("tasks: {}  # edited\n")
    git(home.root, "add", "staged.txt")
    record(ledger)
    made = ledger.commit("Record runs")
    assert made == git(home.root, "rev-parse", "HEAD")
    names = git(home.root, "show", "--name-only", "--format=", "HEAD").splitlines()
    assert [name.split("/")[:2] for name in names] == [["ledger", "segments"]]
    status = git(home.root, "status", "--porcelain").splitlines()
    assert status == ["M registry.yaml", "A  staged.txt"]  # the helper strips the first blank
    assert ledger.commit("again") is None


def test_a_refused_commit_is_one_clear_line(ledger: Ledger, home: Project) -> None:
    hook = home.root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no runs on Friday >&2\nexit 1\n")
    hook.chmod(0o755)
    record(ledger)
    with pytest.raises(AssayError, match="git commit failed: no runs on Friday"):
        ledger.commit("runs")


@pytest.mark.parametrize("way", ["merge", "rebase", "squash", "cherry-pick"])
def test_two_branches_of_fifty_runs_each_join_and_every_run_is_seen_once(
    clone: Clone, way: str
) -> None:
    home = clone("home")
    mine, yours = clone("mine", of=home), clone("yours", of=home)
    expected = []
    for project in (mine, yours):
        git(project.root, "checkout", "-qb", project.root.name)
        expected += [record(Ledger(project)) for _ in range(50)]
        Ledger(project).commit(f"runs of {project.root.name}")
    git(home.root, "fetch", "-q", str(mine.root), "mine:mine")
    git(home.root, "fetch", "-q", str(yours.root), "yours:yours")
    git(home.root, "merge", "-q", "--ff-only", "mine")
    if way == "merge":
        git(home.root, "merge", "-q", "--no-edit", "yours")
    elif way == "rebase":
        git(home.root, "rebase", "-q", "main", "yours")
        git(home.root, "checkout", "-q", "main")
        git(home.root, "merge", "-q", "--ff-only", "yours")
    elif way == "squash":
        git(home.root, "merge", "-q", "--squash", "yours")
        git(home.root, "commit", "-qm", "squashed")
    else:
        git(home.root, "cherry-pick", "yours")
    assert ids(home) == sorted(expected)  # all branches are there, and the joined one
    git(home.root, "branch", "-qD", "mine", "yours")
    assert ids(clone("fresh", of=home)) == sorted(expected)  # the joined branch alone


def test_worktrees_of_one_clone_that_published_the_same_events_join(
    home: Project, tmp_path: Path
) -> None:
    """The second one finds the first one's run unpublished, for no branch has it yet."""
    trees = []
    for name in ("w1", "w2"):
        git(home.root, "worktree", "add", "-q", "-b", name, str(tmp_path / name))
        trees.append(find(tmp_path / name))
    runs = []
    for project in (home, *trees):
        runs.append(record(Ledger(project)))
        Ledger(project).publish()
    for project in (home, *trees):
        git(project.root, "add", "ledger")
        git(project.root, "commit", "-qm", "runs")
    for name in ("w1", "w2"):
        git(home.root, "merge", "-q", "--no-edit", name)
    assert sorted(len(lines.whole(p.read_bytes())) for p in published(home)) == [2, 4, 6]
    assert verify(home).findings == []
    assert ids(home) == sorted(runs)
    assert Ledger(home).publish() is None
    shutil.rmtree(home.store)
    assert ids(home) == sorted(runs)


def test_a_fetch_shows_the_runs_of_others_without_a_checkout(clone: Clone) -> None:
    home = clone("home")
    peer = clone("peer", of=home)
    ledger = Ledger(home)
    assert ledger.records() == []
    git(peer.root, "checkout", "-qb", "theirs")
    run = record(Ledger(peer))
    Ledger(peer).commit("run")
    git(home.root, "fetch", "-q", str(peer.root), "theirs:refs/remotes/peer/theirs")
    ledger.refresh()
    assert [r.run for r in ledger.records()] == [run]
    git(home.root, "update-ref", "-d", "refs/remotes/peer/theirs")
    ledger.refresh()
    assert [r.run for r in ledger.records()] == [run]  # what was read is not hidden


def test_a_branch_that_nobody_reviewed_does_not_speak(clone: Clone) -> None:
    home = clone("home")
    ours = record(Ledger(home))
    Ledger(home).commit("our run")
    peer = clone("peer", of=home)
    git(peer.root, "checkout", "-qb", "theirs")
    theirs = Ledger(peer)
    theirs.append("decision", ours, KEEP)
    theirs.append("note", ours, VOID)
    theirs.append("ended", ours, {"status": "crashed"})
    theirs.append("verdict", ours, verdict([ours]))
    theirs.commit("we say so")
    git(home.root, "fetch", "-q", str(peer.root), "theirs:theirs")
    ledger = Ledger(home)
    record_ = ledger.find(ours)
    assert (record_.decision, record_.void, record_.status) == (None, False, "finished")
    assert record_.verdict is not None  # evidence counts from anywhere, and recomputes
    assert [e["e"] for e in ledger.events(ours)].count("decision") == 1  # and all stays visible
    git(home.root, "merge", "-q", "theirs")
    ledger.refresh()
    reviewed = ledger.find(ours)
    assert reviewed.decision is not None
    assert (reviewed.void, reviewed.status) == (True, "finished")
    git(home.root, "reset", "-q", "--hard", "HEAD~1")
    ledger.refresh()
    assert ledger.find(ours).decision is None


def test_our_own_decision_counts_on_every_branch(ledger: Ledger, home: Project) -> None:
    run = record(ledger)
    git(home.root, "checkout", "-qb", "side")
    ledger.append("decision", run, KEEP)
    ledger.commit("decided")
    git(home.root, "checkout", "-q", "main")
    assert ledger.find(run).decision is not None


@pytest.mark.parametrize("kind", ["schema", "payload", "json", "binary"])
def test_lines_that_cannot_be_read_are_skipped(clone: Clone, kind: str) -> None:
    home = clone()
    ledger = Ledger(home)
    run = record(ledger)
    foreign = {"v": 1, "e": "note", "id": run, "run": run, "t": "2026-01-01T00:00:00.000000Z"}
    bad = {
        "schema": lines.seal(foreign | {"v": 2, "p": ""}),
        "payload": lines.seal(foreign | {"p": "", "kind": ["no"]}),
        "json": b"{not json}\n",
        "binary": bytes(range(256)) + b"\n",
    }[kind]
    folder = home.ledger / "segments" / "deadbeef"
    folder.mkdir(parents=True)
    (folder / "x.jsonl").write_bytes(bad)
    (home.ledger / "segments" / "README").write_text("a file among folders")
    git(home.root, "add", "ledger")
    git(home.root, "commit", "-qm", "odd lines")
    ledger.refresh()
    assert [(r.run, r.notes) for r in ledger.records()] == [(run, [])]


def test_carriage_returns_of_a_checkout_do_no_harm(clone: Clone) -> None:
    home = clone("home")
    runs = [record(Ledger(home)) for _ in range(2)]
    path = Ledger(home).publish()
    assert path is not None
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    shutil.rmtree(home.store)
    assert ids(home) == runs


def test_without_git_the_ledger_works_and_says_what_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text("")
    project = find(tmp_path)
    ledger = Ledger(project)
    run = record(ledger)
    ledger.append("decision", run, KEEP)
    assert ledger.publish() is not None
    assert (tmp_path / ".assay" / "journal.jsonl").exists()
    shutil.rmtree(project.store)
    again = Ledger(project).find(run)  # the folder is what the team agreed on
    assert again.decision is not None
    with pytest.raises(AssayError, match="not in git"):
        ledger.commit("x")


def test_a_project_below_the_top_of_its_repository_shares_too(clone: Clone) -> None:
    top = clone()
    (top.root / "sub").mkdir()
    (top.root / "sub" / "registry.yaml").write_text("tasks: {}\n")
    project = find(top.root / "sub")
    run = record(Ledger(project))
    Ledger(project).commit("run")
    shutil.rmtree(project.store)
    shutil.rmtree(project.ledger)
    assert ids(project) == [run]
