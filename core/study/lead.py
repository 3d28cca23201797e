"""The parent of a study: starts workers, watches them, has the winners confirmed. Runs nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import core
from core import logfile
from core.errors import AssayError, Exit
from core.ledger import Ledger
from core.project import Project
from core.study import cells, search, start
from core.study.folder import Folder

POLL_S = 0.2


class Show(Protocol):
    """Who tells people how the study goes."""

    def begin(self, total: int) -> None:
        """Workers start; so many runs or trials are to end."""

    def event(self, event: dict[str, Any]) -> None:
        """A line of the journal: ended, reused or refused, with the run and the cell or trial."""

    def tick(self) -> None:
        """Time went by."""


class _Wish:
    """How often SIGINT or SIGTERM came: once is polite, twice is in a hurry."""

    def __init__(self) -> None:
        self.times = 0

    @contextmanager
    def heard(self) -> Iterator[None]:
        def hear(*_: Any) -> None:
            self.times += 1

        old = {s: signal.signal(s, hear) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


def run(project: Project, folder: Folder, show: Show) -> bool:
    """Begin a study or go on with it; whether it came to its end.

    Raises:
        AssayError: it runs already (exit 75), or a worker failed and left something undone (5).
    """
    wish = _Wish()
    with folder.lead(), wish.heard():
        if folder.plan.study.kind == "search":
            start.begin_search(project, folder)
        folder.note("session", workers=folder.plan.workers)
        if folder.plan.study.kind == "search" and not folder.confirming:
            if not _phase(project, folder, show, wish, lambda: search.left(folder)):
                return False
            folder.confirm(start.winners(project, folder))
        ledger = Ledger(project)
        return _phase(project, folder, show, wish, lambda: cells.left(ledger, folder))


def _phase(
    project: Project, folder: Folder, show: Show, wish: _Wish, left: Callable[[], int]
) -> bool:
    """Have workers at it until nothing is `left` to do or all are gone; whether nothing is."""
    todo = left()
    if not todo:
        return True
    show.begin(todo)
    tail = folder.tail()
    for _ in tail.new():
        pass  # earlier sessions and phases
    workers = [_start(project, folder, n) for n in range(folder.plan.workers)]
    while any(w.poll() is None for w in workers):
        _relay(wish, folder, workers)
        for event in tail.new():
            show.event(event)
        show.tick()
        time.sleep(POLL_S)
    for event in tail.new():
        show.event(event)
    _check(folder, workers, wish)
    return not left()


def _start(project: Project, folder: Folder, number: int) -> subprocess.Popen[bytes]:
    """A worker with this process's `core`, in a session of its own: Ctrl-C is ours to pass on."""
    command = ["-m", "core.cli", "-C", str(project.root), "study", "run", "--worker"]
    with _log(folder, number).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *command, folder.path.name],
            cwd=Path(core.__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _log(folder: Folder, number: int) -> Path:
    return folder.path / f"worker-{number}.log"


def _relay(wish: _Wish, folder: Folder, workers: list[subprocess.Popen[bytes]]) -> None:
    if wish.times:
        folder.stop_file.touch()
    if wish.times > 1:  # a supervisor that is asked again kills its run
        for worker in workers:
            worker.terminate()


def _check(folder: Folder, workers: list[subprocess.Popen[bytes]], wish: _Wish) -> None:
    """Name a worker that failed when its share is undone; peers may have done it instead."""
    failed = [(n, w.returncode) for n, w in enumerate(workers) if w.returncode]
    if not failed or wish.times or folder.stop_file.exists():
        return
    number, code = failed[0]
    if all(w.returncode for w in workers):
        said = logfile.last_lines(_log(folder, number), 1)
        raise AssayError(
            f"worker {number} of study {folder.path.name} left with code {code}: {' '.join(said)}",
            f"See {_log(folder, number)}; go on with `assay resume {folder.path.name}`",
            code="worker_failed",
            exit_code=Exit.NOT_FINISHED,
        )
