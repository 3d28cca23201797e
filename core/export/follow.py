"""The exporter's loop: look at the ledger and the runs' files once a second, tell the sinks."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from core import ledger as ledgers
from core.errors import AssayError
from core.export import mode
from core.export.line import Line
from core.export.settings import Settings
from core.export.sink import Sink
from core.ledger import Ledger
from core.project import Project

POLL_S = 1.0
LINGER_S = 60.0  # for runs that still end after who started them is gone
COLUMNS = ("run", "status", "attempt", "ended", "verdict")


class Scope(NamedTuple):
    """Which runs are followed, and how long."""

    name: str  # a study's id, or a run's
    folder: Path  # where what was exported is written down
    where: Callable[[], str]  # filter of the ledger
    over: Callable[[], bool]  # nothing more will be started


class Exporter:
    """Feeds all runs of a scope to all sinks."""

    def __init__(self, project: Project, scope: Scope, settings: Settings) -> None:
        self._project, self._scope = project, scope
        self._ledger = Ledger(project)
        self._lines: dict[tuple[str, str], Line] = {}
        self.warnings: dict[str, str] = {}  # kind -> the first one
        self._sinks: list[Sink] = []
        self.mode = mode.resolve(settings.wandb, os.environ, mode.has_key)
        if self.mode.name != "off":
            from core.export.wandb_sink import WandbSink

            self._sinks.append(WandbSink(project, settings, self.mode, self.warn))
        if settings.tensorboard:
            from core.export.tensorboard_sink import TensorboardSink

            self._sinks.append(TensorboardSink())

    def run(self) -> dict[str, Any]:
        """Follow until all is over and told; what was done."""
        deadline = float("inf")
        while True:
            if self._scope.over():  # asked before the rows are read: they are the last ones then
                deadline = min(deadline, time.monotonic() + LINGER_S)
            rows = self._ledger.rows(COLUMNS, self._scope.where())
            running = any(row["status"] == "running" for row in rows)
            last = time.monotonic() > deadline or (deadline < float("inf") and not running)
            for row in reversed(rows):
                self._follow(row, last)
            if last:
                return self.done()
            time.sleep(POLL_S)

    def _follow(self, row: dict[str, Any], last: bool) -> None:
        for sink in self._sinks:
            key = (row["run"], sink.name)
            if key not in self._lines:
                folder = ledgers.folder(self._project, row["run"])
                if folder is None:  # it ran on another machine
                    return
                self._lines[key] = Line(sink, folder, self.warn)
            line = self._lines[key]
            if not line.broken:
                line.follow(row, functools.partial(self._ledger.find, row["run"]), last)

    def done(self) -> dict[str, Any]:
        """Per sink how many runs it has and which it lacks, how W&B was used, and the warnings."""
        out: dict[str, Any] = {"of": self._scope.name, "warnings": list(self.warnings.values())}
        for sink in self._sinks:
            mine = {run: line for (run, name), line in self._lines.items() if name == sink.name}
            lacks = sorted(run for run, line in mine.items() if line.position.judged is None)
            out[sink.name] = {"runs": len(mine) - len(lacks), "lacks": lacks}
            if sink.name == "wandb":
                used = getattr(sink, "mode", self.mode)
                out[sink.name] |= {"mode": used.name, "why": used.why}
        return out

    def warn(self, kind: str, text: str) -> None:
        """Say the first of a kind."""
        if kind not in self.warnings:
            self.warnings[kind] = text
            sys.stderr.write(f"warning: {text}\n")
            sys.stderr.flush()


def nothing() -> AssayError:
    """There is no sink to feed."""
    return AssayError(
        "nothing is switched on",
        "Pass --wandb auto or --tensorboard, or write `review: {wandb: auto}` in registry.yaml",
        code="nothing_on",
    )
