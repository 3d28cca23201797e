"""From runs to the values of one clause, or to the reason why there is nothing to decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.contract import Criterion, Metric
from core.ledger.record import ClauseResult, RunRecord

PAIRS = 3  # common seeds from which pairing is worth the degrees of freedom that it costs


def gather(
    clause: Criterion,
    metric: Metric,
    candidate: Sequence[RunRecord],
    references: Mapping[str, Sequence[RunRecord]],
    paired: bool,
    any_of: str | None = None,
) -> ClauseResult:
    """The clause with its values, undecided. No `method`: `reason` says why it stays unknown."""
    blank = ClauseResult(
        name=clause.name,
        metric=metric.name,
        unit=metric.unit,
        direction=metric.direction,
        rule=clause.rule,
        threshold=clause.threshold,
        against=clause.against,
        any_of=any_of,
        result="unknown",
        reason=unmeasured(clause, metric, candidate),
    )
    if blank.reason:
        return blank
    ours = by_seed(candidate, metric.name)
    if not clause.relative:
        return _with(blank, candidate=list(ours.values()), method="t" if len(ours) > 1 else "value")
    reference = usable(references.get(clause.against, ()))
    why = (
        missing(clause.against, references, candidate[0].task)
        or difference(candidate, reference)
        or unmeasured(clause, metric, reference)
    )
    if why:
        return _with(
            blank,
            candidate=list(ours.values()),
            reason=f"no comparison with {clause.against}: {why}",
        )
    theirs = by_seed(reference, metric.name)
    common = sorted(ours.keys() & theirs.keys()) if paired else []
    if len(common) >= PAIRS:
        pairs = [[side[seed] for seed in common] for side in (ours, theirs)]
        return _with(blank, candidate=pairs[0], reference=pairs[1], method="paired t")
    return _with(
        blank, candidate=list(ours.values()), reference=list(theirs.values()), method="Welch t"
    )


def usable(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """The finished runs that nobody voided."""
    return [r for r in runs if r.status == "finished" and not r.void]


def by_seed(runs: Sequence[RunRecord], metric: str) -> dict[int, float]:
    """One value a seed, in the order of seeds: repeating a seed adds no evidence about luck."""
    values: dict[int, list[float]] = {}
    for run in sorted(runs, key=lambda r: (r.seed, r.run)):
        values.setdefault(run.seed, []).append(run.metrics[metric].value)
    return {seed: sum(same) / len(same) for seed, same in values.items()}


def unmeasured(clause: Criterion, metric: Metric, runs: Sequence[RunRecord]) -> str:
    """Why the metric has no value in some of the runs, "" when all have one."""
    for run in runs:
        got = run.metrics.get(metric.name)
        if got is None:
            why = run.absent.get(metric.name, f"run {run.run} recorded no {metric.name}")
            return f"not measured: {why}"
        if clause.needs == "cuda" and run.resources.device != "cuda":
            return "not measured: no CUDA"
        if (got.unit, got.direction) != (metric.unit, metric.direction):
            return (
                f"run {run.run} recorded {metric.name} in {got.unit} ({got.direction}), "
                f"the task declares {metric.unit} ({metric.direction})"
            )
    return ""


def missing(name: str, references: Mapping[str, Sequence[RunRecord]], task: str) -> str:
    """Why there is no yardstick of this name and how to record one, "" when there is."""
    if usable(references.get(name, ())):
        return ""
    flag = "" if name == "baseline" else f" --name {name}"
    why = "its runs are void or unfinished" if references.get(name) else "none is recorded"
    return f"{why}; `assay baseline set {task} <run>{flag}` records one"


def difference(candidate: Sequence[RunRecord], reference: Sequence[RunRecord]) -> str:
    """What keeps two sides from being compared, "" when nothing does."""
    if {r.run for r in candidate} & {r.run for r in reference}:
        return "the candidate's own runs are in it"
    if len({r.comparable for r in (*candidate, *reference)}) == 1:
        return ""
    ours, theirs = ([_conditions(r) for r in side] for side in (candidate, reference))
    said = []
    for name in dict.fromkeys(key for run in (*ours, *theirs) for key in run):
        here, there = (sorted({run.get(name, "none") for run in side}) for side in (ours, theirs))
        if here != there:
            said.append(f"{name} {' and '.join(here)} v. {' and '.join(there)}")
        elif len(here) > 1:
            said.append(f"{name} {' and '.join(here)} within the candidate")
    return ", ".join(said) or "the digests of what must be equal differ"


def _conditions(run: RunRecord) -> dict[str, str]:
    """What must be equal on both sides of a comparison; digests by their first digits."""
    limit = "" if run.budget.limit is None else f"{run.budget.limit:g} "
    return {
        **{f"data {d.name}": d.digest[:8] for d in run.data},
        "budget": f"{limit}{run.budget.kind}",
        "device": run.resources.device,
        "task version": f"{run.task} {run.task_version}",
        "evaluator": run.protected.evaluator_digest[:8],
        **{f"config {key}": str(value) for key, value in run.protected.protocol.items()},
    }


def _with(clause: ClauseResult, **values: Any) -> ClauseResult:
    return clause.model_copy(update=values)
