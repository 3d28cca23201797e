"""Judging what the ledger holds: gather the runs, judge them, append the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from core import acceptance
from core.contract import AnyOf, Criterion, Task
from core.errors import AssayError, Exit
from core.ledger import Ledger, baselines
from core.ledger.record import RunRecord, Verdict
from core.project import Project


def judge_group(
    project: Project,
    ledger: Ledger,
    task: Task[Any],
    group: str,
    *,
    against: str | None = None,
    criteria: Sequence[Criterion | AnyOf] | None = None,
    references: Mapping[str, Sequence[RunRecord]] | None = None,
) -> Verdict:
    """Judge the runs of a group and record the verdict on each of them.

    Args:
        project: Where the yardsticks are written.
        ledger: Where the runs are, and the verdict goes.
        task: Whose metrics count.
        group: The group's digest.
        against: A yardstick that replaces the one named by each clause.
        criteria: A study's own; None: the task's.
        references: A study's own yardsticks, such as an ablation's baseline; None: the recorded.

    Raises:
        AssayError: a seed of the group has no finished run.
    """
    verdict = acceptance.judge(
        task.metrics,
        aimed(task.criteria if criteria is None else criteria, against),
        counting(ledger.group(group)),
        yardsticks(project, ledger, task.name) if references is None else references,
        paired=task.paired_seeds,
    )
    payload = json.loads(verdict.model_dump_json(exclude={"id"}))  # NaN as the string "NaN"
    event = ledger.append("verdict", verdict.candidate[0], payload)
    return verdict.model_copy(update={"id": event["id"]})


def after_run(project: Project, ledger: Ledger, task: Task[Any], group: str) -> Verdict | None:
    """`judge_group`, or None while a seed of the group has no finished run."""
    if acceptance.unfinished(counting(ledger.group(group))):
        return None
    return judge_group(project, ledger, task, group)


def counting(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs that speak for a group: not the trial that chose it, once it is confirmed."""
    confirmed = any(r.kind == "confirm" for r in runs)
    return [r for r in runs if not (confirmed and r.kind == "trial")]


def yardsticks(project: Project, ledger: Ledger, task: str) -> dict[str, list[RunRecord]]:
    """What a task's runs are judged against: name -> runs that the ledger knows."""
    return {
        name: [r for run in yardstick.runs for r in ledger.records(f"run = '{run}'")]
        for name, yardstick in baselines.load(project).get(task, {}).items()
    }


def aimed(criteria: Sequence[Criterion | AnyOf], against: str | None) -> list[Criterion | AnyOf]:
    """The criteria with every clause against one yardstick; as they are for None."""
    if against is None:
        return list(criteria)
    change = {"against": against}
    return [
        one.model_copy(update={"of": tuple(c.model_copy(update=change) for c in one.of)})
        if isinstance(one, AnyOf)
        else one.model_copy(update=change)
        for one in criteria
    ]


def newest_group(ledger: Ledger, task: str, avoid: Sequence[RunRecord], where: str = "true") -> str:
    """The group of a task's newest finished run, leaving out the groups of `avoid`.

    Raises:
        AssayError: there is none (exit 5).
    """
    out = ", ".join(f"'{group}'" for group in sorted({r.group for r in avoid})) or "''"
    counts = f"task = '{task}' and status = 'finished' and not void and group not in ({out})"
    found = ledger.rows(["group"], f"{counts} and {where}", limit=1)
    if not found:
        raise AssayError(
            f"{task} has no finished run to judge besides its yardstick",
            f"Run one: `assay run {task}`",
            code="not_finished",
            exit_code=Exit.NOT_FINISHED,
        )
    return str(found[0]["group"])
