"""Negative controls: candidates that no criteria should accept, lest a verdict mean nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from core import stats
from core.acceptance.evidence import usable
from core.acceptance.verdict import judge
from core.contract import AnyOf, Criterion, Metric
from core.ledger.record import RunRecord, Verdict


def selftest(
    metrics: Sequence[Metric],
    criteria: Sequence[Criterion | AnyOf],
    references: Mapping[str, Sequence[RunRecord]],
    trivial: Sequence[RunRecord] = (),
    *,
    against: str = "baseline",
    paired: bool = True,
) -> dict[str, Verdict]:
    """The verdict on each control; criteria that pass one cannot tell an improvement from none.

    Args:
        metrics: What the task declares.
        criteria: The set on trial.
        references: Yardsticks by name.
        trivial: Runs of a model that learned nothing: a constant predictor, shuffled labels.
        against: The yardstick that serves as candidate, as it is and made worse by its own noise.
        paired: Whether equal seeds mean equal luck.

    Raises:
        AssayError: that yardstick, or a given control, has no finished run.
    """
    same = usable(references.get(against, ()))
    worse = {m.name: (1 if m.direction == "min" else -1) * _noise(m, same) for m in metrics}
    controls = {"no effect": _moved(same, {}), "worse by one noise sd": _moved(same, worse)}
    if trivial:
        controls["given control"] = list(trivial)
    return {
        name: judge(metrics, criteria, runs, references, paired=paired)
        for name, runs in controls.items()
    }


def _noise(metric: Metric, runs: Sequence[RunRecord]) -> float:
    """The sd of a metric between runs; 0 when too few have it."""
    values = [r.metrics[metric.name].value for r in runs if metric.name in r.metrics]
    return stats.sd(values) if len(values) > 1 and all(map(math.isfinite, values)) else 0.0


def _moved(runs: Sequence[RunRecord], shift: Mapping[str, float]) -> list[RunRecord]:
    """Copies of the runs, as runs of their own, with metrics moved by so much."""
    return [
        run.model_copy(
            update={
                "run": f"copy of {run.run}",
                "metrics": {
                    name: got.model_copy(update={"value": got.value + shift.get(name, 0.0)})
                    for name, got in run.metrics.items()
                },
            }
        )
        for run in runs
    ]
