"""Where a metric's curve must be to satisfy the criteria: levels in the metric's own unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.acceptance import usable
from core.contract import AnyOf, Criterion, Metric, clauses
from core.ledger.record import RunRecord
from core.tui.widgets.curve import Limit
from core.tui.words import number


def of(
    metric: Metric,
    criteria: Sequence[Criterion | AnyOf],
    references: Mapping[str, Sequence[RunRecord]],
) -> list[Limit]:
    """The levels of a metric; a relative one where its yardstick has a mean."""
    found = []
    for clause in clauses(tuple(criteria)):
        if clause.metric != metric.name:
            continue
        level = _level(clause, metric, references)
        if level is not None:
            up = clause.rule == "at_least" or (clause.relative and metric.direction == "max")
            sign = "≥" if up else "<" if clause.rule == "below" else "≤"
            found.append(Limit(f"{sign} {number(level, metric.unit)}", level))
    return found


def _level(
    clause: Criterion, metric: Metric, references: Mapping[str, Sequence[RunRecord]]
) -> float | None:
    if not clause.relative:
        return clause.threshold
    values = [
        r.metrics[metric.name].value
        for r in usable(references.get(clause.against, ()))
        if metric.name in r.metrics
    ]
    if not values:
        return None
    mean = sum(values) / len(values)
    gain = clause.threshold * (abs(mean) if clause.rule == "ratio" else 1)
    return mean + gain if metric.direction == "max" else mean - gain
