"""How far a study is, by its journal and the ledger, for lists and screens; Optuna is not asked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from core import registry
from core.contract import Metric
from core.ledger import Ledger, query
from core.project import Project
from core.study import cells
from core.study.folder import Folder

State = Literal["running", "paused", "stopping", "finished", "stopped"]


class Best(NamedTuple):
    """The best number so far, and whose it is."""

    run: str
    trial: int | None
    value: float


class Summary(NamedTuple):
    """A study in one line."""

    id: str
    task: str
    kind: str
    created: str
    state: State
    ended: int  # runs or trials that need not be done again
    total: int
    failed: int  # of those ended
    running: list[str]  # run ids
    metric: Metric  # the task's primary, or a search's first objective
    best: Best | None  # of a search: that satisfies all constraints if one does
    accepted: int  # trials that satisfy the constraints; runs whose verdict is pass
    left_s: float | None  # None: not running, or nothing has ended yet


def of(project: Project, ledger: Ledger, folder: Folder) -> Summary:
    """The study as it stands now."""
    plan = folder.plan
    task = registry.load(project).find(plan.study.task)
    metric = task.metric(plan.objectives[0] if plan.objectives else task.primary)
    journal = folder.journal()
    columns = ["run", "trial", "status", "verdict", f"metric.{metric.name}"]
    known = f"metric.{metric.name}" in ledger.names()
    rows = ledger.rows(columns[: None if known else -1], f"study = {query.quote(plan.id)}")
    ended, failed, total = _counts(ledger, folder, journal)
    found = {e["run"]: e for e in journal if e["kind"] == "ended" and "violation" in e}
    return Summary(
        id=plan.id,
        task=task.name,
        kind=plan.study.kind,
        created=plan.created,
        state=_state(folder, ended >= total),
        ended=ended,
        total=total,
        failed=failed,
        running=[r["run"] for r in rows if r["status"] == "running"],
        metric=metric,
        best=_best(rows, metric, found),
        accepted=sum(not e["violation"] for e in found.values())
        if found
        else sum(r["verdict"] == "pass" for r in rows),
        left_s=_left(folder, journal, total - ended),
    )


def _state(folder: Folder, whole: bool) -> State:
    if not folder.led():
        return "finished" if whole else "stopped"
    if folder.stop_file.exists():
        return "stopping"
    return "paused" if folder.pause_file.exists() else "running"


def _counts(
    ledger: Ledger, folder: Folder, journal: Sequence[Mapping[str, Any]]
) -> tuple[int, int, int]:
    """Ended, failed of these, and all that are asked for."""
    ended = failed = 0
    total = len(folder.cells)
    if folder.cells:
        settled = [s.run for s in cells.states(ledger, folder) if s.what == "settled"]
        listed = ", ".join(query.quote(run) for run in settled if run)
        good = ledger.rows(["run"], f"run in ({listed or 'null'}) and status = 'finished'")
        ended, failed = len(settled), len(settled) - len(good)
    if folder.plan.study.kind == "search":
        last = {e["trial"]: e for e in journal if e.get("trial") is not None}
        over = [e for e in last.values() if e["kind"] != "requeued" and not e.get("again")]
        ended += len(over)
        failed += sum(e.get("status") not in ("finished", "pruned") for e in over)
        total += folder.plan.trials
    return ended, failed, total


def _best(
    rows: Sequence[Mapping[str, Any]], metric: Metric, found: Mapping[str, Mapping[str, Any]]
) -> Best | None:
    sign = 1 if metric.direction == "max" else -1

    def key(row: Mapping[str, Any]) -> tuple[float, float]:
        violation = found.get(row["run"], {}).get("violation", 0.0)
        return -violation, sign * row[f"metric.{metric.name}"]

    given = [r for r in rows if r.get(f"metric.{metric.name}") is not None]
    if not given:
        return None
    top = max(given, key=key)
    return Best(top["run"], top["trial"], top[f"metric.{metric.name}"])


def _left(folder: Folder, journal: Sequence[Mapping[str, Any]], left: int) -> float | None:
    """Seconds to go at the pace of this session."""
    if not folder.led() or left <= 0:
        return None
    begun = max((i for i, e in enumerate(journal) if e["kind"] == "session"), default=None)
    if begun is None:
        return None
    done = [e for e in journal[begun:] if e["kind"] == "ended" and not e.get("again")]
    if not done:
        return None
    pace = (done[-1]["t"] - journal[begun]["t"]) / len(done)
    return float(max(0.0, pace * left - (time.time() - done[-1]["t"])))
