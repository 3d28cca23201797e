"""What `assay doctor` looks at: this machine, its packages, this checkout and its ledger."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from core.errors import AssayError
from core.project import Project

CHECKOUT = Path(__file__).parents[1]  # whose core is running
PYTHON = (3, 11)
GIB = 2**30
FEW_DISK, NO_DISK = 5 * GIB, GIB // 2  # runs keep two checkpoints and their pictures
FEW_MEMORY = 2 * GIB  # torch takes half a GiB before it has done anything


class Check(NamedTuple):
    """One thing looked at."""

    name: str
    state: Literal["ok", "warn", "bad"]
    found: str
    next_step: str = ""


def examine(project: Project, device: str = "cpu") -> list[Check]:
    """Look at everything; nothing is changed. A `device` that is asked for must be here."""
    looks: dict[str, Callable[[], Check]] = {
        "python": _python,
        "packages": _packages,
        "core": lambda: _core(project),
        "torch": lambda: _torch(device),
        "torchvision": _torchvision,
        "lpips": _lpips,
        "git": lambda: _git(project),
        "ledger": lambda: _ledger(project),
        "tasks": lambda: _tasks(project),
        "wandb": _wandb,
        "disk": lambda: _disk(project),
        "memory": _memory,
    }
    return [_looked(name, look) for name, look in looks.items()]


def _looked(name: str, look: Callable[[], Check]) -> Check:
    """What a look found; that it failed is a finding, too."""
    try:
        return look()
    except Exception as error:
        return Check(
            name, "bad", f"{type(error).__name__}: {error}", "./run setup, then look again"
        )


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < PYTHON:
        return Check("python", "bad", found, "Install Python 3.11")
    return Check("python", "ok", found)


def _packages() -> Check:
    """Installed versions against the ranges in pyproject.toml."""
    import importlib.metadata
    import tomllib

    from packaging.requirements import Requirement

    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"]
    wrong = []
    for need in map(Requirement, declared):
        try:
            version = importlib.metadata.version(need.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{need} is missing")
            continue
        if not need.specifier.contains(version, prereleases=True):
            wrong.append(f"{need.name} {version} is not {need.specifier}")
    if wrong:
        return Check("packages", "bad", "; ".join(wrong), "./run setup")
    return Check("packages", "ok", f"{len(declared)}, as pyproject.toml asks")


def _core(project: Project) -> Check:
    """Whether the code that runs is the code that snapshots keep."""
    found = f"runs from {CHECKOUT}"
    if project.root == CHECKOUT:
        return Check("core", "ok", found)
    if (project.root / "core" / "contract.py").exists():
        step = "Start it there: python -m core.cli, or that checkout's own .venv/bin/assay"
        return Check("core", "bad", f"{found}, not from here", step)
    step = "Snapshots of this project hold its tasks, not core: note core's commit yourself"
    return Check("core", "warn", f"{found}; none here", step)


def _torch(device: str) -> Check:
    import torch

    from core import plan

    try:
        plan.check_device(device)
    except AssayError as error:
        step = "./run setup takes the torch that fits this machine's driver"
        return Check("torch", "bad", error.message, step)
    cuda = torch.cuda.device_count()
    names = ", ".join(torch.cuda.get_device_name(n) for n in range(cuda)) or "no CUDA device"
    found = f"{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {names}"
    if not cuda and (shutil.which("nvidia-smi") or Path("/proc/driver/nvidia").exists()):
        step = "Remove .venv, then ./run setup: it takes the torch that fits the driver"
        return Check("torch", "warn", f"{found}, though NVIDIA's driver is here", step)
    return Check("torch", "ok", found)


def _torchvision() -> Check:
    """Its own operators, or core.compat's stand-in for the two that imports need."""
    import torch
    import torchvision

    native = hasattr(torch.ops.torchvision, "roi_align")
    how = "native" if native else "without its native part, which nothing here uses (core/compat)"
    return Check("torchvision", "ok", f"{torchvision.__version__}, {how}")


def _lpips() -> Check:
    from core.kit.image import LPIPS_FILE, LPIPS_SHA256

    if not LPIPS_FILE.exists():
        found = f"no weights at {LPIPS_FILE}"
    elif hashlib.sha256(LPIPS_FILE.read_bytes()).hexdigest() != LPIPS_SHA256:
        found = f"{LPIPS_FILE} is another file"
    else:
        return Check("lpips", "ok", "weights v0.1 (AlexNet), bundled")
    return Check("lpips", "bad", found, f"git checkout -- {LPIPS_FILE.name}")


def _git(project: Project) -> Check:
    """Whether a run's code can be kept."""
    if project.git_dir is None:
        step = "git init, so that every run has its commit"
        return Check("git", "warn", "no repository", step)
    from core.git.plumbing import Plumbing
    from core.git.snapshot import REF

    git = Plumbing(project.root)
    head = git.maybe("rev-parse", "--short", "--verify", "-q", "HEAD")
    snapshots = git("for-each-ref", "--format=%(refname)", REF).split()
    found = f"HEAD {head or 'unborn'}, snapshot refs: {len(snapshots)}"
    if not os.access(project.git_dir, os.W_OK):
        step = f"Make {project.git_dir} writable, or results keep no commit"
        return Check("git", "bad", f"{found}, read-only", step)
    if head is None:
        step = "Make a first commit: results then say what they changed"
        return Check("git", "warn", found, step)
    return Check("git", "ok", found)


def _ledger(project: Project) -> Check:
    from core.ledger import Ledger

    try:
        states = [row["status"] for row in Ledger(project).rows(["status"])]
    except (AssayError, OSError) as error:
        step = "assay ledger verify"
        return Check("ledger", "bad", str(error), step)
    lost = states.count("lost")
    found = f"{len(states)} runs in {project.store}, {states.count('running')} running"
    if lost:
        step = "assay ls -w \"status = 'lost'\", then assay resume <run>"
        return Check("ledger", "warn", f"{found}, {lost} lost", step)
    return Check("ledger", "ok", found)


def _tasks(project: Project) -> Check:
    from core import datasheet, registry

    try:
        board = datasheet.board(registry.load(project))
    except AssayError as error:
        return Check("tasks", "bad", error.message, error.hint)
    broken = [f"{row['name']} BROKEN: {row['broken']}" for row in board if "broken" in row]
    if broken:
        step = "Mend them, or remove them from where `assay tasks` says they come from"
        return Check("tasks", "warn", "; ".join(broken), step)
    return Check("tasks", "ok", ", ".join(row["name"] for row in board) or "none")


def _wandb() -> Check:
    """Where dashboards would go; W&B itself is not asked."""
    mode = os.environ.get("WANDB_MODE", "")
    key = bool(os.environ.get("WANDB_API_KEY")) or _netrc_knows("api.wandb.ai")
    found = mode or ("online, a key is here" if key else "offline, no key")
    return Check("wandb", "ok", found)


def _netrc_knows(host: str) -> bool:
    import netrc

    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _disk(project: Project) -> Check:
    free = shutil.disk_usage(project.root).free
    return _room("disk", free, FEW_DISK, NO_DISK, "Free some; runs/ holds the checkpoints")


def _memory() -> Check:
    import psutil

    return _room("memory", psutil.virtual_memory().available, FEW_MEMORY, 0, "End what you can")


def _room(name: str, free: int, few: int, none: int, step: str) -> Check:
    found = f"{free / GIB:.1f} GiB free"
    if free >= few:
        return Check(name, "ok", found)
    return Check(name, "warn" if free >= none else "bad", found, step)
