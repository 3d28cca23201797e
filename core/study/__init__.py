"""Studies: many runs asked for at once, as a list of cells or as a search."""

from __future__ import annotations

import math
import time

from core.errors import AssayError, Exit
from core.ledger import Ledger
from core.project import Project
from core.study.folder import Folder, every, find, named

__all__ = [
    "Folder",
    "every",
    "find",
    "named",
    "pause",
    "requeue",
    "runs_of",
    "stop",
    "unpause",
    "wait",
]

POLL_S = 0.2


def runs_of(project: Project, ref: str) -> list[str]:
    """Ids of the runs that a study made, newest first; those it reused are others'."""
    where = f"study = '{find(project, ref).plan.id}'"
    return [row["run"] for row in Ledger(project).rows(["run"], where=where)]


def wait(project: Project, ref: str, timeout: float | None = None) -> list[str]:
    """Wait until nobody leads a study any more; the ids of its runs.

    Raises:
        AssayError: the time is up (exit 75).
    """
    folder = find(project, ref)
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    while folder.led():
        if time.monotonic() >= deadline:
            raise AssayError(
                f"study {folder.plan.id} still goes on after {timeout:g} s",
                "Wait longer, or `assay stop` it",
                code="timeout",
                exit_code=Exit.BUSY,
            )
        time.sleep(POLL_S)
    return runs_of(project, ref)


def stop(project: Project, ref: str) -> list[str]:
    """Ask all workers of a study to stop at the next step of their runs; the runs concerned.

    Raises:
        AssayError: nobody works on it.
    """
    folder = _led(project, ref)
    folder.stop_file.touch()
    where = f"study = '{folder.plan.id}' and status = 'running'"
    return [row["run"] for row in Ledger(project).rows(["run"], where=where)]


def pause(project: Project, ref: str) -> Folder:
    """Have no worker of a study begin another run; those under way go on to their end.

    Raises:
        AssayError: nobody works on it.
    """
    folder = _led(project, ref)
    folder.pause_file.touch()
    return folder


def unpause(project: Project, ref: str) -> bool:
    """Let a paused study go on; whether it was paused and running."""
    folder = find(project, ref)
    paused = folder.led() and folder.pause_file.exists()
    folder.pause_file.unlink(missing_ok=True)
    return paused


def requeue(project: Project, ref: str) -> str:
    """Have a run of a study that did not finish done again, from its checkpoint; the study's id.

    Workers take it at once; of a study that is not running, the next session does.

    Raises:
        AssayError: the run is of no study, runs, or finished.
    """
    from core.study import cells, search

    record = Ledger(project).find(ref)
    if record.study is None:
        raise AssayError(
            f"run {record.run} is of no study", f"Go on with `assay resume {record.run}`"
        )
    if record.status in ("running", *cells.FINAL):
        raise AssayError(
            f"run {record.run} is {record.status}: nothing to do again",
            f"See `assay show {record.run}`",
            code="not_requeued",
        )
    folder = find(project, record.study)
    trial = {"trial": search.requeue(folder, record.run)} if record.kind == "trial" else {}
    folder.note("requeued", run=record.run, **trial)
    return record.study


def _led(project: Project, ref: str) -> Folder:
    folder = find(project, ref)
    if not folder.led():
        raise AssayError(
            f"study {folder.plan.id} is not running", "See `assay study list`", code="not_running"
        )
    return folder
