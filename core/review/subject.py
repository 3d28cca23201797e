"""What a review page is about: gathered once from ledger, study and files, then only written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import acceptance, clock, git, judging, registry, study
from core import ledger as ledgers
from core.contract import AnyOf, Criterion, Metric, Task, clauses
from core.errors import AssayError, Exit
from core.ledger import Ledger
from core.ledger.record import ClauseResult, RunRecord, Verdict
from core.project import Project
from core.report.groups import Comparison, Group
from core.report.trials import Search
from core.study import comparison
from core.study import plan as plans
from core.study.folder import Folder

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

SHOWN = 60  # runs listed


@dataclass(frozen=True)
class Subject:
    """All that the page says, as values."""

    name: str  # a study's id, or a task's name
    about: str  # of the study, or the task's title
    task: Task[Any]
    arms: Comparison | None
    search: Search | None
    runs: Sequence[RunRecord]  # newest first
    folders: dict[str, Path]  # run -> its folder, where this machine has it
    code: Sequence[str]  # lines on what changed in the code
    commands: Sequence[tuple[str, str]]  # what to type, and what it does
    state: str  # "" or what is still open
    made: str  # UTC
    tried: Sequence[Verdict]  # the newest on every group of runs that was judged
    limits: Mapping[str, float]  # metric -> what its absolute clause asks for

    @property
    def judged(self) -> list[Group]:
        """The arms that have a verdict."""
        return [g for g in self.arms.groups if g.verdict] if self.arms else []

    @property
    def winner(self) -> tuple[FrozenTrial, RunRecord] | None:
        """A search's best trial and its run; the feasible come first."""
        if not (self.search and self.search.ranked):
            return None
        best = self.search.ranked[0]
        run = next((r for r in self.runs if r.run == best.user_attrs.get("run")), None)
        return (best, run) if run else None

    @property
    def drawn(self) -> list[Group]:
        """What has curves and pictures: the arms, else a search's best trial."""
        if self.arms:
            return list(self.arms.groups)
        return [Group(f"trial {self.winner[0].number}", [self.winner[1]])] if self.winner else []

    @property
    def metric(self) -> Metric:
        """The task's headline."""
        return self.task.metric(self.task.primary)


def find(project: Project, ref: str, where: str = "") -> Subject:
    """The study or the task of this name; `where`: a filter that makes a session of a task's runs.

    Raises:
        AssayError: there is neither, or no run; a filter is given for a study.
    """
    if study.named(project, ref) or ref == "@last":
        if where:
            raise AssayError(
                f"a page about study {ref} has all of its runs: -w is for a task",
                f'Leave -w out, or name the task: `assay report <task> --html -w "{where}"`',
            )
        return of_study(project, study.find(project, ref))
    if ref in registry.load(project).lines:
        return of_task(project, ref, where)
    raise AssayError(
        f"'{ref}' is neither a study of this clone nor a task",
        "See `assay study list` and `assay tasks`",
        code="unknown_subject",
    )


def of_study(project: Project, folder: Folder) -> Subject:
    """A study, by its own criteria and reference."""
    plan, ledger = folder.plan, Ledger(project)
    task = registry.load(project).find(plan.study.task)
    arms = comparison.of(project, folder)
    own = ledger.records(f"study = '{plan.id}'")
    used = [r for g in arms.groups for r in g.runs] if arms else []
    runs = sorted({r.run: r for r in (*own, *used)}.values(), key=lambda r: r.run, reverse=True)
    first = runs[-1].run if runs else "<run>"
    commands = [
        (f"assay study run {plan.origin} --fresh", "do the study again"),
        (f"assay repro {first}", "do one run again from its own commit, and compare"),
        (f"assay report {plan.id}", "the tables, from the ledger"),
        ("assay ledger verify", "whether anything was left out or altered"),
    ]
    undone = sum(r.status == "running" for r in runs)
    return Subject(
        plan.id,
        plan.study.about or task.title,
        task,
        arms,
        comparison.search(project, folder) if folder.journal() else None,
        runs,
        _folders(project, runs),
        _code(project, runs, arms),
        commands,
        f"{undone} runs are still going on" if undone else "",
        clock.stamp(),
        [g.verdict for g in arms.groups if g.verdict] if arms else [],
        _limits(plans.criteria(plan, task)),
    )


