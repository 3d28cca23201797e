"""Doing a recorded run again: from its own commit, in an interpreter of its own, and comparing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

from core import clock, config, git, inputs, registry
from core.contract import Budget
from core.errors import AssayError
from core.execute import Supervisor, Watch
from core.identity import Identity, environment
from core.ledger.record import RunRecord
from core.project import Project
from core.spec import Limits, RunSpec

TOLERANCE = 1e-6  # relative: what other hardware or another library build may do


class Row(NamedTuple):
    """One metric, then and now."""

    metric: str
    then: float | None
    now: float | None
    result: Literal["exact", "within tolerance", "differs", "timing", "absent"]


class Repeat(NamedTuple):
    """A run done again."""

    record: RunRecord
    rows: list[Row]
    environment: list[str]  # what differs, one line each
    tree: Path | None  # the kept worktree


def repeat(
    supervisor: Supervisor, record: RunRecord, *, keep: bool = False, watch: Watch | None = None
) -> Repeat:
    """Run `record` again with its own code, config, seed and budget; recorded as kind `repro`.

    Relative data paths are taken from this checkout. `keep` leaves the worktree in place.

    Raises:
        AssayError: its commit is not here, or its data changed.
    """
    project, run = supervisor.project, clock.ulid()
    commit = git.locate(project, record.git)
    check_data(project, record)
    with git.checkout(project, commit, run, keep=keep) as tree:
        spec = _spec(project, record, run, tree)
        again = supervisor.run(spec, _identity(record), tree=tree, watch=watch)
    return Repeat(
        again, compare(record, again), environment_differences(record), tree if keep else None
    )


def _spec(project: Project, record: RunRecord, run: str, tree: Path) -> RunSpec:
    lines = registry.file_lines(tree)
    if record.task not in lines:
        raise AssayError(
            f"task '{record.task}' is not in the registry of {record.git and record.git.commit}"
        )
    budget = {record.budget.kind: record.budget.limit} if record.budget.limit else {}
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
        budget=Budget.model_validate(budget),
        limits=Limits(total_s=record.budget.total_s),
        device=record.resources.device,
        threads=record.resources.threads,
        start_from=_start(project, record),
        dir=project.run_dir(run),
        root=project.root,
        locks=project.store / "locks",
    )


def _start(project: Project, record: RunRecord) -> str | None:
    """The checkpoint that an evaluate-only run started from."""
    try:
        spec = json.loads((project.run_dir(record.run) / "run.json").read_text())
    except (OSError, ValueError):
        return None
    found: str | None = spec.get("start_from")
    return found


def _identity(record: RunRecord) -> Identity:
    """What the original was, in the environment of now; a group of its own."""
    return Identity(
        task_version=record.task_version,
        primary=record.primary or "",
        git=record.git,
        data=record.data,
        env=environment(),
        evaluator=record.protected.evaluator_digest,
        config_digest=record.config_digest,
        group=config.digest_of(["repro", record.group]),
        comparable=record.comparable,
    )


def check_data(project: Project, record: RunRecord) -> None:
    """Refuse when an input's bytes are not those of the record."""
    task = registry.load(project).find(record.task)
    found = inputs.digest(project, task, task.config.model_validate(record.config))
    now = {d.name: d.digest for d in found}
    changed = [d.name for d in record.data if now.get(d.name) != d.digest]
    if changed:
        raise AssayError(
            f"the data of run {record.run} changed since: {', '.join(changed)}",
            "Bring the old files back, or start a new run",
            code="data_changed",
        )


def compare(then: RunRecord, now: RunRecord) -> list[Row]:
    """Every metric of either side. Durations are shown and not judged."""
    return [_row(name, then, now) for name in sorted({*then.metrics, *now.metrics})]


def _row(name: str, then: RunRecord, now: RunRecord) -> Row:
    a, b = then.metrics.get(name), now.metrics.get(name)
    if a is None or b is None:
        return Row(name, a.value if a else None, b.value if b else None, "absent")
    if a.timing:
        return Row(name, a.value, b.value, "timing")
    equal = a.value == b.value or (a.value != a.value and b.value != b.value)
    near = abs(a.value - b.value) <= TOLERANCE * max(abs(a.value), abs(b.value))
    return Row(
        name, a.value, b.value, "exact" if equal else "within tolerance" if near else "differs"
    )


def environment_differences(record: RunRecord) -> list[str]:
    """What of the interpreter, the packages and the platform is not what it was."""
    now = environment()
    fields: dict[str, Any] = {
        "python": now.python,
        "torch": now.torch,
        "cuda": now.cuda,
        "os": now.os,
    }
    out = [
        f"{name}: {getattr(record.env, name)} then, {value} now"
        for name, value in fields.items()
        if getattr(record.env, name) != value
    ]
    if not out and record.env.digest != now.digest:
        out = ["other versions of some installed packages"]
    return out
