"""The runs of a study as its screen lists them, and the levels that its criteria ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.tui import limits
from core.tui.source import Source
from core.tui.widgets.curve import Limit


class Trial(NamedTuple):
    """A run of the study, or one that waits."""

    key: str  # the run's id; cell-<n> of one that has not begun
    number: str
    status: str
    set: str  # what varies, or the name of its arm
    seed: int
    value: float | None = None
    verdict: str | None = None
    violation: float | None = None  # of a search's constraints
    seconds: float | None = None

    @property
    def begun(self) -> bool:
        """Whether it is a run already."""
        return not self.key.startswith("cell-")


class Trials(NamedTuple):
    """A study: how it stands, its runs, its limits."""

    summary: Any
    trials: list[Trial]
    levels: Mapping[str, list[Limit]]  # metric -> limits
    names: list[str]  # ids of all studies, newest first


def of(source: Source, wanted: str | None) -> Trials | None:
    """The study of this name, else the newest that is led, else the newest; None: there is none."""
    from core import judging, registry
    from core.study import folder, summary
    from core.study import plan as plans

    every = folder.every(source.project)
    if not every:
        return None
    led = next((f for f in every if f.led()), every[0])
    one = next((f for f in every if f.plan.id == wanted), led)
    told = summary.of(source.project, source.ledger, one)
    task = registry.load(source.project).find(one.plan.study.task)
    references: dict[str, Sequence[Any]] = {
        **judging.yardsticks(source.project, source.ledger, task.name)
    }
    if one.plan.reference is not None:
        where = f"study = '{one.plan.id}' and variant = '{one.plan.reference}'"
        references["baseline"] = source.ledger.records(where)
    criteria = plans.criteria(one.plan, task)
    levels = {m.name: limits.of(m, criteria, references) for m in task.metrics}
    return Trials(told, _trials(source, one, told), levels, [f.plan.id for f in every])


def _trials(source: Source, one: Any, told: Any) -> list[Trial]:
    """Newest first in a search; in the order of the plan in a list, with what has not begun."""
    from core.study import cells

    metric = f"metric.{told.metric.name}"
    columns = ["run", "trial", "variant", "seed", "status", "verdict", "started", "ended"]
    columns += [metric] if metric in source.ledger.names() else []
    varied = sorted({key for arm in one.plan.arms for key in arm.set} | set(one.plan.space))
    known = set(source.ledger.names())
    keys = [f"config.{key}" for key in varied if f"config.{key}" in known]
    rows = {r["run"]: r for r in source.ledger.rows([*columns, *keys], f"study = '{one.plan.id}'")}
    violations = {
        e["run"]: e["violation"] for e in one.journal() if e["kind"] == "ended" and "violation" in e
    }

    last = {e["run"]: e["kind"] for e in one.journal() if "run" in e}

    def waits(row: Mapping[str, Any]) -> bool:
        return last.get(row["run"]) == "requeued" and row["status"] != "running"

    def trial(row: dict[str, Any], number: str, label: str = "") -> Trial:
        values = ", ".join(f"{k.removeprefix('config.')} {_short(row[k])}" for k in keys)
        return Trial(
            row["run"],
            number,
            "queued" if waits(row) else row["status"],
            label or values,
            row["seed"],
            row.get(metric),
            row["verdict"],
            violations.get(row["run"]),
            _took(row),
        )

    if one.plan.study.kind == "search" and not one.confirming:
        return [trial(r, str(r["trial"])) for r in rows.values()]
    out = []
    for index, state in enumerate(cells.states(source.ledger, one)):
        row = rows.pop(state.run or "", None)
        if row is None and state.run:  # it stands for ours and was made by another study
            row = source.ledger.rows([*columns, *keys], f"run = '{state.run}'")[0]
        cell, number = state.cell, str(index)
        waiting = Trial(f"cell-{index}", number, "queued", cell.arm, cell.seed)
        out.append(trial(row, number, cell.arm) if row else waiting)
    return out + [
        trial(r, str(r["trial"])) for r in rows.values()
    ]  # a search's, confirmed by these


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _took(row: Mapping[str, Any]) -> float | None:
    from core import clock

    if not row["started"]:
        return None
    end = clock.parse(row["ended"]) if row["ended"] else clock.now()
    if not row["ended"] and row["status"] != "running":
        return None
    return max(0.0, (end - clock.parse(row["started"])).total_seconds())
