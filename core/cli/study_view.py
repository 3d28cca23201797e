"""A study as people and agents see it: its tables, its pictures, its plan, how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from core.project import Project
    from core.study.folder import Folder
    from core.study.plan import Plan

Form = Literal["table", "markdown", "csv", "latex"]


def tables(project: Project, folder: Folder, form: Form = "table", whole: bool = False) -> str:
    """The tables of a study; without `whole` only metrics that are judged, but CSV has all."""
    from core.report import groups, table, trials
    from core.study import comparison

    made = []
    if found := comparison.search(project, folder):
        made += trials.tidy(found) if form == "csv" else trials.tables(found)
    if arms := comparison.of(project, folder, whole or form == "csv"):
        made += groups.tidy(arms) if form == "csv" else groups.tables(arms)
    forms = {"markdown": table.markdown, "csv": table.csv, "latex": table.latex}
    return forms.get(form, table.text)(made) or "nothing has finished yet"


def draw(project: Project, folder: Folder, to: Path) -> list[Path]:
    """Draw what the study found; the files made."""
    from core.report import plots
    from core.study import comparison

    made = []
    if found := comparison.search(project, folder):
        made += plots.search(found, to, folder.plan.id)
    if arms := comparison.of(project, folder):
        made += plots.comparison(arms, to, folder.plan.id)
    return made


def planned(plan: Plan) -> str:
    """What a study asks for, in lines."""
    study = plan.study
    head = f"{plan.id}  {study.task}  {study.kind}  from {plan.origin}"
    means = (
        f"workers {plan.workers}, threads {plan.threads}, {study.device}, budget {_budget(plan)}"
    )
    if study.kind == "search":
        space = ", ".join(plan.space)
        what = (
            f"{plan.trials} trials by {plan.sampler} over {space} for {', '.join(plan.objectives)}"
        )
        return "\n".join([head, means, what])
    seeds = f"seeds {', '.join(map(str, study.seeds))}: {len(plan.cells)} runs"
    arms = [f"  {arm.label:20} {arm.set or ''}".rstrip() for arm in plan.arms]
    return "\n".join([head, means, seeds, *arms])


def _budget(plan: Plan) -> str:
    budget = plan.study.budget
    return (
        "by config"
        if budget.kind == "config"
        else f"{getattr(budget, budget.kind):g} {budget.kind}"
    )


def progress(project: Project, folder: Folder) -> str:
    """How far a study is."""
    from core.ledger import Ledger
    from core.study import cells, storage

    said = []
    if folder.plan.study.kind == "search" and folder.journal():
        trials = storage.load(folder).get_trials(deepcopy=False)
        ended = sum(t.state.is_finished() for t in trials) - len(storage.superseded(trials))
        said.append(f"{ended} of {folder.plan.trials} trials ended")
    if folder.cells:
        states = cells.states(Ledger(project), folder)
        settled = sum(s.what == "settled" for s in states)
        said.append(f"{settled} of {len(states)} runs settled")
    return ", ".join(said) or f"0 of {folder.plan.trials} trials ended"


def data(project: Project, folder: Folder) -> dict[str, Any]:
    """A study for agents: its plan, its runs, its verdicts."""
    from core import study as studies
    from core.ledger import Ledger
    from core.study import verdicts

    results = verdicts.of(project, Ledger(project), folder) if folder.cells else None
    arms = results.arms if results else []
    return {
        "study": folder.plan.id,
        "plan": folder.plan,
        "running": folder.led(),
        "progress": progress(project, folder),
        "runs": studies.runs_of(project, folder.plan.id),
        "arms": {a.label: [r.run for r in a.runs] for a in arms},
        "verdicts": {a.label: a.verdict for a in arms if a.verdict},
        "unjudged": {a.label: a.why for a in arms if a.why},
    }
