"""The arms of a list study beside each other, as tables, plots and screens show them."""

from __future__ import annotations

from core import registry
from core.contract import clauses
from core.ledger import Ledger
from core.project import Project
from core.report.groups import Comparison, Group
from core.report.trials import Search
from core.study import plan as studies
from core.study import verdicts
from core.study.folder import Folder


def of(project: Project, folder: Folder, whole: bool = False) -> Comparison | None:
    """The arms of a study, for reports; None when it has none (yet)."""
    if not folder.cells:
        return None
    plan = folder.plan
    task = registry.load(project).find(plan.study.task)
    results = verdicts.of(project, Ledger(project), folder)
    levels = {arm.label: arm.levels for arm in plan.arms if plan.study.design == "factorial"}
    groups = [
        Group(arm.label, arm.runs, arm.verdict, arm.why, levels.get(arm.label, {}))
        for arm in results.arms
    ]
    own = next((g for g in groups if g.label == results.reference), None)
    conditions = {r.comparable for arm in results.arms for r in (*arm.runs, *results.baseline)}
    recorded = None
    if results.baseline and len(conditions) == 1:  # else the clauses say why there is no comparison
        recorded = Group("the baseline", results.baseline)
    title = f"{plan.id}: {task.name}, {plan.study.kind}"
    judged = {task.primary, *(c.metric for c in clauses(studies.criteria(plan, task)))}
    metrics = [m for m in task.metrics if whole or m.name in judged]
    reference = own or recorded
    return Comparison(
        *(title, metrics, groups, reference, task.paired_seeds, task.primary, task.published),
        contrasts=plan.study.contrasts,
    )


def search(project: Project, folder: Folder) -> Search | None:
    """The search of a study, for reports."""
    from core.study import storage  # Optuna

    if folder.plan.study.kind != "search":
        return None
    found = storage.load(folder)
    left_out = [f"{name} ({why})" for name, why in found.user_attrs["left_out"].items()]
    return Search(
        f"{folder.plan.id}: {folder.plan.study.task}, search by {folder.plan.sampler}",
        found,
        storage.ranking(found),
        storage.objectives(project, folder),
        [f"No constraint: {clause}" for clause in left_out],
    )
