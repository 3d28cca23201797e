"""One run into one sink: order, resumes, damage, and what is remembered."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from core.export.line import Line, Position
from core.ledger import Ledger
from core.ledger.record import RunRecord
from core.project import Project


class Kept:
    """A sink that keeps what it is told, and fails when asked to."""

    name = "kept"

    def __init__(self, fails: str = "") -> None:
        self.said: list[Any] = []
        self.fails = fails
        self.step = 0

    def begin(self, record: RunRecord, folder: Path) -> Kept:
        self.said = []
        return self._do("begin", record.run)

    def again(self, record: RunRecord, folder: Path, step: int) -> Kept:
        return self._do("again", step)

    def _do(self, *what: Any) -> Kept:
        if what[0] == self.fails:
            raise OSError(28, "No space left on device")
        self.said.append(what)
        return self

    def log(self, values: Any, step: int, at: float) -> None:
        self.step = step
        self._do("log", step, values)

    def image(self, name: str, path: Path, step: int, at: float) -> None:
        self._do("image", name, step)

    def rewind(self, step: int) -> None:
        self._do("rewind", step)

    def end(self, record: RunRecord) -> None:
        self._do("end", record.status)

    def judge(self, record: RunRecord) -> None:
        self._do("judge", record.verdict and record.verdict.verdict)

    def close(self, record: RunRecord) -> None:
        self._do("close")

    @property
    def steps(self) -> list[int]:
        return [what[1] for what in self.said if what[0] == "log"]


class Told:
    """The warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, kind: str, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def run(ran: Project) -> RunRecord:
    return Ledger(ran).find("@last")


def row(run: RunRecord, **other: Any) -> dict[str, Any]:
    verdict = run.verdict and run.verdict.verdict
    plain = {"status": run.status, "attempt": run.attempt, "ended": run.timing.ended}
    return plain | {"verdict": verdict} | other


def feed(ran: Project, run: RunRecord, sink: Kept, said: Told, **other: Any) -> Line:
    line = Line(sink, ran.run_dir(run.run), said)
    line.follow(row(run, **other), lambda: run, last=True)
    return line


def test_a_sink_gets_a_run_once_in_order(ran: Project, run: RunRecord) -> None:
    sink, said = Kept(), Told()
    feed(ran, run, sink, said)
    assert sink.steps == list(range(1, 21))
    kinds = [what[0] for what in sink.said if what[0] != "log"]
    assert kinds == ["begin", "end", "judge", "close"]
    feed(ran, run, sink, said)  # another exporter: it knows that nothing is lacking
    assert len(sink.said) == 24
    assert said.lines == []


def test_a_run_that_goes_on_is_followed(ran: Project, run: RunRecord) -> None:
    folder = ran.run_dir(run.run)
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:20]) + lines[20][:10])
    sink, going = Kept(), row(run, status="running", ended=None, verdict=None)
    line = Line(sink, folder, Told())
    line.follow(going, lambda: run, last=False)
    before = list(sink.steps)
    with (folder / "events.jsonl").open("ab") as file:
        file.write(lines[20][10:] + b"".join(lines[21:]))
    line.follow(going, lambda: run, last=False)
    line.follow(row(run, verdict=None), lambda: run.model_copy(update={"verdict": None}), False)
    assert 0 < len(before) < 20
    assert sink.steps == list(range(1, 21))
    assert line.position == Position(1, None, 20)
    line.follow(row(run, verdict="fail"), lambda: run, last=False)  # judged later
    assert [w[0] for w in sink.said[-4:]] == ["close", "again", "judge", "close"]
    assert line.position.judged is not None


def test_a_sink_that_fails_gets_all_of_it_next_time(ran: Project, run: RunRecord) -> None:
    said = Told()
    for fails in ("begin", "log", "end", "judge", "close"):
        line = feed(ran, run, Kept(fails), said)
        assert line.broken
        assert line.position == Position()
    assert len(said.lines) == 5
    assert "No space left" in said.lines[0]
    sink = Kept()
    assert feed(ran, run, sink, said).position.judged is not None
    assert sink.steps == list(range(1, 21))


def test_two_exporters_do_not_write_the_same_run(ran: Project, run: RunRecord) -> None:
    going = row(run, status="running", ended=None)
    first, second = Kept(), Kept()
    one = Line(first, ran.run_dir(run.run), Told())
    one.follow(going, lambda: run, last=False)
    feed(ran, run, second, Told())
    assert first.steps
    assert second.said == []


def write(ran: Project, run: RunRecord, *events: Any) -> None:
    lines = [e if isinstance(e, str) else json.dumps(e) for e in events]
    (ran.run_dir(run.run) / "events.jsonl").write_text("".join(f"{one}\n" for one in lines))


def log(step: Any, **values: Any) -> dict[str, Any]:
    return {"t": 1.0, "kind": "log", "step": step, "values": values}


def test_damage_is_skipped_and_named(ran: Project, run: RunRecord) -> None:
    write(
        ran,
        run,
        log(1, loss=1.0),
        "{torn",
        "[]",
        '"text"',
        {"kind": "log", "step": 2},
        {"kind": "log", "step": 2, "values": [1]},
        log("2", loss=1.0),
        log(2, loss="much"),
        {"kind": "resume"},
        {"kind": "image", "name": 3, "path": "x.png"},
        {"kind": "image", "name": "gone", "path": "images/gone.png", "step": 1},
        {"kind": "tomorrow's", "step": {}},
        log(3, loss=None),
    )
    sink, said = Kept(), Told()
    feed(ran, run, sink, said)
    assert sink.steps == [1, 3]
    assert math.isnan(sink.said[2][2]["loss"])
    assert len(said.lines) == 7
    assert all("skipped in" in line for line in said.lines)


def test_steps_that_a_resume_takes_back_are_not_told(ran: Project, run: RunRecord) -> None:
    resume = {"kind": "resume", "step": 2, "t": 1.0}
    write(ran, run, *(log(i, loss=i) for i in (1, 2, 3, 4)), resume, log(3, loss=30.0))
    sink = Kept()
    feed(ran, run, sink, Told())
    assert [w for w in sink.said if w[0] in ("log", "rewind")] == [
        ("log", 1, {"loss": 1}),
        ("log", 2, {"loss": 2}),
        ("rewind", 2),
        ("log", 3, {"loss": 30.0}),
    ]


def test_a_second_attempt_is_written_anew(ran: Project, run: RunRecord) -> None:
    sink, said = Kept(), Told()
    feed(ran, run, sink, said)
    line = feed(ran, run, sink, said, attempt=2)
    assert sink.steps == list(range(1, 21))
    assert line.position.attempt == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"attempt": 1, "colour": 2}'])
def test_a_damaged_position_is_none(ran: Project, run: RunRecord, text: str) -> None:
    file = ran.run_dir(run.run) / "kept" / "position.json"
    file.parent.mkdir()
    file.write_text(text)
    sink = Kept()
    feed(ran, run, sink, Told())
    assert sink.steps == list(range(1, 21))
