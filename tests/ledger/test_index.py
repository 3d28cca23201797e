"""The index is a cache: whatever happens to it, the answers are those of the events."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core import clock, locks
from core.ledger import Ledger, alive, flat, folder
from core.project import Project, find
from tests.ledger.conftest import git, record, started

ROOT = Path(__file__).parents[2]


def index(project: Project) -> Path:
    return project.store / "index.db"


@pytest.mark.parametrize("harm", ["missing", "empty", "text", "torn", "schema"])
def test_a_broken_index_is_made_anew(ledger: Ledger, home: Project, harm: str) -> None:
    runs = [record(ledger) for _ in range(20)]
    assert len(ledger.records()) == 20
    del ledger
    path = index(home)
    if harm == "schema":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    else:
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        if harm == "missing":
            path.unlink()
        elif harm == "torn":
            path.write_bytes(path.read_bytes()[: 4096 * 3] + os.urandom(4096 * 9))
        else:
            path.write_bytes(b"" if harm == "empty" else b"not a database at all" * 99)
    assert [r.run for r in Ledger(home).records()] == runs[::-1]


def test_an_index_that_breaks_under_an_open_ledger_is_made_anew(
    ledger: Ledger, home: Project
) -> None:
    runs = [record(ledger) for _ in range(30)]
    ledger.records()
    with sqlite3.connect(index(home)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with index(home).open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(index(home).stat().st_size - 4096))
    new = record(ledger)
    assert [r.run for r in Ledger(home).records()] == [new, *runs[::-1]]
    assert [r.run for r in ledger.records()] == [new, *runs[::-1]]


def test_a_full_disk_under_the_index_does_not_stop_reading(ledger: Ledger) -> None:
    runs = [record(ledger)]
    ledger.records()
    ledger._index._db.execute("PRAGMA max_page_count = 1")  # sqlite's own "disk is full"
    runs += [record(ledger, config={f"k{i}": "x" * 500 for i in range(200)}) for _ in range(9)]
    assert [r.run for r in ledger.records()] == runs[::-1]


def test_a_journal_that_shrank_is_read_again(ledger: Ledger, home: Project) -> None:
    runs = [record(ledger) for _ in range(3)]
    ledger.records()
    path = home.store / "journal.jsonl"
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(rows[:4]))
    assert [r.run for r in ledger.records()] == runs[1::-1]
    path.unlink()
    assert ledger.records() == []


def test_two_ledgers_see_what_the_other_appends(home: Project) -> None:
    one, two = Ledger(home), Ledger(home)
    for turn in range(4):
        record(one if turn % 2 else two)
        assert len(one.records()) == len(two.records()) == turn + 1


READER = """
import sys
from core.ledger import Ledger
from core.project import find
from pathlib import Path
print(len(Ledger(find(Path(sys.argv[1]))).rows(["run"])))
"""


def test_processes_that_fill_a_new_index_at_once_all_see_everything(home: Project) -> None:
    ledger = Ledger(home)
    for _ in range(40):
        record(ledger)
    work = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(home.root)], cwd=ROOT, stdout=subprocess.PIPE
        )
        for _ in range(6)
    ]
    assert [process.communicate()[0].decode().strip() for process in work] == ["40"] * 6


def test_a_linked_worktree_has_its_own_head_and_its_own_index(
    ledger: Ledger, home: Project, clone: Callable[..., Project], tmp_path: Path
) -> None:
    run = record(ledger)
    ledger.commit("run")
    peer = clone("peer", of=home)
    keep = {"decision": "keep", "by": "human", "reason": "", "verdict": None}
    Ledger(peer).append("decision", run, keep)
    Ledger(peer).commit("decided")
    git(home.root, "fetch", "-q", str(peer.root), "main:theirs")
    git(home.root, "worktree", "add", "-q", str(tmp_path / "linked"), "theirs")
    linked = Ledger(find(tmp_path / "linked"))
    for _ in range(2):
        assert linked.find(run).decision is not None  # its HEAD has the decision
        assert ledger.find(run).decision is None
    git(home.root, "worktree", "remove", "--force", str(tmp_path / "linked"))
    assert [r.run for r in ledger.records()] == [run]


def test_a_run_is_lost_when_nobody_holds_its_lock(ledger: Ledger, home: Project) -> None:
    run = clock.ulid()
    ledger.append("started", run, started())
    assert ledger.find(run).status == "lost"  # its folder is missing
    home.run_dir(run).mkdir(parents=True)
    held = locks.take(home.run_dir(run) / "alive")
    assert held is not None
    assert alive(home, run)
    assert ledger.find(run).status == "running"
    assert ledger.rows(["run"], "status = 'lost'") == []
    os.close(held)
    assert not alive(home, run)
    assert ledger.rows(["run", "status"], "status = 'lost'") == [{"run": run, "status": "lost"}]
    assert ledger.rows(["run"], "status = 'running'") == []
    assert [e["e"] for e in ledger.events(run)] == ["started"]  # nothing is written on reading


def test_a_run_in_another_worktree_of_this_clone_is_alive(
    ledger: Ledger, home: Project, tmp_path: Path
) -> None:
    git(home.root, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    linked = find(tmp_path / "linked")
    run = clock.ulid()
    ledger.append("started", run, started())
    held = locks.take(linked.run_dir(run) / "alive")
    assert held is not None
    assert ledger.find(run).status == "running"
    assert folder(home, run) == linked.run_dir(run)
    os.close(held)


def test_a_running_run_of_somebody_else_is_stale_in_a_view_only(
    home: Project, clone: Callable[..., Project]
) -> None:
    peer = clone("peer", of=home)
    run = clock.ulid()
    Ledger(peer).append("started", run, started())
    Ledger(peer).commit("started")
    git(home.root, "pull", "-q", str(peer.root), "main")
    ledger = Ledger(home)
    assert ledger.find(run).status == "running"
    assert ledger.board()[0]["stale"] is True
    assert Ledger(peer).board()[0]["stale"] is False


def test_a_verdict_is_shown_by_every_run_that_it_judged(ledger: Ledger) -> None:
    from tests.ledger.conftest import verdict

    runs = [record(ledger, seed=seed) for seed in range(3)]
    ledger.append("verdict", runs[0], verdict(runs[:2], "fail"))
    assert ledger.rows(["verdict"], sort="run") == [
        {"verdict": "fail"},
        {"verdict": "fail"},
        {"verdict": None},
    ]


def test_names_beyond_what_a_table_holds_do_not_stop_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flat, "MOST", 3)
    run = record(ledger, config={f"k{i}": i for i in range(9)})
    assert ledger.rows(["k0", "k2"]) == [{"k0": 0, "k2": 2}]
    assert ledger.find(run).config["k8"] == 8
