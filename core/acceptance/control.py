"""Negative controls: candidates that no criteria should accept, lest a verdict mean nothing."""

from __future__ import annotations

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
    controls = {"no effect": same, "worse by one noise sd": _worse(metrics, same)}
    if trivial:
        controls["given control"] = list(trivial)
    return {
        name: judge(metrics, criteria, runs, references, paired=paired)
        for name, runs in controls.items()
    }


def _worse(metrics: Sequence[Metric], runs: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs with each metric moved against its direction by its sd between runs."""
    shift = dict.fromkeys((name for r in runs for name in r.metrics), 0.0)
    for m in metrics:
        values = [r.metrics[m.name].value for r in runs if m.name in r.metrics]
        if len(values) > 1:
            shift[m.name] = stats.sd(values) * (1 if m.direction == "min" else -1)
    return [
        run.model_copy(
            update={
                "metrics": {
                    name: got.model_copy(update={"value": got.value + shift[name]})
                    for name, got in run.metrics.items()
                }
            }
        )
        for run in runs
    ]
