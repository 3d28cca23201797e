"""What the screens draw, gathered from files and the ledger: one lock, any thread, no widgets."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from core.errors import AssayError
from core.project import Project
from core.tui.machine import Gauge, Machine

if TYPE_CHECKING:
    from core.ledger import Ledger

PAGE = 500  # runs of a page of the ledger
ULID = 26  # letters of a run's name


class Pulse(NamedTuple):
    """What one look at the world tells the app."""

    machine: Machine
    changed: bool  # something was recorded, began or ended since the look before
    running: int
    ended: list[str]  # studies that nobody leads any more, and somebody did


class TaskRow(NamedTuple):
    """A task on the dashboard."""

    name: str
    broken: str = ""  # why it does not import
    title: str = ""
    running: int = 0
    verdict: str | None = None
    value: float | None = None  # of the newest finished run that is not the baseline
    metric: str = ""
    unit: str = ""
    gain: float | None = None  # over the baseline's mean
    results: tuple[str, ...] = ()  # of each criterion: pass, fail, unknown
    criteria: int = 0


class Page(NamedTuple):
    """Some runs of the ledger."""

    rows: list[dict[str, Any]]
    total: int
    offset: int
    strays: list[tuple[str, str]]  # run folders that the ledger does not know, and what they are


class Source:
    """The project as the app sees it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.lock = threading.RLock()  # sqlite and the caches below are for one thread at a time
        self._gauge = Gauge(project)
        self._mark: object = None
        self._led: set[str] | None = None
        self._ledger: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        """The ledger, imported and opened when it is first asked for: after the first frame."""
        from core.ledger import Ledger

        if self._ledger is None:
            self._ledger = Ledger(self.project)
        return self._ledger

    def code(self) -> str:
        """Branch and commit, with * for changes."""
        return self._gauge.look().code

    def refresh(self) -> None:
        """Look at the branches and the work tree's segments again."""
        with self.lock:
            self.ledger.refresh()

    def pulse(self) -> Pulse:
        """Look whether anything happened; a few file stats."""
        with self.lock:
            machine = self._gauge.look()
            led = self._leds()
            mark = (self.ledger.mark(), frozenset(led.items()))
            changed, self._mark = mark != self._mark, mark
            running = {name for name, state in led.items() if state[0]}
            ended = sorted((self._led or set()) - running)
            self._led = running
            return Pulse(machine, changed, len(running), ended)

    def _leds(self) -> dict[str, tuple[bool, bool, int]]:
        """Whether each study is led, paused or told to stop, and the size of its journal."""
        from core.study import folder as studies

        found = {}
        for one in studies.folders(self.project):
            size = 0
            with contextlib.suppress(OSError):
                size = (one.path / "journal.jsonl").stat().st_size
            asked = one.pause_file.exists() or one.stop_file.exists()
            found[one.path.name] = (one.led(), asked, size)
        return found

    def tasks(self) -> list[TaskRow]:
        """One row a task, also for one that does not import."""
        from core import registry

        with self.lock:
            known = registry.load(self.project)
            return [self._task(known, name) for name in sorted(known.lines)]

    def _task(self, known: Any, name: str) -> TaskRow:
        from core import acceptance
        from core.ledger import query

        try:
            task = known.find(name)
        except AssayError as error:
            return TaskRow(name, broken=error.message)
        mine = f"task = {query.quote(name)}"
        running = self.ledger.rows(["run"], f"{mine} and status = 'running'")
        judged = self.ledger.records(f"{mine} and verdict is not null and not void", limit=1)
        where = f"{mine} and status = 'finished' and not void"
        if judged:
            where += f" and run = {query.quote(judged[0].run)}"
        best = self.ledger.board(where, limit=1)
        verdict = judged[0].verdict if judged else None
        results = [
            acceptance.outcome(members)
            for members in acceptance.groups(verdict.clauses if verdict else []).values()
        ]
        return TaskRow(
            name,
            title=task.title,
            running=len(running),
            verdict=verdict.verdict if verdict else None,
            value=best[0]["value"] if best else None,
            metric=task.primary,
            unit=task.metric(task.primary).unit,
            gain=best[0]["gain"] if best else None,
            results=tuple(results),
            criteria=len(task.criteria),
        )

    def studies(self) -> list[Any]:
        """A Summary of every study, newest first, and names of those that cannot be read."""
        from core.study import folder as studies
        from core.study import summary

        with self.lock:
            out: list[Any] = []
            for one in studies.every(self.project):
                try:
                    out.append(summary.of(self.project, self.ledger, one))
                except AssayError as error:  # its task is gone, or its files are damaged
                    out.append((one.path.name, error.message))
            reason = "its plan cannot be read: damaged, or of another version"
            return out + [(name, reason) for name in studies.unreadable(self.project)]

    def recent(self, count: int) -> list[dict[str, Any]]:
        """The newest runs, as `assay ls` has them."""
        with self.lock:
            return self.ledger.board(limit=count)

    def page(self, where: str | None, offset: int = 0) -> Page:
        """A page of the ledger under the CLI's filter.

        Raises:
            AssayError: the filter is not valid.
        """
        with self.lock:
            rows = self.ledger.board(where, limit=PAGE, offset=offset)
            total = self.ledger.count(where)
            return Page(rows, total, offset, [] if where else self._strays())

    def _strays(self) -> list[tuple[str, str]]:
        """Run folders without a line in the ledger: half-written, foreign or broken."""
        known = {row["run"] for row in self.ledger.rows(["run"])}
        try:
            folders = sorted(p.name for p in self.project.runs.iterdir() if p.is_dir())
        except OSError:
            return []
        names = [n for n in folders if len(n) == ULID and n not in known]  # not plots, say
        return [(n, _stray(self.project.runs / n)) for n in names]

    def record(self, run: str) -> Any:
        """The record of a run."""
        with self.lock:
            return self.ledger.find(run)

    def folder(self, run: str) -> Path | None:
        """The run's folder, where it is on this machine."""
        from core.ledger import folder

        return folder(self.project, run)


def _stray(place: Path) -> str:
    """What a folder is that the ledger does not know."""
    from pydantic import ValidationError

    from core.spec import RunSpec

    try:
        spec = RunSpec.model_validate_json((place / "run.json").read_text())
    except FileNotFoundError:
        return "half-written: it has no run.json"
    except (OSError, UnicodeDecodeError):
        return "run.json cannot be read"
    except ValidationError:
        return "run.json is damaged, or of another version"
    return f"{spec.task}/{spec.variant} seed {spec.seed}, which the ledger does not know"


def quoted(names: Sequence[str]) -> str:
    """Names as a list in a filter."""
    from core.ledger import query

    return ", ".join(map(query.quote, names)) or "null"
