"""From what somebody types to a run: the beginning of an id, @last, @best:<metric>, @baseline."""

from __future__ import annotations

import sqlite3

from core.errors import AssayError
from core.ledger import baselines, query
from core.project import Project

BEST = "status = 'finished' and not void"


def resolve(db: sqlite3.Connection, project: Project, ref: str) -> str:
    """The id of the run that `ref` means.

    Raises:
        AssayError: it means none, or more than one.
    """
    kind, *rest = ref.split(":")
    match kind, rest:
        case "@last", []:
            return _first(query.select(db, ["run"], limit=1), ref, "Nothing is recorded yet")
        case "@best", [metric]:
            return _best(db, ref, metric, _only_task(db, metric))
        case "@best", [task, metric]:
            return _best(db, ref, metric, task)
        case "@baseline", [] | [_]:
            return _baseline(project, ref, rest[0] if rest else None)
    if ref.startswith("@"):
        raise AssayError(
            f"no reference '{ref}'",
            "Known: @last, @best:<metric>, @best:<task>:<metric>, @baseline, @baseline:<task>",
            code="unknown_run",
        )
    return _by_prefix(db, ref)


def _by_prefix(db: sqlite3.Connection, ref: str) -> str:
    start = ref.upper()
    rows = db.execute(
        "SELECT run FROM run WHERE run >= ? AND run < ? LIMIT 4", (start, f"{start}~")
    ).fetchall()
    if len(rows) > 1:
        some = ", ".join(run for (run,) in rows[:3])
        raise AssayError(
            f"several runs begin with '{ref}': {some}{', ...' if len(rows) > 3 else ''}",
            "Give more letters",
            code="ambiguous_run",
        )
    return _first(rows if ref else [], ref, "See `assay ls`")


def _best(db: sqlite3.Connection, ref: str, metric: str, task: str) -> str:
    where = f"{BEST} and task = {query.quote(task)} and metric.{metric} is not null"
    found = query.select(db, ["run"], where, sort=f"metric.{metric}", limit=1)
    return _first(found, ref, f"No finished run of {task} has measured {metric}")


def _only_task(db: sqlite3.Connection, metric: str) -> str:
    rows = db.execute("SELECT task FROM declared WHERE name = ? ORDER BY task", (metric,))
    tasks = [task for (task,) in rows]
    if len(tasks) != 1:
        raise AssayError(
            f"metric '{metric}' is measured by {', '.join(tasks)}: which best is meant?"
            if tasks
            else f"no run has measured a metric '{metric}'",
            f"Write @best:{tasks[0]}:{metric}" if tasks else "See `assay ls`",
            code="unknown_run",
        )
    return str(tasks[0])


def _baseline(project: Project, ref: str, task: str | None) -> str:
    """The first run of a task's yardstick; without a task, of the only one there is."""
    tasks = baselines.load(project)
    if task is None and len(tasks) != 1:
        raise AssayError(
            f"'{ref}' could be the baseline of {', '.join(sorted(tasks)) or 'no task'}",
            "Write @baseline:<task>" if tasks else "Set one with `assay baseline set`",
            code="unknown_run",
        )
    return baselines.get(project, task or next(iter(tasks))).runs[0]


def _first(rows: list[tuple[str, ...]], ref: str, hint: str) -> str:
    if not rows:
        raise AssayError(f"no run '{ref}'", hint, code="unknown_run")
    return rows[0][0]
