"""From a study file to a `Plan`: every run decided and validated before the first one starts."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from core import checkpoints, clock, plan, registry
from core.config import Layer
from core.contract import AnyOf, Criterion, Space, Task, Variant, clauses
from core.errors import AssayError, unknown
from core.ledger import Ledger
from core.project import Project
from core.spec import Kind, RunSpec
from core.study import designs, file, sampling
from core.study.designs import Arm
from core.study.file import StudyFile

SEARCH_SEEDS = 1000  # trial n has seed 1000 + n: the winner is confirmed on seeds it never saw


class Cell(BaseModel):
    """One run that a study wants: an arm with a seed. A study has no two equal ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: str
    set: dict[str, Any]
    seed: int
    kind: Kind


class Plan(BaseModel):
    """A study, resolved: `plan.json` of its folder. Nothing in it changes once it began."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str  # <name>-<6 letters>
    name: str
    origin: str  # the file
    created: str
    study: StudyFile
    overrides: dict[str, Any]  # -o
    arms: list[Arm]
    reference: str | None  # label; None: the task's recorded baseline
    threads: int
    workers: int
    fresh: bool  # never take an equal run that is there already
    starts: dict[int, str] = {}  # seed -> <run>:best|last that is evaluated instead of training
    space: dict[str, Space] = {}  # of a search, like all below
    objectives: list[str] = []
    trials: int = 0
    sampler: str = ""  # `auto` resolved

    @property
    def cells(self) -> list[Cell]:
        """The runs of a list study: all arms with the first seed, then with the next."""
        if self.study.kind == "search":
            return []
        kind: Kind = "ablation" if self.study.kind in ("ablation", "grid") else "run"
        return [
            Cell(arm=arm.label, set=arm.set, seed=seed, kind=kind)
            for seed in self.study.seeds
            for arm in self.arms
        ]


def make(
    project: Project,
    name: str,
    overrides: Mapping[str, Any] | None = None,
    *,
    workers: int | None = None,
    fresh: bool = False,
    trial_s: float | None = None,
    starts: Mapping[int, str] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Plan:
    """Read a study file (a path, or a name in studies/) and validate every run that it asks for.

    `trial_s`: how long a run of the task takes, None when unknown; it guides `sampler: auto`.
    `starts`: what `sources.find` made of the file's `start_from`. `changes`: keys of the file that
    are other than it says.

    Raises:
        AssayError: a mistake in the file, a config that the task refuses, or an `-o` on a key that
            the study varies.
    """
    stem, path, study = file.named(project, name, changes or {})
    task = registry.load(project).find(study.task)
    made = designs.arms(study, task)
    if fixed := designs.varied(study, made, task) & set(overrides or {}):
        raise AssayError(
            f"'{min(fixed)}' is varied by {path}, so -o cannot fix it",
            "Drop it from -o or from the study",
            code="bad_study",
        )
    workers = workers or study.workers
    begun = Plan(
        id=f"{stem}-{clock.ulid()[-6:]}",
        name=stem,
        origin=path,
        created=clock.stamp(),
        study=study,
        overrides=dict(overrides or {}),
        arms=made,
        reference=designs.reference(study, made),
        threads=study.threads or max(1, plan.default_threads() // workers),
        workers=workers,
        fresh=fresh,
        starts=dict(starts or {}),
    )
    _check_criteria(begun, task)
    _check_contrasts(begun)
    _check_storage(study.storage, path)
    whole = _with_search(begun, task, trial_s) if study.kind == "search" else begun
    for cell in whole.cells or _probes(whole):
        spec(project, whole, cell)
    return whole


def _check_storage(url: str | None, path: str) -> None:
    """Refuse a database whose driver is not installed, before a study is made."""
    if url is None:
        return
    driver = url.partition(":")[0].partition("+")[2] or "psycopg2"
    if importlib.util.find_spec(driver) is None:
        raise AssayError(
            f"{path}: storage {url.partition('://')[0]} needs the package '{driver}'",
            "Install psycopg[binary] and write postgresql+psycopg://...",
            code="no_driver",
        )


def spec(project: Project, whole: Plan, cell: Cell, trial: int | None = None) -> RunSpec:
    """The run of a cell or a trial.

    Later wins: the config of the run that it starts from, the file's, the arm or trial, `-o`.
    """
    origin = f"variant {cell.arm}" if trial is None else f"trial {trial}"
    layers = [Layer(whole.origin, whole.study.config), Layer(origin, cell.set)]
    start: dict[str, Any] = {}
    if cell.seed in whole.starts:
        record, path = checkpoints.of(project, Ledger(project), whole.starts[cell.seed])
        layers = [Layer(f"run {record.run}", record.config), *layers]
        start = {"start_from": path, "parent": record.run}
        start["start_group"] = f"{record.group} {path.stem}"
    return plan.prepare(
        project,
        whole.study.task,
        variant=Variant(name=cell.arm),
        layers=layers,
        overrides=whole.overrides,
        seed=cell.seed,
        budget=whole.study.budget,
        limits=whole.study.limits,
        device=whole.study.device,
        threads=whole.threads,
        kind=cell.kind,
        study=whole.id,
        trial=trial,
        **start,
    )


def trial_cell(whole: Plan, number: int, params: Mapping[str, Any]) -> Cell:
    """The run of a trial: the search's one arm with the sampled values."""
    arm = whole.arms[0]
    values = arm.set | dict(params)
    return Cell(arm=arm.label, set=values, seed=SEARCH_SEEDS + number, kind="trial")


