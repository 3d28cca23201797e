"""Verify: what was changed is named by file, line and field, and nothing else is accused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import acceptance, clock
from core.ledger import Ledger, baselines, lines
from core.ledger.chain import Finding
from core.ledger.journal import Journal
from core.ledger.verify import verify
from core.project import Project
from tests.ledger.conftest import ended, git, record, started, verdict


def breaks(project: Project, **options: Any) -> list[Finding]:
    return verify(project, **options).breaks


def rewrite(path: Path, line: int, change: Callable[[bytes], bytes]) -> None:
    rows = path.read_bytes().split(b"\n")
    rows[line - 1] = change(rows[line - 1])
    path.write_bytes(b"\n".join(rows))


def without(path: Path, line: int) -> None:
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(rows[: line - 1] + rows[line:]))


@pytest.fixture
def segment(ledger: Ledger) -> Path:
    """A published segment of three runs: six lines."""
    for seed in range(3):
        record(ledger, seed=seed)
    path = ledger.publish()
    assert path is not None
    return path


def test_an_untouched_ledger_has_nothing_to_say(ledger: Ledger, home: Project) -> None:
    runs = [record(ledger, seed=seed) for seed in range(3)]
    ledger.append("verdict", runs[0], verdict(runs))
    ledger.commit("runs")
    record(ledger)
    ledger.publish()
    report = verify(home)
    assert (report.findings, report.runs, report.verdicts) == ([], 4, 1)
    assert report.lines == 9


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"value":0.9', b'"value":0.8', "metrics.ssim.value"),
        (b'"status":"finished"', b'"status":"finisheD"', "status"),
        (b'"split":"val"', b'"splat":"val"', "metrics.ssim.splat"),
        (b'"v":1', b'"v":3', "v"),
    ],
)
def test_an_edited_byte_is_named_by_writer_line_and_field(
    home: Project, segment: Path, old: bytes, new: bytes, field: str
) -> None:
    rewrite(segment, 4, lambda raw: raw.replace(old, new))
    (found,) = breaks(home)
    writer = Journal(home.store).writer()
    assert found.place == f"ledger/segments/{writer}/{segment.name}"
    assert (found.line, found.field) == (4, field)


def test_the_message_says_what_was_and_what_is(home: Project, segment: Path) -> None:
    rewrite(segment, 2, lambda raw: raw.replace(b'"value":0.9', b'"value":0.95'))
    assert breaks(home)[0].message == "is 0.95, was recorded as 0.9"


def test_an_edited_journal_is_told_by_its_published_copy(home: Project, segment: Path) -> None:
    (journal,) = Journal(home.store).files()
    rewrite(journal, 1, lambda raw: raw.replace(b'"seed":0', b'"seed":5'))
    (found,) = breaks(home)
    assert (found.place, found.line, found.field) == ("the journal (journal.jsonl)", 1, "seed")


def test_an_edited_digest_is_named_as_such(home: Project, segment: Path) -> None:
    rewrite(segment, 3, lambda raw: raw[:-3] + (b"0" if raw[-3:-2] != b"0" else b"1") + raw[-2:])
    (found,) = breaks(home)
    assert (found.line, found.field) == (3, "d")


def test_without_another_copy_the_line_alone_is_named(
    home: Project, segment: Path, clone: Callable[..., Project]
) -> None:
    Ledger(home).commit("runs")
    peer = clone("peer", of=home)
    path = peer.ledger / "segments" / segment.parent.name / segment.name
    rewrite(path, 2, lambda raw: raw.replace(b'"value":0.9', b'"value":0.8'))
    (found,) = breaks(peer)
    assert found.field == "metrics.ssim.value"  # HEAD has the intact line
    git(peer.root, "commit", "-qam", "forged")
    git(peer.root, "branch", "-qrD", "origin/main", "origin/HEAD")
    (found,) = breaks(peer)
    assert (found.line, found.field) == (2, "d")
    assert "no intact copy" in found.message


@pytest.mark.parametrize("line", [2, 3, 5])
def test_a_line_taken_out_of_a_segment_is_noticed(home: Project, segment: Path, line: int) -> None:
    without(segment, line)
    (found,) = breaks(home)
    assert (found.line, found.field) == (line, "p")


def test_a_line_taken_out_of_the_journal_is_noticed(home: Project, segment: Path) -> None:
    (journal,) = Journal(home.store).files()
    without(journal, 1)
    segment.unlink()
    (found,) = breaks(home)
    assert (found.place, found.line, found.field) == ("the journal (journal.jsonl)", 1, "p")


def test_a_recomputed_digest_still_breaks_the_chain(home: Project, segment: Path) -> None:
    def forge(raw: bytes) -> bytes:
        event = json.loads(raw)
        event["metrics"]["ssim"]["value"] = 0.99
        del event["d"]
        return lines.seal(event)[:-1]

    rewrite(segment, 2, forge)
    found = breaks(home)
    assert [f.field for f in found] == ["id", "p"]  # two contents of one event; the next line
    assert "two contents" in found[0].message


def test_a_torn_write_is_no_break(ledger: Ledger, home: Project) -> None:
    record(ledger)
    (journal,) = Journal(home.store).files()
    with journal.open("ab") as file:
        file.write(b'{"config":{"lr"')
    record(ledger)
    with journal.open("ab") as file:
        file.write(b'{"con')
    report = verify(home)
    assert report.breaks == []
    assert [(f.line, f.kind) for f in report.findings] == [(3, "open"), (6, "open")]


def test_a_line_of_another_schema_is_named_and_no_break(ledger: Ledger, home: Project) -> None:
    run = record(ledger)
    path = home.ledger / "segments" / "deadbeef" / "x.jsonl"
    path.parent.mkdir(parents=True)
    future = {"v": 2, "e": "started", "id": run, "run": run, "t": clock.stamp(), "p": ""}
    path.write_bytes(lines.seal(future))
    report = verify(home)
    assert [str(f) for f in report.findings] == [
        "open: ledger/segments/deadbeef/x.jsonl, line 1: v: "
        "schema 2 is not read by this version, which reads 1"
    ]
    assert report.lines == 2


def test_a_payload_that_is_no_record_is_named(home: Project) -> None:
    path = home.ledger / "segments" / "deadbeef" / "x.jsonl"
    path.parent.mkdir(parents=True)
    run = clock.ulid()
    bad = {"v": 1, "e": "ended", "id": run, "run": run, "t": clock.stamp(), "p": "", "steps": "x"}
    path.write_bytes(lines.seal(bad))
    (found,) = breaks(home)
    assert (found.line, found.field) == (1, "status")


def test_what_is_named_but_not_here_is_open(ledger: Ledger, home: Project) -> None:
    gone = clock.ulid()
    run = clock.ulid()
    tree = {"dirty": False, "code_tree": "t", "tree": "t", "head": None, "branch": None}
    ledger.append("started", run, started(parent=gone, git={"commit": "f" * 40, **tree}))
    ledger.append("verdict", run, verdict([run, gone]))
    keep = {"decision": "keep", "by": "human", "reason": "", "verdict": gone}
    ledger.append("decision", run, keep)
    baselines.put(home, "lightmap", [run, gone], by="human")
    report = verify(home)
    assert report.breaks == []
    fields = [f.field for f in report.findings]
    assert fields == ["parent", "candidate", "verdict", "lightmap.baseline", "git.commit"]


def test_files_of_runs_are_compared_when_asked(ledger: Ledger, home: Project) -> None:
    run = clock.ulid()
    ledger.append("started", run, started())
    facts = {"kind": "image", "sha256": hashlib.sha256(b"good").hexdigest(), "bytes": 4}
    files = [{"path": name, **facts} for name in ("a.png", "b.png", "c.png")]
    ledger.append("ended", run, ended() | {"artifacts": files})
    assert verify(home, artifacts=True).findings == []  # the folder is not on this machine
    home.run_dir(run).mkdir(parents=True)
    (home.run_dir(run) / "a.png").write_bytes(b"good")
    (home.run_dir(run) / "b.png").write_bytes(b"evil")
    report = verify(home, artifacts=True)
    assert [f.message.split()[0] for f in report.breaks] == ["b.png"]
    assert [f.kind for f in report.findings] == ["break", "open"]
    assert verify(home).findings == []


def test_verdicts_are_decided_again_when_asked(ledger: Ledger, home: Project) -> None:
    runs = [record(ledger, seed=seed) for seed in range(2)]
    clause = {
        **{"name": "good", "metric": "ssim", "unit": "1", "direction": "max", "rule": "at_least"},
        **{"threshold": 0.5, "result": "pass", "reason": "", "candidate": [0.9, 0.9]},
        **{"method": "t", "against": ""},
    }
    honest = verdict(runs) | {"clauses": [clause]}
    forged = verdict(runs) | {"clauses": [clause | {"candidate": [0.1, 0.2]}]}
    ledger.append("verdict", runs[0], honest)
    ledger.append("verdict", runs[0], forged)
    assert breaks(home) == []
    found = breaks(home, recompute=acceptance.recompute)
    assert [(f.line, f.field) for f in found] == [(6, "clauses.good.result"), (6, "verdict")]


def test_a_clone_without_the_journal_checks_what_it_has(
    ledger: Ledger, home: Project, clone: Callable[..., Project]
) -> None:
    record(ledger)
    ledger.commit("one")
    record(ledger)
    ledger.commit("two")
    peer = clone("peer", of=home)
    assert verify(peer).findings == []
    first = sorted((peer.ledger / "segments").glob("*/*.jsonl"))[0]
    git(peer.root, "checkout", "-q", "--orphan", "alone")
    git(peer.root, "rm", "-qf", str(first))
    git(peer.root, "commit", "-qm", "alone")
    git(peer.root, "branch", "-qD", "main")
    git(peer.root, "branch", "-qrD", "origin/main", "origin/HEAD")
    (found,) = verify(peer).findings
    assert (found.kind, found.line, found.field) == ("open", 1, "p")
