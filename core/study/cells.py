"""Running a list of cells, each exactly once, by any number of workers on this machine.

A worker claims a cell by holding its lock. A cell is settled when the ledger has an end for it
that another attempt would only repeat; lost and crashed runs go on from their checkpoint.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from core import execute, outcome, registry
from core.execute import Supervisor
from core.identity import identify
from core.ledger import Ledger
from core.ledger.record import RunRecord
from core.study import plan
from core.study.folder import Folder
from core.study.plan import Cell

ATTEMPTS = 3  # of a run that crashes or is lost: the first and two retries
POLL_S = 0.3
BROKEN = ("crashed", "lost")
FINAL = ("finished", "pruned")  # nothing is left of these to do again


class State(NamedTuple):
    """Where a cell stands."""

    cell: Cell
    what: Literal["open", "running", "stopped", "settled"]  # stopped: until the next session
    run: str | None  # the run that stands for it


def work(supervisor: Supervisor, folder: Folder) -> None:
    """Run cells until none is open or running, or somebody asks to stop."""
    while not supervisor.stopped:
        outcome.adopt(supervisor.project, supervisor.ledger)
        now = states(supervisor.ledger, folder)
        if not any(s.what in ("open", "running") for s in now):
            return
        paused = folder.pause_file.exists()
        todo = (i for i, s in enumerate(now) if s.what == "open" and not paused)
        if not any(_try(supervisor, folder, i) for i in todo):
            time.sleep(POLL_S)  # others are at the rest; one of them may yet be lost


def _try(supervisor: Supervisor, folder: Folder, index: int) -> bool:
    """Run the cell unless another worker has it; whether it was ours."""
    with _claim(folder, f"cell-{index:04d}") as mine:
        if not mine:
            return False
        # The cell may have ended just before we got the claim.
        state = states(supervisor.ledger, folder)[index]
        if state.what == "open":
            _run(supervisor, folder, index, state)
        return True


@contextmanager
def _claim(folder: Folder, name: str) -> Iterator[bool]:
    fd = folder.claim(name)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            os.close(fd)


def states(ledger: Ledger, folder: Folder) -> list[State]:
    """Where every cell stands, by the ledger and the journal."""
    columns = ["run", "variant", "seed", "status", "attempt"]
    rows = ledger.rows(columns, where=f"study = '{folder.plan.id}'")
    runs = {(r["variant"], r["seed"]): r for r in reversed(rows)}  # the newest of each stays
    journal = folder.journal()
    reused = {e["cell"]: e["run"] for e in journal if e["kind"] == "reused"}
    begun = max((i for i, e in enumerate(journal) if e["kind"] == "session"), default=0)
    last = {e["run"]: (i, e["kind"]) for i, e in enumerate(journal) if "run" in e}
    over = {run for run, (i, kind) in last.items() if kind == "ended" and i >= begun}
    asked = {run for run, (_, kind) in last.items() if kind == "requeued"}
    return [
        State(cell, "settled", reused[i])
        if i in reused
        else _state(cell, runs.get((cell.arm, cell.seed)), over, asked)
        for i, cell in enumerate(folder.cells)
    ]


def left(ledger: Ledger, folder: Folder) -> int:
    """Cells that are not settled."""
    return sum(s.what != "settled" for s in states(ledger, folder))


def _state(cell: Cell, row: dict[str, Any] | None, over: set[str], asked: set[str]) -> State:
    """Where the cell of a run stands.

    `over`: runs that ended in this session; what was cancelled in it stays so for now, unless it is
    `asked` for again.
    """
    if row is None:
        return State(cell, "open", None)
    run, status = row["run"], row["status"]
    if status == "running":
        return State(cell, "running", run)
    if run in asked and status not in FINAL:
        return State(cell, "open", run)
    if status == "cancelled":
        return State(cell, "stopped" if run in over else "open", run)
    broken = status in BROKEN and row["attempt"] < ATTEMPTS
    return State(cell, "open" if broken else "settled", run)


def _run(supervisor: Supervisor, folder: Folder, index: int, state: State) -> None:
    """Run the cell, go on with its interrupted run, or take an equal run that is there."""
    project, ledger = supervisor.project, supervisor.ledger
    if state.run and (project.run_dir(state.run) / "run.json").exists():
        spec = execute.resume(project, ledger.find(state.run))
    else:
        spec = plan.spec(project, folder.plan, state.cell)
    identity = identify(project, spec)
    if spec.attempt > 1 and identity.group != spec.group:  # its code or data changed: begin again
        spec = plan.spec(project, folder.plan, state.cell)
    equal = None if state.run else _equal(supervisor, folder, identity.group, spec.seed)
    if equal:
        folder.note("reused", cell=index, run=equal)
        return
    record = supervisor.run(spec, identity)
    folder.note("ended", cell=index, run=record.run, status=record.status)


def _equal(supervisor: Supervisor, folder: Folder, group: str, seed: int) -> str | None:
    """A finished run of the same group and seed that may stand for ours."""
    task = registry.load(supervisor.project).find(folder.plan.study.task)
    if plan.no_reuse(folder.plan, task):
        return None
    where = f"group = '{group}' and seed = {seed} and status = 'finished' and not void"
    rows = supervisor.ledger.rows(["run"], where=where, limit=1)
    return rows[0]["run"] if rows else None


def records(ledger: Ledger, folder: Folder) -> dict[str, list[RunRecord]]:
    """The run of every cell that has one, by arm, in the order of the plan."""
    out: dict[str, list[RunRecord]] = {}
    for state in states(ledger, folder):
        if state.run:
            out.setdefault(state.cell.arm, []).append(ledger.find(state.run))
    return out
