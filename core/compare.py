"""Two runs side by side: what they measured, and what they stood on."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from core import config
from core.ledger.record import Env, RunRecord

TOLERANCE = 1e-6  # relative: summing in another order, as other thread counts do, and no more

Changed = dict[str, tuple[Any, Any]]  # name -> its values in both, where they differ
Result = Literal["exact", "within tolerance", "differs", "timing", "not measured"]


class Row(BaseModel):
    """One metric of both runs; None where it was not measured."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    metric: str
    unit: str
    a: float | None
    b: float | None
    result: Result


def metrics(a: RunRecord, b: RunRecord, tolerance: float = TOLERANCE) -> list[Row]:
    """Every metric that either run measured or names as absent; durations are not judged.

    Args:
        a: One run.
        b: The other.
        tolerance: Share of the larger magnitude by which two values may differ.
    """
    names = {*a.metrics, *b.metrics, *a.absent, *b.absent}
    return [_row(name, a, b, tolerance) for name in sorted(names)]


def _row(name: str, a: RunRecord, b: RunRecord, tolerance: float) -> Row:
    one, two = a.metrics.get(name), b.metrics.get(name)
    known = one or two
    if known is None:
        return Row(metric=name, unit="", a=None, b=None, result="not measured")
    x, y = (measured.value if measured else None for measured in (one, two))
    result: Result = "timing" if known.timing else _result(x, y, tolerance)
    return Row(metric=name, unit=known.unit, a=x, b=y, result=result)


def _result(x: float | None, y: float | None, tolerance: float) -> Result:
    if x is None or y is None:
        return "differs"
    if x == y or (x != x and y != y):
        return "exact"
    return "within tolerance" if abs(x - y) <= tolerance * max(abs(x), abs(y)) else "differs"


def settings(a: RunRecord, b: RunRecord) -> Changed:
    """Config values that differ, by dotted key."""
    return _changed(dict(config.flatten(a.config, ())), dict(config.flatten(b.config, ())))


def environment(a: Env, b: Env) -> Changed:
    """What differs in interpreter, platform and installed packages."""
    return _changed(_environment(a), _environment(b))


def _environment(env: Env) -> dict[str, Any]:
    return env.model_dump(exclude={"digest"}) | {"installed packages": env.digest}


def facts(a: RunRecord, b: RunRecord) -> Changed:
    """What differs besides config and environment: task, seed, budget, device, data, evaluator."""
    return _changed(_facts(a), _facts(b))


def _facts(record: RunRecord) -> dict[str, Any]:
    budget = record.budget
    return {
        "task": f"{record.task} version {record.task_version}",
        "variant": record.variant,
        "seed": record.seed,
        "budget": budget.kind if budget.limit is None else f"{budget.limit:g} {budget.kind}",
        "device": record.resources.device_name or record.resources.device,
        "threads": record.resources.threads,
        "evaluator": record.protected.evaluator_digest,
        **{f"data {d.name}": d.digest for d in record.data},
    }


def _changed(a: dict[str, Any], b: dict[str, Any]) -> Changed:
    return {k: (a.get(k), b.get(k)) for k in sorted({*a, *b}) if a.get(k) != b.get(k)}
