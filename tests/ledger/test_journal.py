"""The journal: every acknowledged event is there for good, whatever happens around it."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from core import clock
from core.errors import AssayError
from core.ledger import Ledger, lines
from core.ledger import journal as journal_module
from core.ledger.journal import Journal
from core.project import Project, find
from tests.ledger.conftest import git, record, started

NOTE = {"kind": "text", "text": "x", "by": "human"}
ROOT = Path(__file__).parents[2]


def events(journal: Journal) -> list[dict[str, Any]]:
    found = []
    for path in journal.files():
        for raw in lines.whole(path.read_bytes()):
            if lines.digest(raw):
                found.append(lines.parse(raw))
    return found


def test_an_event_comes_back_as_it_was_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    given = journal.append("note", clock.ulid(), NOTE)
    assert events(journal) == [given]
    assert given | NOTE == given


def test_each_line_continues_the_one_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    written = [journal.append("note", clock.ulid(), NOTE) for _ in range(5)]
    assert [e["p"] for e in written] == ["", *(e["d"] for e in written[:-1])]


def test_an_event_is_on_the_disk_when_append_returns(tmp_path: Path, fsyncs: list[int]) -> None:
    journal = Journal(tmp_path)
    journal.append("note", clock.ulid(), NOTE)
    assert len(fsyncs) == 2  # the line, and the name of the new file
    journal.append("note", clock.ulid(), NOTE)
    assert len(fsyncs) == 3


def test_the_envelope_wins_over_what_is_carried(tmp_path: Path) -> None:
    run = clock.ulid()
    given = Journal(tmp_path).append("note", run, NOTE | {"run": "?", "id": None, "d": 1, "v": 9})
    assert (given["run"], given["v"], len(given["id"])) == (run, 1, 26)


def test_a_payload_that_is_no_part_of_a_record_is_not_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(lines.Flaw, match="wodget: no such field"):
        journal.append("started", clock.ulid(), started(wodget=1))
    with pytest.raises(lines.Flaw, match=r"env\.python: Field required"):
        journal.append("started", clock.ulid(), started(env={"digest": ""}))
    with pytest.raises(lines.Flaw, match="run: 'r1'"):
        journal.append("note", "r1", NOTE)
    assert not journal.files()


def test_a_line_above_one_mebibyte_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="a line may have 1048576"):
        Journal(tmp_path).append("note", clock.ulid(), NOTE | {"text": "x" * (1 << 20)})


def test_truncation_at_every_byte_of_the_last_2_kib_loses_only_what_was_cut(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    written = [journal.append("note", clock.ulid(), NOTE) for _ in range(12)]
    (file,) = journal.files()
    whole = file.read_bytes()
    ends = [m.end() for m in re.finditer(b"\n", whole)]
    assert len(whole) > 2048
    for cut in range(len(whole) - 2048, len(whole)):
        file.write_bytes(whole[:cut])
        kept = sum(end <= cut for end in ends)
        assert events(journal) == written[:kept]
        new = journal.append("note", clock.ulid(), NOTE)
        # A line that lacked its newline alone is whole again with the next append.
        back = kept + (cut + 1 in ends)
        assert events(journal) == [*written[:back], new]
        assert new["p"] == written[back - 1]["d"]


def test_the_index_follows_a_truncated_journal(ledger: Ledger, home: Project) -> None:
    runs = [record(ledger) for _ in range(3)]
    assert len(ledger.rows(["run"])) == 3
    (file,) = Journal(home.store).files()
    whole = file.read_bytes()
    for cut in range(len(whole) - 700, len(whole), 97):
        file.write_bytes(whole[:cut])
        new = record(ledger)
        found = {r["run"] for r in ledger.rows(["run"])}
        assert {runs[0], runs[1], new} <= found <= {*runs, new}


def test_the_journal_rolls_and_its_chain_goes_on(
    ledger: Ledger, home: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ROLL", 5000)
    runs = {record(ledger) for _ in range(12)}
    files = Journal(home.store).files()
    assert len(files) > 2
    assert all(path.stat().st_size <= 5000 for path in files)
    chain = events(Journal(home.store))
    assert [e["p"] for e in chain[1:]] == [e["d"] for e in chain[:-1]]
    assert {r["run"] for r in ledger.rows(["run"])} == runs


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_one_clear_line_and_loses_nothing(
    ledger: Ledger, home: Project, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    runs = [record(ledger) for _ in range(2)]
    before = Journal(home.store).files()[0].read_bytes()
    real = os.write

    def full(fd: int, *data: bytes) -> int:
        if call == "write" and len(data[0]) > 20:
            return real(fd, data[0][:20])  # what fits
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(AssayError, match="No space left") as caught:
            ledger.append("note", runs[0], NOTE)
    assert "\n" not in str(caught.value)
    assert Journal(home.store).files()[0].read_bytes() == before
    ledger.append("note", runs[0], NOTE)
    assert [r.run for r in ledger.records()] == runs[::-1]


def test_a_folder_that_may_not_be_written_is_one_clear_line_and_can_be_read(
    ledger: Ledger, home: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record(ledger)
    real = os.open

    def read_only(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(AssayError, match="Read-only file system"):
        ledger.append("note", run, NOTE)
    assert [r.run for r in Ledger(home).records()] == [run]


WRITER = """
import sys
from core.ledger import Ledger
from core.project import find
from tests.ledger.conftest import record
from pathlib import Path
ledger = Ledger(find(Path(sys.argv[1])))
print(*(record(ledger) for _ in range(int(sys.argv[2]))))
"""


def at_once(roots: Sequence[Path], runs: int) -> set[str]:
    """Record runs in one process for each root; all ids."""
    work = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root), str(runs)], cwd=ROOT, stdout=subprocess.PIPE
        )
        for root in roots
    ]
    said = [process.communicate()[0].decode().split() for process in work]
    assert [process.returncode for process in work] == [0] * len(work)
    return {run for ids in said for run in ids}


@pytest.mark.parametrize("each", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_eight_writers_on_one_clone_and_four_worktrees_lose_no_line(
    clone: Callable[..., Project], tmp_path: Path, each: int
) -> None:
    home = clone()
    for name in "wxyz":
        git(home.root, "worktree", "add", "-q", "--detach", str(tmp_path / name))
    roots = [home.root] * 4 + [tmp_path / name for name in "wxyz"]
    runs = at_once(roots, each)
    assert len(runs) == 8 * each
    chain = events(Journal(home.store))
    assert len(chain) == 16 * each
    assert [e["p"] for e in chain[1:]] == [e["d"] for e in chain[:-1]]
    assert {r["run"] for r in Ledger(home).rows(["run"], "status = 'finished'")} == runs
    assert {r["run"] for r in Ledger(find(tmp_path / "w")).rows(["run"])} == runs


def test_the_writer_is_made_once_and_names_nobody(tmp_path: Path) -> None:
    first = Journal(tmp_path).writer()
    assert re.fullmatch("[0-9a-f]{8}", first)
    assert Journal(tmp_path).writer() == first
