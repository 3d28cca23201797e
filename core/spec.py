"""One run, decided: everything the child needs, written as `run.json` before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from core.contract import Budget

Kind = Literal["run", "trial", "ablation", "confirm", "repro"]


class Limits(BaseModel):
    """What the supervisor enforces from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    total_s: float | None = None  # wall clock of the whole run; + grace_s it is killed: timeout
    grace_s: float = 30.0  # from a polite stop to SIGKILL
    memory_mib: float | None = None  # resident memory of the run's processes; above it: oom


class RunSpec(BaseModel):
    """A run before it starts. `core.plan.prepare` makes it; every value is already validated."""

    # A repeat's worker may be older than the spec it reads: what it does not know it leaves.
    model_config = ConfigDict(frozen=True, extra="ignore")

    run: str  # ULID; the same through retries and resumes
    attempt: int = 1
    task: str  # the registry's name
    use: str  # "tasks.lightmap:task"
    variant: str
    kind: Kind = "run"
    study: str | None = None
    trial: int | None = None
    parent: str | None = None
    seed: int
    config: dict[str, Any]  # resolved, JSON form
    overrides: dict[str, Any] = {}  # what differs from the task's defaults
    origins: dict[str, str] = {}  # dotted key -> where the value came from
    budget: Budget = Budget()
    limits: Limits = Limits()
    device: str = "cpu"  # cpu, cuda or cuda:<n>
    threads: int = 1
    start_from: str | None = None  # absolute path of a checkpoint: evaluate only, no training
    start_group: str = ""  # group of the run that made it and which of its checkpoints it is
    group: str = ""  # digest: config without seed + code + data + budget + device class + threads
    comparable: str = ""  # digest: data + budget + device class + task version + evaluator
    dir: Path  # <root>/runs/<run>
    root: Path  # relative data paths are taken from here
    code: Path | None = None  # where the task is imported from, when not `root` (repro)
    locks: Path | None = None  # folder of this host's lock files
