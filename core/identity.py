"""What a run is a run of: code, data, config, budget, device. Equal groups differ by seed alone."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import config, git, inputs, registry
from core.contract import Task
from core.ledger.record import Data, Env, Git
from core.project import Project
from core.spec import RunSpec

CORE = Path(__file__).parent
DECIDING = ("worker.py", "run.py", "contract.py", "kit")  # what in core can change a number


@dataclass(frozen=True)
class Identity:
    """All that the ledger says of a run before it starts."""

    task_version: int
    primary: str
    git: Git | None
    data: list[Data]
    env: Env
    evaluator: str
    protocol: dict[str, Any]
    config_digest: str
    start_from: str | None  # sha256 of the checkpoint of an evaluate-only run
    group: str
    comparable: str


def identify(project: Project, spec: RunSpec) -> Identity:
    """Snapshot the tree, digest the inputs, and name the run's group.

    Raises:
        AssayError: an input is missing.
    """
    task = registry.resolve(spec.use)
    cfg = task.config.model_validate(spec.config)
    code = code_paths(project, task)
    taken = git.snapshot(project, spec.run, code)
    tree = taken.code_tree if taken else git.content_digest(project.root, code)
    data = inputs.digest(project, task, cfg)
    config_digest = config.digest(cfg)
    evaluator = evaluator_digest(task)
    start_from = spec.start_from and inputs.file_digest(Path(spec.start_from))
    compared = {
        "data": [(d.name, d.digest) for d in data],
        "budget": spec.budget.model_dump(),
        "device": spec.device.partition(":")[0],
        "task": [spec.task, task.version],
        "evaluator": evaluator,
        "protocol": config.protocol(cfg),
    }
    whole = {
        "compared": compared,
        "config": config_digest,
        "code": tree,
        "threads": spec.threads,
        "start_from": spec.start_group or start_from,  # checkpoints that differ by seed alone
    }
    return Identity(
        task_version=task.version,
        primary=task.primary,
        git=taken,
        data=data,
        env=environment(),
        evaluator=evaluator,
        protocol=config.protocol(cfg),
        config_digest=config_digest,
        start_from=start_from,
        group=config.digest_of(whole),
        comparable=config.digest_of(compared),
    )


def code_paths(project: Project, task: Task[Any]) -> list[str]:
    """Paths whose bytes decide the task's numbers; relative where they lie in the checkout."""
    work = importlib.util.find_spec(task.work)
    paths = [CORE / name for name in DECIDING]
    if work and work.origin:
        file = Path(work.origin)
        top_level = "." not in task.work
        paths.append(file if top_level else file.parent)
    paths.append(project.root / "constraints.txt")
    inside = [p.relative_to(project.root) if p.is_relative_to(project.root) else p for p in paths]
    return [str(p) for p in inside]


def evaluator_digest(task: Task[Any]) -> str:
    """Digest of the modules that turn a model into numbers; found without importing them."""
    total = hashlib.sha256()
    for name in task.evaluator or (task.work,):
        found = importlib.util.find_spec(name)
        if found and found.origin:
            total.update(Path(found.origin).read_bytes())
    return total.hexdigest()[:16]


_environment: Env | None = None


def environment() -> Env:
    """Interpreter, platform and installed distributions, once a process."""
    global _environment
    if _environment is None:
        names = sorted(
            f"{d.name}=={d.version}"
            for d in importlib.metadata.distributions()
            if d.name != "assay"
        )
        versions = dict(n.split("==", 1) for n in names)
        _environment = Env(
            digest=hashlib.sha256("\n".join(names).encode()).hexdigest()[:16],
            python=platform.python_version(),
            torch=versions.get("torch"),
            cuda=(versions.get("torch") or "").partition("+cu")[2] or None,
            os=f"{platform.system()} {platform.machine()}",
        )
    return _environment