def of_task(project: Project, name: str, where: str = "") -> Subject:
    """A task as it stands: the newest group of each variant against the recorded baseline.

    With a filter only the runs that it names, such as those of a day: a session.
    """
    ledger = Ledger(project)
    task = registry.load(project).find(name)
    only = f" and ({where})" if where else ""
    runs = ledger.records(f"task = '{name}' and not void{only}")
    if not runs:
        raise AssayError(
            f"{name} has no run with {where}" if where else f"{name} has no run yet",
            f"See `assay ls --task {name}`" if where else f"Run one: `assay run {name}`",
            code="not_finished",
            exit_code=Exit.NOT_FINISHED,
        )
    baseline = judging.yardsticks(project, ledger, name).get("baseline", [])
    newest: dict[str, list[RunRecord]] = {}
    for run in runs:
        newest.setdefault(run.variant, [])
        if not newest[run.variant] or newest[run.variant][0].group == run.group:
            newest[run.variant].append(run)
    yardstick = {r.group for r in baseline}
    groups = [
        Group(label, judging.counting(found), found[0].verdict, levels={})
        for label, found in newest.items()
        if found[0].group not in yardstick and found[0].kind != "trial"
    ]
    conditions = {r.comparable for g in groups for r in g.runs} | {r.comparable for r in baseline}
    reference = Group("the baseline", baseline) if baseline else None
    shown = [*([reference] if reference else []), *groups]
    same = reference if len(conditions) == 1 else None
    arms = Comparison(
        name, task.metrics, shown, same, task.paired_seeds, task.primary, task.published
    )
    commands = [
        (f"assay run {name} --seed 1", "run it"),
        (f"assay accept {name}", "judge the newest group against the baseline"),
        (f"assay repro {runs[0].run}", "do a run again from its own commit, and compare"),
        (f"assay ls --task {name}", "all runs"),
    ]
    return Subject(
        name,
        task.title,
        task,
        dataclasses.replace(arms, metrics=_judged_first(task)),
        None,
        runs,
        _folders(project, runs[:SHOWN]),
        _code(project, runs, arms),
        commands,
        f"only runs with {where}" if where else "",
        clock.stamp(),
        list({r.group: r.verdict for r in runs if r.verdict and r.group not in yardstick}.values()),
        _limits(task.criteria),
    )


def _limits(criteria: tuple[Criterion | AnyOf, ...]) -> dict[str, float]:
    return {c.metric: c.threshold for c in clauses(criteria) if not c.relative}


def _judged_first(task: Task[Any]) -> list[Metric]:
    return sorted(task.metrics, key=lambda m: m.name != task.primary)


def _folders(project: Project, runs: Sequence[RunRecord]) -> dict[str, Path]:
    found = {r.run: ledgers.folder(project, r.run) for r in runs}
    return {run: folder for run, folder in found.items() if folder}


def _code(project: Project, runs: Sequence[RunRecord], arms: Comparison | None) -> list[str]:
    """Which commits ran, what was not committed, and what differs from the baseline's code."""
    said: list[str] = []
    seen: dict[tuple[str, bool], RunRecord] = {}
    for run in runs:
        if run.git and run.git.head:
            seen.setdefault((run.git.head, run.git.dirty), run)
    for (head, dirty), run in seen.items():
        assert run.git
        more = f", with changes on top (exact tree {(run.git.commit or '')[:12]})" if dirty else ""
        said.append(f"commit {head[:12]} on {run.git.branch or 'no branch'}{more}")
        if dirty and run.git.commit:
            said += _stat(project, head, run.git.commit)
    reference = arms.reference.runs if arms and arms.reference else ()
    theirs = {r.git.commit for r in reference if r.git and r.git.commit}
    ours = {r.git.commit for r in runs if r.git and r.git.commit}
    if theirs and ours and not theirs & ours:
        said.append("against the baseline's code:")
        said += _stat(project, theirs.pop(), next(r.git.commit for r in runs if r.git) or "")
    return said or ["not in git"]


def _stat(project: Project, a: str, b: str) -> list[str]:
    try:
        found = git.diff(project, a, b, stat=True).splitlines()
    except (AssayError, OSError, ValueError) as error:
        return [f"  cannot be compared here: {error}"]
    return [line.rstrip() for line in found] or ["  no difference"]


def headline(subject: Subject) -> list[tuple[str, str, str]]:
    """The verdict first: for each judged arm its name, pass, fail or inconclusive, and why."""
    return [(g.label, g.verdict.verdict, _why(g.clauses)) for g in subject.judged if g.verdict]


def _why(clauses: Sequence[ClauseResult]) -> str:
    """What decided: the criteria that failed, else those left open, else all of them."""
    named = acceptance.groups(clauses)
    results = {name: acceptance.outcome(members) for name, members in named.items()}
    for word in ("fail", "unknown"):
        if found := [name for name, result in results.items() if result == word]:
            reasons = "; ".join(m.reason for m in named[found[0]][:1])
            more = f" (and {', '.join(found[1:])})" if len(found) > 1 else ""
            return f"{found[0]}: {reasons}{more}"
    return f"all {len(results)} criteria hold"


def changes(subject: Subject) -> list[tuple[str, str]]:
    """What the arms change in the task's config: what all of them do, then each one's own."""
    groups = subject.arms.groups if subject.arms else []
    arms = {g.label: g.runs[0].overrides for g in groups if g.runs}
    every = list(arms.values())
    first = every[0] if every else {}
    common = {k: v for k, v in first.items() if all(o.get(k) == v for o in every)}
    rows = [("all", _said(common))] if common and len(arms) > 1 else []
    own = common if len(arms) > 1 else {}
    for label, changed in arms.items():
        mine = {k: v for k, v in changed.items() if k not in own}
        rows.append((label, _said(mine) or ("nothing more" if own else "as the task declares it")))
    return rows


def _said(changed: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in sorted(changed.items()))