def criteria(whole: Plan, task: Task[Any]) -> tuple[Criterion | AnyOf, ...]:
    """What the study's runs are judged by: the file's, else the task's."""
    return task.criteria if whole.study.criteria is None else whole.study.criteria


def no_reuse(whole: Plan, task: Task[Any]) -> str:
    """Why an equal run that exists may not stand for one of this study; "" when it may."""
    if whole.fresh:
        return "--fresh"
    if whole.study.budget.seconds is not None:
        return "a budget in seconds gives other numbers each time"
    cuda = whole.study.device.startswith("cuda")
    for clause in clauses(criteria(whole, task)):
        if task.metric(clause.metric).timing and (cuda or clause.needs == "any"):
            return f"'{clause.name}' judges a duration"
    return ""


def _check_criteria(whole: Plan, task: Task[Any]) -> None:
    for clause in clauses(criteria(whole, task)):
        if clause.metric not in {m.name for m in task.metrics}:
            known = (m.name for m in task.metrics)
            raise unknown("metric", clause.metric, known, where=f"{whole.origin}, {clause.name}")


def _check_contrasts(whole: Plan) -> None:
    labels = [arm.label for arm in whole.arms]
    for question, arms in whole.study.contrasts.items():
        for label in arms:
            if label not in labels:
                raise unknown("variant", label, labels, where=f"{whole.origin}, {question}")


def _with_search(whole: Plan, task: Task[Any], trial_s: float | None) -> Plan:
    study = whole.study
    space = dict(study.search or task.search)
    objectives = list(study.objectives or [task.primary])
    for name in objectives:
        task.metric(name)
    _refuse(not space, f"{whole.origin} searches nothing: task {task.name} declares no space")
    odd = [k for k, s in space.items() if any(isinstance(c, (list, dict)) for c in s.choices)]
    _refuse(bool(odd), f"choices of {', '.join(odd)} are lists: a choice is one plain value")
    blind = objectives not in ([task.primary], [f"val_{task.primary}"])  # which runs report
    _refuse(
        study.pruner != "none" and blind,
        f"pruning looks at {task.primary}, which runs report; it cannot serve {objectives}",
    )
    chosen = sampling.choose(study.sampler, space, len(objectives), study.trials, trial_s)
    limit = len(sampling.grid(space)) if chosen == "grid" else study.trials
    return whole.model_copy(
        update={
            "space": space,
            "objectives": objectives,
            "sampler": chosen,
            "trials": min(study.trials, limit),
        }
    )


def _refuse(when: bool, said: str) -> None:
    if when:
        raise AssayError(said, "See docs/studies.md", code="bad_study")


def _probes(whole: Plan) -> list[Cell]:
    """Runs whose configs hold every end and every choice of a search's space, one at a time."""
    rows = [{key: value} for key, s in whole.space.items() for value in sampling.ends(s)]
    return [trial_cell(whole, n, row) for n, row in enumerate(rows)]
