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


def of(project: Project, ledger: Ledger, folder: Folder) -> Results:
    """Judge the arms by what the ledger says now. Writes nothing."""
    whole = folder.plan
    task = registry.load(project).find(whole.study.task)
    runs = cells.records(ledger, folder)
    references: dict[str, Sequence[RunRecord]] = {**judging.yardsticks(project, ledger, task.name)}
    own = whole.reference if whole.reference in runs else None
    if whole.reference is not None:
        references[BASELINE] = runs.get(whole.reference, [])
    asked = Counter(cell.arm for cell in folder.cells)
    arms = []
    for label, count in asked.items():
        mine = runs.get(label, [])
        why = _unready(mine, count)
        verdict = None
        if not why and label != own:
            verdict = acceptance.judge(
                task.metrics, plan.criteria(whole, task), mine, references, paired=task.paired_seeds
            )
        arms.append(Judged(label, mine, verdict, why))
    return Results(arms, own, list(references.get(BASELINE, [])))


def _unready(runs: Sequence[RunRecord], asked: int) -> str:
    """Why an arm cannot be judged; "" when it can."""
    if len(runs) < asked:
        return f"{asked - len(runs)} of {asked} runs have not begun"
    open_ = acceptance.unfinished(runs)
    said = [f"seed {r.seed} {r.status}{f' ({r.reason})' if r.reason else ''}" for r in open_]
    return f"not judged: {', '.join(said)}" if said else ""


def record(project: Project, ledger: Ledger, folder: Folder) -> None:
    """Append the verdicts that the ledger does not have yet."""
    for arm in of(project, ledger, folder).arms:
        if arm.verdict and not _same(arm.verdict, arm.runs[0].verdict):
            payload = json.loads(arm.verdict.model_dump_json(exclude={"id"}))  # NaN as a string
            ledger.append("verdict", arm.verdict.candidate[0], payload)


def _same(new: Verdict, old: Verdict | None) -> bool:
    return old is not None and new == old.model_copy(update={"id": None})
