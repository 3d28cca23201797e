"""Beginning a study: its plan made with what the ledger knows, its folder, a search's storage."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from core import judging
from core.errors import AssayError
from core.ledger import Ledger, query
from core.project import Project
from core.study import constraints, file, plan, sources, storage
from core.study.folder import Folder
from core.study.plan import Cell, Plan

RECENT = 20  # runs of a task that tell how long one takes


def new(
    project: Project,
    name: str,
    overrides: Mapping[str, Any],
    *,
    workers: int | None = None,
    fresh: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> Plan:
    """The plan of a study file: every config valid, a confirmation's seeds known.

    Raises:
        AssayError: see `plan.make` and `sources.find`; or no baseline is recorded whose seeds
            could confirm.
    """
    study = file.named(project, name, changes or {}).study
    ledger = Ledger(project)
    seconds = study.budget.seconds or usual_s(ledger, f"task = {query.quote(study.task)}")
    whole = plan.make(
        project,
        name,
        overrides,
        workers=workers,
        fresh=fresh,
        trial_s=seconds,
        starts=sources.find(project, ledger, study),
        changes=changes,
    )
    if study.confirm and not _seeds(project, ledger, whole):
        raise AssayError(
            f"{whole.origin} confirms on the baseline's seeds, but {study.task} has no baseline",
            f"Record one with `assay baseline set {study.task} <run>`, or name seeds in `confirm`",
            code="no_baseline",
        )
    return whole


def usual_s(ledger: Ledger, where: str) -> float | None:
    """How long a finished run that matches usually takes; None: there was none."""
    columns = ["setup_s", "train_s", "eval_s"]
    where = f"({where}) and status = 'finished' and train_s is not null"
    rows = ledger.rows(columns, where=where, limit=RECENT)
    return statistics.median(sum(v or 0.0 for v in r.values()) for r in rows) if rows else None


def begin_search(project: Project, folder: Folder) -> None:
    """Make the storage, and write down which criteria are constraints and which are left out."""
    storage.create(project, folder)
    study = storage.load(folder)
    if "constraints" not in study.user_attrs:
        known = constraints.known(project, Ledger(project), folder.plan)
        study.set_user_attr("left_out", known.left_out)
        study.set_user_attr("sampler", folder.plan.sampler)
        study.set_user_attr("constraints", known.names)


def winners(project: Project, folder: Folder) -> list[Cell]:
    """The runs that confirm a search: its best accepted trials on the baseline's seeds."""
    wanted = folder.plan.study.confirm
    if wanted is None:
        return []
    ranked = [t for t in storage.ranking(storage.load(folder)) if not storage.violation(t)]
    base = folder.plan.arms[0].set
    return [
        Cell(arm=f"trial {t.number}", set=base | t.params, seed=seed, kind="confirm")
        for seed in _seeds(project, Ledger(project), folder.plan)
        for t in ranked[: wanted.top]
    ]


def _seeds(project: Project, ledger: Ledger, whole: Plan) -> list[int]:
    assert whole.study.confirm is not None  # the caller has looked
    if whole.study.confirm.seeds != "baseline":
        return list(whole.study.confirm.seeds)
    runs = judging.yardsticks(project, ledger, whole.study.task).get("baseline", [])
    return sorted({r.seed for r in runs})
