"""The criteria as constraints of a search: which can be known at all, and a trial's margins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core import acceptance, judging, outcome, registry
from core.acceptance.evidence import gather
from core.contract import AnyOf, Criterion, Task
from core.identity import identify
from core.ledger import Ledger
from core.ledger.record import RunRecord
from core.project import Project
from core.study import plan
from core.study.plan import Plan

References = Mapping[str, Sequence[RunRecord]]


class Known(NamedTuple):
    """What a search may go by."""

    names: list[str]  # criteria that every trial is measured against
    left_out: dict[str, str]  # clause -> why no trial of this study can be held to it


def known(project: Project, ledger: Ledger, whole: Plan) -> Known:
    """Sort the criteria before the first trial, so that all trials have the same constraints.

    A clause that the yardstick itself could not be held to here (no CUDA, other data, nothing
    recorded) is unknowable for the whole study.
    """
    task = registry.load(project).find(whole.study.task)
    references = judging.yardsticks(project, ledger, task.name)
    alike = _alike(project, whole, references)
    names: list[str] = []
    left_out: dict[str, str] = {}
    for one in plan.criteria(whole, task):
        members = one.of if isinstance(one, AnyOf) else (one,)
        reasons = {c.name: _unknowable(c, task, whole, references, alike) for c in members}
        left_out |= {name: why for name, why in reasons.items() if why}
        if not all(reasons.values()):
            names.append(one.name)
    return Known(names, left_out)


def _alike(project: Project, whole: Plan, references: References) -> list[RunRecord]:
    """The yardstick's runs as they would look had they run in this study."""
    reference = acceptance.usable(references.get("baseline", ()))
    if not reference:
        return []
    spec = plan.spec(project, whole, plan.trial_cell(whole, 0, {}))
    identity = identify(project, spec)
    spec = spec.model_copy(update={"comparable": identity.comparable})
    here = RunRecord.model_validate(
        {**outcome.started(spec, identity), "run": spec.run, "status": "finished"}
    )
    return [
        here.model_copy(update={"seed": r.seed, "metrics": r.metrics, "absent": r.absent})
        for r in reference
    ]


def _unknowable(
    clause: Criterion,
    task: Task[Any],
    whole: Plan,
    references: References,
    alike: list[RunRecord],
) -> str:
    """Why no run of this study can be held to the clause; "" when one can."""
    if alike:
        metric = task.metric(clause.metric)
        undecided = gather(clause, metric, alike, references, task.paired_seeds)
        return "" if undecided.method else undecided.reason
    if clause.relative:
        return acceptance.missing(clause.against, references, task.name)
    on_cuda = whole.study.device.startswith("cuda")
    return "" if clause.needs == "any" or on_cuda else "not measured: no CUDA"


def margins(
    project: Project, ledger: Ledger, whole: Plan, names: Sequence[str], record: RunRecord
) -> dict[str, float]:
    """How far a run is from each criterion, in thresholds; 0 or less satisfies it.

    A criterion that this run alone left unmeasured counts as violated: unknown is never a pass.
    """
    task = registry.load(project).find(whole.study.task)
    verdict = acceptance.judge(
        task.metrics,
        plan.criteria(whole, task),
        [record],
        judging.yardsticks(project, ledger, task.name),
        paired=task.paired_seeds,
    )
    found = acceptance.margins(verdict).margins
    return {name: found.get(name, acceptance.VIOLATED) for name in names}
