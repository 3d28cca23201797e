"""Studies: many runs asked for at once, as a list of cells or as a search."""

from __future__ import annotations

import math
import time

from core.errors import AssayError, Exit
from core.ledger import Ledger
from core.project import Project
from core.study.folder import Folder, every, find, named

__all__ = ["Folder", "every", "find", "named", "runs_of", "stop", "wait"]

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
    folder = find(project, ref)
    if not folder.led():
        raise AssayError(
            f"study {folder.plan.id} is not running", "See `assay study list`", code="not_running"
        )
    folder.stop_file.touch()
    where = f"study = '{folder.plan.id}' and status = 'running'"
    return [row["run"] for row in Ledger(project).rows(["run"], where=where)]
