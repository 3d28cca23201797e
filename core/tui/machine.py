"""This machine and checkout in the header: load, memory, GPU, commit, dirty mark."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from typing import Any, NamedTuple

from core.project import Project

SLOW_S = 10.0  # between looks at git and the GPU, which start a process
LOAD_S = 3.0  # between looks at the load: what changes is drawn again


class Machine(NamedTuple):
    """What the header says of the machine."""

    code: str  # branch@commit, with * for changes that were not committed
    cpu: float  # per cent of all cores
    memory: float  # bytes in use
    gpu: str


class Spent(NamedTuple):
    """Seconds of all cores since the machine was started."""

    all: float
    idle: float


class Gauge:
    """Looks at the machine; what is slow to ask is asked seldom."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._slow = self._soon = 0.0  # when to look again
        self._told = Machine("", 0.0, 0.0, "")
        self._spent = Spent(0.0, 0.0)
        self._smi = shutil.which("nvidia-smi")

    def look(self) -> Machine:
        """The state now."""
        import psutil  # in the thread that looks, after the first frame

        now = time.monotonic()
        if now >= self._slow:
            self._slow = now + SLOW_S
            self._told = self._told._replace(code=_code(self._project), gpu=_gpu(self._smi))
        if now >= self._soon:
            self._soon = now + LOAD_S
            memory = psutil.virtual_memory().used
            self._told = self._told._replace(cpu=self._load(psutil.cpu_times()), memory=memory)
        return self._told

    def _load(self, times: Any) -> float:
        """Per cent since the last look, at first since the machine was started.

        psutil keeps its own last look for each thread, and these change.
        """
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # in user, nice
        now = Spent(sum(times) - guests, times.idle + getattr(times, "iowait", 0.0))
        before, self._spent = self._spent, now
        passed = now.all - before.all
        return 100 * (1 - (now.idle - before.idle) / passed) if passed > 0 else self._told.cpu


def _code(project: Project) -> str:
    if project.git_dir is None:
        return "no git"
    words = ["--porcelain=v2", "--branch", "--untracked-files=normal", "--no-ahead-behind"]
    paths = ["--", ".", ":(exclude)ledger"]  # as in snapshots
    lines = _said(["git", "-C", str(project.root), "status", *words, *paths]).splitlines()
    head = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    dirty = any(not line.startswith("#") for line in lines)
    branch = head.get("branch.head", "?").strip("()")
    return f"{branch}@{head.get('branch.oid', '?')[:7].strip('()')}{'*' * dirty}"


def _gpu(smi: str | None) -> str:
    if smi is None:
        return ""
    asked = ["--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
    first = _said([smi, *asked]).splitlines()[:1]
    if not first or "," not in first[0]:
        return ""
    busy, used = (part.strip() for part in first[0].split(","))
    return f"{busy}% {float(used) / 1024:.1f}G" if used.isdigit() else ""


def _said(words: list[str]) -> str:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(words, capture_output=True, text=True, timeout=5, check=False)
        return done.stdout
    return ""
