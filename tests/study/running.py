"""Running studies in tests: in this process where that tells enough, else as a user would."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil

from core.ledger import Ledger
from core.ledger.record import RunRecord
from core.project import Project
from core.study import folder, start, worker
from core.study.folder import Folder
from tests import toy

PATIENCE_S = 60.0


def here(project: Project, name: str, **options: bool) -> Folder:
    """The study with one worker: this process."""
    plan = start.new(project, name, {}, **options)
    made = folder.create(project, plan)
    again(project, made)
    return made


def again(project: Project, made: Folder) -> None:
    """Another session of it."""
    if made.plan.study.kind == "search":
        start.begin_search(project, made)
    made.note("session")
    if made.plan.study.kind == "search":
        worker.work(project, made)
        made.confirm(start.winners(project, made))
    worker.work(project, made)


@contextlib.contextmanager
def parent(project: Project, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`assay <words>` in a process of its own, with its workers gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "core.cli", "-C", str(project.root), *words],
        cwd=toy.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        for one in (*workers(process), process):
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                one.kill()
        process.communicate()


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The workers of a parent, oldest first."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [p for p in psutil.Process(process.pid).children() if "--worker" in p.cmdline()]
    return []


def until(holds: Callable[[], object]) -> None:
    """Wait for something to happen."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def records(project: Project) -> list[RunRecord]:
    return Ledger(project).records()


def running(project: Project) -> list[str]:
    """Ids of runs that have saved a checkpoint and go on."""
    ids = [row["run"] for row in Ledger(project).rows(["run"], where="status = 'running'")]
    return [i for i in ids if (project.run_dir(i) / "checkpoints" / "last.ckpt").exists()]


def kill(process: psutil.Process | subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
