"""One run into one sink, as far as the run has come; what the sink has for good is remembered."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from core import events, locks
from core.export.sink import Session, Sink
from core.ledger import disk
from core.ledger.record import RunRecord

Event = dict[str, Any]
Warn = Callable[[str, str], None]  # (kind, text): the first of a kind is shown


class Position(NamedTuple):
    """What a sink has for good: `runs/<id>/<sink>/position.json`."""

    attempt: int = 0  # the last whose end is there
    judged: str | None = None  # the verdict that is shown; "": closed without one
    step: int = 0  # the last


class Line:
    """Feeds a run to a sink. A failure of the sink ends this line alone."""

    def __init__(self, sink: Sink, folder: Path, warn: Warn) -> None:
        self._sink, self._folder, self._warn = sink, folder, warn
        self._file = folder / sink.name / "position.json"
        self._tail = events.Tail(folder / events.NAME)
        self._session: Session | None = None
        self._lock: int | None = None
        self.position = _read(self._file)
        self.broken = False

    def follow(self, row: Mapping[str, Any], find: Callable[[], RunRecord], last: bool) -> None:
        """Bring the sink up to date. `row` was read before; `last`: nothing more will come."""
        try:
            if self.position.attempt < row["attempt"]:
                self._live(row, find, last)
            elif _news(self.position, row["verdict"], last):
                self._judge(find())
        except Exception as error:  # whatever a sink does, runs and other sinks go on
            self._give_up(error)

    def _live(self, row: Mapping[str, Any], find: Callable[[], RunRecord], last: bool) -> None:
        ended = _ended(row, last)
        new = list(self._sound(self._tail.new()))
        if self._session is None:
            if not (new or ended) or not self._mine():
                return
            self._session = self._sink.begin(find(), self._folder)
            new = events.settled(new)
        self._take(self._session, new)
        if not (ended or last):
            return
        record, session = find(), self._session
        if ended:
            session.end(record)
        judged = record.verdict or record.kind == "trial" or last
        if ended and judged:
            session.judge(record)
        session.close(record)
        self._session = None
        if ended:
            self._save(Position(row["attempt"], _shown(record) if judged else None, session.step))

    def _judge(self, record: RunRecord) -> None:
        if not self._mine():
            return
        session = self._sink.again(record, self._folder, self.position.step)
        session.judge(record)
        session.close(record)
        self._save(self.position._replace(judged=_shown(record)))

    def _take(self, session: Session, new: Iterable[Event]) -> None:
        for event in new:
            step, at = event.get("step", 0), event.get("t", 0.0)
            if event["kind"] == "log":
                session.log(_numbers(event["values"]), step, at)
            elif event["kind"] == "resume":
                session.rewind(step)
            elif event["kind"] == "image" and (path := self._folder / event["path"]).is_file():
                session.image(event["name"].removesuffix(".png"), path, step, at)

    def _sound(self, events_: Iterable[Event]) -> Iterator[Event]:
        """The events that are what they say they are; the first other one is named."""
        for event in events_:
            if _well_formed(event):
                yield event
            else:
                said = json.dumps(event)[:120]
                self._warn("malformed", f"skipped in {self._folder.name}/{events.NAME}: {said}")

    def _mine(self) -> bool:
        """Whether no other exporter feeds this run to this sink; held until it is saved."""
        if self._lock is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._lock = locks.take(self._file.parent / "lock")
        return self._lock is not None

    def _save(self, position: Position) -> None:
        self.position = position
        disk.replace(self._file, json.dumps(position._asdict()).encode())
        self._free()

    def _free(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _give_up(self, error: Exception) -> None:
        self.broken = True
        self._free()
        words = str(error).strip().splitlines() or [type(error).__name__]
        self._warn(self._sink.name, f"{self._sink.name}: {words[0]} ({self._folder.name})")


def _read(file: Path) -> Position:
    try:
        return Position(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return Position()


def _well_formed(event: Event) -> bool:
    step, at = event.get("step", 0), event.get("t", 0.0)
    if not (isinstance(step, int) and isinstance(at, int | float)):
        return False
    if event["kind"] == "log":
        values = event.get("values")
        if not isinstance(values, dict) or "step" not in event:
            return False
        return all(v is None or isinstance(v, int | float) for v in values.values())
    if event["kind"] == "image":
        return isinstance(event.get("path"), str) and isinstance(event.get("name"), str)
    return event["kind"] != "resume" or "step" in event


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {k: math.nan if v is None else float(v) for k, v in values.items()}


def _ended(row: Mapping[str, Any], last: bool) -> bool:
    """A lost run whose loss is not on record yet may still be taken over or resumed."""
    open_ = row["status"] == "running" or (row["status"] == "lost" and row["ended"] is None)
    return not open_ or (last and row["status"] == "lost")


def _news(position: Position, verdict: str | None, last: bool) -> bool:
    """Whether the sink shows another verdict than the ledger has, or waits for one in vain."""
    return (verdict or None) != (position.judged or None) or (last and position.judged is None)


def _shown(record: RunRecord) -> str:
    return record.verdict.verdict if record.verdict else ""
