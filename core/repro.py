"""Doing a recorded run again: from its own commit, in an interpreter of its own, and comparing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from core import clock, compare, config, git, inputs, plan, registry
from core.contract import Budget
from core.errors import AssayError, unknown
from core.execute import Supervisor, Watch
from core.identity import Identity, environment
from core.ledger import folder
from core.ledger.record import RunRecord
from core.project import REGISTRY, Project
from core.spec import Limits, RunSpec


class Repeat(NamedTuple):
    """A run done again, against the original."""

    record: RunRecord
    metrics: list[compare.Row]  # a: the original, b: the repeat
    environment: compare.Changed
    tree: Path | None  # the kept worktree


def repeat(
    supervisor: Supervisor,
    record: RunRecord,
    *,
    tolerance: float = compare.TOLERANCE,
    keep: bool = False,
    watch: Watch | None = None,
) -> Repeat:
    """Run `record` again with its own code, config, seed and budget; recorded as kind `repro`.

    Relative data paths are taken from this checkout. `keep` leaves the worktree in place. A repeat
    that did not import the code of its worktree is recorded as failed.

    Raises:
        AssayError: its commit is not here, its data changed, or this machine lacks its device.
    """
    project, run = supervisor.project, clock.ulid()
    commit = git.locate(project, record.git)
    _check_data(project, record)
    plan.check_device(record.resources.device)
    with git.checkout(project, commit, run, keep=keep) as tree:
        spec = _spec(project, record, run, tree)
        again = supervisor.run(spec, _identity(record, commit), tree=tree, watch=watch)
    return Repeat(
        again,
        compare.metrics(record, again, tolerance),
        compare.environment(record.env, again.env),
        tree if keep else None,
    )


def _check_data(project: Project, record: RunRecord) -> None:
    """Refuse when an input's bytes are not those of the record."""
    if not record.data:
        return
    task = registry.load(project).find(record.task)
    cfg = config.resolve(task, [config.Layer(f"run {record.run}", record.config)]).config
    now = {d.name: d.digest for d in inputs.digest(project, task, cfg)}
    changed = [d.name for d in record.data if now.get(d.name) != d.digest]
    if changed:
        raise AssayError(
            f"the data of run {record.run} changed since: {', '.join(changed)}",
            "Bring the old files back, or start a new run",
            code="data_changed",
        )


def _spec(project: Project, record: RunRecord, run: str, tree: Path) -> RunSpec:
    lines = registry.file_lines(tree)
    if record.task not in lines:
        raise unknown("task", record.task, lines, where=f"{REGISTRY} of run {record.run}")
    made = _run_json(project, record)
    limit = {record.budget.kind: record.budget.limit} if record.budget.limit else {}
    return RunSpec(
        run=run,
        task=record.task,
        use=lines[record.task].use,
        variant=record.variant,
        kind="repro",
        parent=record.run,
        seed=record.seed,
        config=record.config,
        overrides=record.overrides,
        origins=record.origins,
        budget=Budget.model_validate(made.get("budget", limit)),
        limits=Limits(total_s=record.budget.total_s),
        device=record.resources.device,
        threads=record.resources.threads,
        start_from=made.get("start_from"),
        dir=project.run_dir(run),
        root=project.root,
        locks=project.store / "locks",
    )


def _run_json(project: Project, record: RunRecord) -> dict[str, Any]:
    """What the run was told, where its folder is here.

    The ledger holds one limit of its budget, and of a checkpoint that it started from the digest.

    Raises:
        AssayError: it started from a checkpoint that is not here.
    """
    file = (folder(project, record.run) or project.run_dir(record.run)) / "run.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    start = Path(found.get("start_from") or "nowhere")
    if record.start_from and not (
        start.exists() and inputs.file_digest(start) == record.start_from
    ):
        raise AssayError(
            f"run {record.run} evaluated checkpoint {record.start_from[:12]}, which is not here",
            f"Make it again with `assay repro {record.parent} --keep`",
            code="no_checkpoint",
        )
    return found


def _identity(record: RunRecord, commit: str) -> Identity:
    """What the original was, in the environment of now; a group of its own."""
    assert record.git is not None  # its commit was found
    return Identity(
        task_version=record.task_version,
        primary=record.primary or "",
        git=record.git.model_copy(update={"commit": commit}),
        data=record.data,
        env=environment(),
        evaluator=record.protected.evaluator_digest,
        protocol=record.protected.protocol,
        config_digest=record.config_digest,
        start_from=record.start_from,
        group=config.digest_of(["repro", record.group]),
        comparable=record.comparable,
    )
