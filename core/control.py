"""Asking runs of this clone to stop, and waiting for them: by files and locks, never by pid."""

from __future__ import annotations

import time
from typing import NoReturn

from core.errors import AssayError, Exit
from core.ledger import Ledger, folder
from core.ledger.record import RunRecord
from core.project import Project

STOP = "stop"  # a file in the run's folder: its supervisor cancels the run when it sees it
POLL_S = 0.2


def stop(project: Project, runs: list[RunRecord]) -> list[str]:
    """Ask running runs to stop at their next step, in whichever work tree; the ids.

    Raises:
        AssayError: none of them is running, or one runs outside this clone; nothing is asked then.
    """
    running = [r for r in runs if r.status == "running"]
    if not running:
        states = ", ".join(f"{r.run} is {r.status}" for r in runs[:3])
        raise AssayError(f"nothing to stop: {states}", "See `assay ls`", code="not_running")
    for place in [folder(project, r.run) or _elsewhere(r.run) for r in running]:
        (place / STOP).touch()
    return [r.run for r in running]


def _elsewhere(run: str) -> NoReturn:
    raise AssayError(
        f"run {run} does not run in this clone: no work tree has its folder",
        "Stop it where it was started",
        code="not_here",
    )


def wait(ledger: Ledger, runs: list[str], timeout: float | None = None) -> list[RunRecord]:
    """Wait until all the runs have ended (a lost one has), and give their records.

    Raises:
        AssayError: the time is up (exit 75).
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        records = [ledger.find(run) for run in runs]
        going = [r.run for r in records if r.status == "running"]
        if not going:
            return records
        if deadline is not None and time.monotonic() >= deadline:
            raise AssayError(
                f"{len(going)} of {len(runs)} runs still go on after {timeout:g} s: {going[0]}",
                "Wait longer, or `assay stop` it",
                code="timeout",
                exit_code=Exit.BUSY,
            )
        time.sleep(POLL_S)
