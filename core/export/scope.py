"""Whose runs an exporter follows: a study's, or one run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

from core import ledger as ledgers
from core import study
from core.errors import AssayError, Exit
from core.export.follow import Scope
from core.ledger import Ledger, query
from core.project import Project
from core.study.folder import Folder

FOLDER = "export"


def find(project: Project, ref: str, *, attached: bool = False) -> Scope:
    """The scope of a study or of a run.

    `attached`: whoever started us gave an id, and holds our stdin until it starts no more runs.

    Raises:
        AssayError: there is no such study or run, or its folder is on another machine.
    """
    gone = _closed() if attached else lambda: True
    if study.named(project, ref):
        return _of_study(study.find(project, ref), gone)
    if attached:  # the run may not have begun
        return _of_run(ref, project.run_dir(ref), gone)
    run = Ledger(project).find(ref).run
    home = ledgers.folder(project, run)
    if home is None:
        raise AssayError(
            f"the folder of run {run} is not on this machine",
            "Export it where it ran",
            code="no_run_folder",
        )
    return _of_run(run, home, gone)


def _of_run(run: str, home: Path, gone: Callable[[], bool]) -> Scope:
    return Scope(run, home / FOLDER, lambda: f"run = {query.quote(run)}", gone)


def _of_study(folder: Folder, gone: Callable[[], bool]) -> Scope:
    plan = folder.plan

    def where() -> str:
        reused = [e["run"] for e in folder.journal() if e["kind"] == "reused"]
        more = f" or run in ({', '.join(map(query.quote, reused))})" if reused else ""
        return f"study = {query.quote(plan.id)}{more}"

    return Scope(plan.id, folder.path / FOLDER, where, lambda: gone() and not folder.led())


def _closed() -> Callable[[], bool]:
    """Whether our stdin has come to its end."""
    over = threading.Event()

    def watch() -> None:
        sys.stdin.buffer.read()
        over.set()

    threading.Thread(target=watch, daemon=True).start()
    return over.is_set


def busy(name: str) -> AssayError:
    """Another exporter is at it."""
    return AssayError(
        f"{name} is being exported",
        "Wait for that exporter; it takes all of it",
        code="busy",
        exit_code=Exit.BUSY,
    )
