"""Judging what somebody points at: a group of runs, or an arm of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core import acceptance, judging
from core.contract import Task
from core.errors import AssayError, Exit, unknown
from core.ledger import Ledger, baselines
from core.ledger.baselines import Yardstick
from core.ledger.record import RunRecord, Verdict
from core.project import Project
from core.study import folder, verdicts


def of_group(
    here: Project,
    ledger: Ledger,
    task: Task[Any],
    ref: str | None,
    variant: str | None,
    against: str | None,
) -> tuple[Verdict, str, str]:
    """The verdict on a group by the task's criteria, the variant, and what was judged."""
    if ref:
        group = named(ledger, task, ref)[0].group
    else:
        avoid = judging.yardsticks(here, ledger, task.name).get(against or baselines.DEFAULT, [])
        where = f"variant = '{task.variant(variant).name}'" if variant else "true"
        group = judging.newest_group(ledger, task.name, avoid, where)
    judged = judging.judge_group(here, ledger, task, group, against=against)
    ids = "runs " + " ".join(run[-6:] for run in judged.candidate)
    return judged, ledger.group(group)[0].variant, _what(ledger, judged, ids)


def of_study(
    here: Project,
    ledger: Ledger,
    task: Task[Any],
    ref: str,
    variant: str | None,
    against: str | None,
) -> tuple[Verdict, str, str]:
    """The verdict on a study's arm by the study's criteria, the variant, and what was judged.

    Without a variant it is the arm with the newest run, besides the study's reference.
    """
    found = folder.find(here, ref)
    if found.plan.study.task != task.name:
        raise AssayError(f"{found.plan.id} is a study of {found.plan.study.task}, not {task.name}")
    results = verdicts.of(here, ledger, found, against)
    arms = {a.label: a for a in results.arms if a.label != results.reference}
    if variant and variant not in arms:
        raise unknown("variant", variant, arms, where=f"{found.plan.id}, besides its reference")
    begun = [a for a in arms.values() if a.runs]
    if not (variant or begun):
        raise AssayError(
            f"{found.plan.id} has no run to judge besides its reference",
            f"See `assay study show {found.plan.id}`",
            code="not_finished",
            exit_code=Exit.NOT_FINISHED,
        )
    arm = arms[variant] if variant else max(begun, key=lambda a: max(r.run for r in a.runs))
    if arm.verdict is None:
        raise AssayError(
            f"{task.name} {arm.label} of {found.plan.id} cannot be judged: {arm.why}",
            code="inconclusive",
            exit_code=Exit.INCONCLUSIVE,
        )
    judged = verdicts.keep(ledger, arm.verdict)
    return judged, arm.label, _what(ledger, judged, f"study {found.plan.id}")


def _what(ledger: Ledger, judged: Verdict, source: str) -> str:
    """How many seeds a verdict is about, of which code, from where."""
    runs = [ledger.find(run) for run in judged.candidate]
    seeds = len({r.seed for r in runs})
    heads = dict.fromkeys((r.git.head or r.git.commit or "")[:7] for r in runs if r.git)
    commit = f", commit {' '.join(heads)}" if heads else ""
    return f"{seeds} seed{'s' * (seeds > 1)}{commit}, {source}"


def named(ledger: Ledger, task: Task[Any], ref: str) -> list[RunRecord]:
    """The group that a digest or one of its runs names."""
    runs = ledger.group(ref) if ref.isalnum() else []
    runs = runs or ledger.group(ledger.find(ref).group)
    if runs[0].task != task.name:
        raise AssayError(
            f"{ref} is a run of {runs[0].task}, not of {task.name}", f"See `assay ls {task.name}`"
        )
    return runs


def set_baseline(
    here: Project,
    ledger: Ledger,
    task: Task[Any],
    refs: Sequence[str],
    *,
    name: str = baselines.DEFAULT,
    note: str = "",
    by: str = "human",
    only: bool = False,
) -> Yardstick:
    """Record what a task's runs are judged against; each reference stands for its whole group.

    Raises:
        AssayError: a reference has no run that counts, or they are of several groups.
    """
    chosen = {r.run: r for ref in refs for r in _countable(ledger, task, ref, only)}
    if len({r.group for r in chosen.values()}) > 1:
        raise AssayError(
            f"{', '.join(refs)} are of several groups", "A yardstick's runs differ by seed alone"
        )
    ids = sorted(chosen, key=lambda run: (chosen[run].seed, run))
    return baselines.put(here, task.name, ids, by=by, name=name, note=note)


def _countable(ledger: Ledger, task: Task[Any], ref: str, only: bool) -> list[RunRecord]:
    """The finished runs that a reference stands for."""
    counting = acceptance.usable([ledger.find(ref)] if only else named(ledger, task, ref))
    if not counting:
        raise AssayError(f"{ref} has no finished run that counts", "See `assay show`")
    return counting
