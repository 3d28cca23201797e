"""What a sink is: a place that shows runs, fed one session at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from core.ledger.record import RunRecord


class Unsaved(Exception):
    """A sink did not keep all that it was given; it says what to do."""


class Session(Protocol):
    """One run, open in one sink. May raise anything: the run is then written again later."""

    step: int  # the last that the sink has

    def log(self, values: Mapping[str, float], step: int, at: float) -> None:
        """Scalars of a step; NaN is a value that was not finite. `at`: seconds since 1970."""

    def image(self, name: str, path: Path, step: int, at: float) -> None:
        """A picture, PNG."""

    def rewind(self, step: int) -> None:
        """A resumed run goes on after this step; it may say some steps again."""

    def end(self, record: RunRecord) -> None:
        """The outcome and the numbers of a run that ended."""

    def judge(self, record: RunRecord) -> None:
        """The verdict, if there is one, and the checkpoint that it is about. The last word."""

    def close(self, record: RunRecord) -> None:
        """Write out.

        Raises:
            Unsaved: something was lost.
        """


class Sink(Protocol):
    """Opens sessions."""

    name: str  # of its folder inside a run's

    def begin(self, record: RunRecord, folder: Path) -> Session:
        """A session that gets the run from its first event; an unfinished earlier one is void."""

    def again(self, record: RunRecord, folder: Path, step: int) -> Session:
        """A session that adds to a run which the sink has whole, up to `step`."""


def outcome_of(record: RunRecord) -> str:
    """A tag for what became of a run: accepted, rejected, inconclusive, or its status."""
    if record.verdict is None:
        return record.status
    return {"pass": "accepted", "fail": "rejected"}.get(record.verdict.verdict, "inconclusive")
