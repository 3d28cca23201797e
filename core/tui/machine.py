"""This machine and checkout in the header: load, memory, GPU, commit, dirty mark."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from typing import NamedTuple

from core.project import Project

SLOW_S = 10.0  # between looks at git and the GPU, which start a process


class Machine(NamedTuple):
    """What the header says of the machine."""

    code: str  # branch@commit, with * for changes that were not committed
    cpu: float  # per cent of all cores
    memory: float  # bytes in use
    gpu: str


class Gauge:
    """Looks at the machine; what is slow to ask is asked seldom."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._next = 0.0
        self._code = self._gpu = ""
        self._smi = shutil.which("nvidia-smi")

    def look(self) -> Machine:
        """The state now."""
        import psutil  # in the thread that looks, after the first frame

        if time.monotonic() >= self._next:
            self._code = _code(self._project)
            self._gpu = _gpu(self._smi)
            self._next = time.monotonic() + SLOW_S
        return Machine(self._code, psutil.cpu_percent(), psutil.virtual_memory().used, self._gpu)


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
