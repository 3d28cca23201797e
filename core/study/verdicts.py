"""Judging a study: every arm against the study's own reference, else the recorded baseline."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from core import acceptance, judging, registry
from core.ledger import Ledger
from core.ledger.record import RunRecord, Verdict
from core.project import Project
from core.study import cells, plan
from core.study.folder import Folder

BASELINE = "baseline"


class Judged(NamedTuple):
    """An arm with its runs, one a seed, and what is said of them."""

    label: str
    runs: list[RunRecord]
    verdict: Verdict | None
    why: str  # there is no verdict


class Results(NamedTuple):
    """What a list study came to."""

    arms: list[Judged]
    reference: str | None  # label of the arm that the others are judged against
    baseline: list[RunRecord]  # what they are judged against


def of(project: Project, ledger: Ledger, folder: Folder, against: str | None = None) -> Results:
    """Judge the arms by what the ledger says now. Writes nothing.

    `against`: a recorded yardstick in place of the study's reference and of those of its clauses.
    """
    whole = folder.plan
    task = registry.load(project).find(whole.study.task)
    runs = cells.records(ledger, folder)
    references: dict[str, Sequence[RunRecord]] = {**judging.yardsticks(project, ledger, task.name)}
    own = whole.reference if whole.reference in runs and against is None else None
    if whole.reference is not None and against is None:
        references[BASELINE] = runs.get(whole.reference, [])
    criteria = judging.aimed(plan.criteria(whole, task), against)
    asked = Counter(cell.arm for cell in folder.cells)
    arms = []
    for label, count in asked.items():
        mine = runs.get(label, [])
        why = _unready(mine, count) or _changed(mine, runs[own] if own else [])
        verdict = None
        if not why and label != own:
            verdict = acceptance.judge(
                task.metrics, criteria, mine, references, paired=task.paired_seeds
            )
        arms.append(Judged(label, mine, verdict, why))
    return Results(arms, own, list(references.get(against or BASELINE, [])))


def _unready(runs: Sequence[RunRecord], asked: int) -> str:
    """Why an arm cannot be judged; "" when it can."""
    if len(runs) < asked:
        return f"{asked - len(runs)} of {asked} runs have not begun"
    open_ = acceptance.unfinished(runs)
    said = [f"seed {r.seed} {r.status}{f' ({r.reason})' if r.reason else ''}" for r in open_]
    return f"not judged: {', '.join(said)}" if said else ""


def _changed(runs: Sequence[RunRecord], reference: Sequence[RunRecord]) -> str:
    """Why the runs of an arm, or they and its reference, are not of one code; "" when they are."""
    trees = dict.fromkeys(r.git.code_tree[:7] for r in (*runs, *reference) if r.git)
    groups = dict.fromkeys(r.group[:7] for r in runs)
    if len(trees) > 1:
        what = f"the code changed between its runs (trees {', '.join(trees)})"
    elif len(groups) > 1:
        what = f"more than the seed changed between its runs (groups {', '.join(groups)})"
    else:
        return ""
    return f"{what}: run the study again with --fresh"


def record(project: Project, ledger: Ledger, folder: Folder) -> None:
    """Append the verdicts that the ledger does not have yet."""
    for arm in of(project, ledger, folder).arms:
        if arm.verdict:
            keep(ledger, arm.verdict)


def keep(ledger: Ledger, verdict: Verdict) -> Verdict:
    """Append the verdict unless it is its runs' newest already; it with its id."""
    old = ledger.find(verdict.candidate[0]).verdict
    if old is not None and verdict == old.model_copy(update={"id": None}):
        return old
    payload = json.loads(verdict.model_dump_json(exclude={"id"}))  # NaN as a string
    event = ledger.append("verdict", verdict.candidate[0], payload)
    return verdict.model_copy(update={"id": event["id"]})
