"""The list of runs as `assay ls` and the TUI show it: a headline number, its gain, its seeds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from core.ledger import baselines, flat, query
from core.ledger.baselines import Yardstick
from core.project import Project

COLUMNS = (
    *("run", "created", "task", "variant", "status", "stale", "void", "verdict", "decision"),
    *("primary", "seed", "group", "comparable", "commit", "head", "dirty"),
)


def rows(
    db: sqlite3.Connection,
    project: Project,
    where: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """One dict a run: COLUMNS and what follows.

    short: as much of the id as names this run alone. metric: the one sorted by, else the task's
    primary; value and unit are its. gain: improvement over the mean of the task's baseline, None
    when they are not comparable. seeds: how many finished seeds the run's group has.
    """
    metrics = [name for kind, name in flat.columns(db) if kind == "metric"]
    asked = [*COLUMNS, *(f"metric.{name}" for name in metrics)]
    found = query.select(db, asked, where, sort, limit, offset)
    sorted_by = (sort or "").split(" ")[0].removeprefix("metric.")
    meaning = declared(db)
    sticks = _Sticks(db, baselines.load(project))
    out = []
    for row in found:
        run = dict(zip(COLUMNS, row, strict=False))
        values = dict(zip(metrics, row[len(COLUMNS) :], strict=True))
        name = sorted_by if sorted_by in values else run["primary"]
        direction, unit = meaning.get((run["task"], name), ("", ""))
        run |= {"metric": name, "value": values.get(name), "unit": unit}
        run |= {"gain": sticks.gain(run, direction), "seeds": _seeds(db, run["group"])}
        run |= {"short": shortest(db, run["run"])}
        run |= {name: bool(run[name]) for name in ("stale", "void", "dirty")}
        out.append(run)
    return out


def declared(db: sqlite3.Connection) -> dict[tuple[str, str], tuple[str, str]]:
    """Direction and unit of a task's metric."""
    rows = db.execute("SELECT task, name, direction, unit FROM declared")
    return {(task, name): (direction, unit) for task, name, direction, unit in rows}


def shortest(db: sqlite3.Connection, run: str) -> str:
    """The shortest beginning of an id, from 8 letters on, that no other run has."""
    before = db.execute("SELECT max(run) FROM run WHERE run < ?", (run,)).fetchone()[0]
    after = db.execute("SELECT min(run) FROM run WHERE run > ?", (run,)).fetchone()[0]
    others = tuple(other for other in (before, after) if other)
    starts = (run[:length] for length in range(8, len(run) + 1))
    return next(start for start in starts if not any(o.startswith(start) for o in others))


def _seeds(db: sqlite3.Connection, group: str) -> int:
    counted = db.execute(
        'SELECT count(DISTINCT seed) FROM run WHERE "group" = ? AND status = ? AND NOT void',
        (group, "finished"),
    )
    return int(counted.fetchone()[0])


class _Sticks:
    """Means of the tasks' baselines, each looked up once."""

    def __init__(self, db: sqlite3.Connection, tasks: dict[str, dict[str, Yardstick]]) -> None:
        self._db = db
        self._tasks = tasks
        self._known: dict[tuple[str, str], tuple[float, str] | None] = {}

    def gain(self, run: dict[str, Any], direction: str) -> float | None:
        """Improvement of a run's value over the baseline, in the metric's unit."""
        if run["value"] is None:
            return None
        key = (run["task"], run["metric"])
        if key not in self._known:
            stick = self._tasks.get(run["task"], {}).get(baselines.DEFAULT)
            self._known[key] = self._mean(stick.runs, run["metric"]) if stick else None
        known = self._known[key]
        if known is None or known[1] != run["comparable"]:
            return None
        gain = float(run["value"] - known[0])
        return gain if direction == "max" else -gain

    def _mean(self, runs: Iterable[str], metric: str) -> tuple[float, str] | None:
        """The mean, and the digest of what it may be compared with; None when they differ."""
        listed = ", ".join(map(query.quote, runs))
        where = f"run in ({listed}) and status = 'finished' and not void"
        found = query.select(self._db, [f"metric.{metric}", "comparable"], where)
        values = [value for value, _ in found if value is not None]
        kinds = {kind for _, kind in found}
        return (sum(values) / len(values), kinds.pop()) if values and len(kinds) == 1 else None
