"""How a task stands: its criteria, its verdicts, the best numbers on record, its baseline."""

from __future__ import annotations

from typing import NamedTuple

from core.errors import AssayError
from core.ledger import query
from core.ledger.record import RunRecord, Verdict
from core.tui import words
from core.tui.source import Source

HISTORY = 400  # runs whose verdicts are looked through


class Judged(NamedTuple):
    """A verdict, and the newest of its runs."""

    verdict: Verdict
    record: RunRecord


class Judgement(NamedTuple):
    """What stands of a task."""

    tasks: dict[str, str | None]  # name -> newest verdict
    task: str
    history: list[Judged]  # newest first
    declared: list[tuple[str, str]]  # criterion -> its words
    best: dict[str, str]  # metric -> the best number on record
    baseline: str  # who the yardstick is


def of(source: Source, wanted: str | None) -> Judgement:
    """The task of this name, else one that was judged.

    Raises:
        AssayError: no task is registered.
    """
    from core import datasheet, registry
    from core.ledger import baselines

    tasks = {row.name: row.verdict for row in source.tasks()}
    if not tasks:
        raise AssayError("no task is registered", "Add one with `assay new <name>`")
    task = wanted if wanted in tasks else max(tasks, key=lambda name: tasks[name] is not None)
    declared: list[tuple[str, str]] = []
    best: dict[str, str] = {}
    found = registry.load(source.project).find(task)
    for criterion in found.criteria:
        declared.append((criterion.name, datasheet.criterion(found, criterion)))
    known = set(source.ledger.names())
    mine = f"task = {query.quote(task)} and status = 'finished' and not void"
    for metric in found.metrics:
        name = f"metric.{metric.name}"
        if name in known:
            way = "desc" if metric.direction == "max" else "asc"
            rows = source.ledger.rows([name], f"{mine} and {name} is not null", f"{name} {way}", 1)
            if rows:
                best[metric.name] = words.number(rows[0][name], metric.unit)
    where = f"task = {query.quote(task)} and verdict is not null and not void"
    history: dict[str | None, Judged] = {}
    for record in source.ledger.records(where, limit=HISTORY):
        if record.verdict:
            history.setdefault(record.verdict.id, Judged(record.verdict, record))
    stick = baselines.load(source.project).get(task, {}).get(baselines.DEFAULT)
    said = f"baseline: {len(stick.runs)} runs, set by {stick.by}" if stick else "no baseline is set"
    return Judgement(tasks, task, list(history.values()), declared, best, said)
