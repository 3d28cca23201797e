"""A worker: one process that supervises its runs, one after another, until the study is done.

`assay study run --worker <id>` starts one by hand; the parent of a study starts as many as asked.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.execute import Supervisor
from core.project import Project
from core.study import cells, search
from core.study.folder import Folder

POLL_S = 0.3


def work(project: Project, folder: Folder) -> bool:
    """Do a worker's share; whether it ended by itself, not because somebody asked to stop."""
    supervisor = Supervisor(project)
    follow = threading.Thread(target=_follow, args=(folder, supervisor), daemon=True)
    with _signals(supervisor):
        follow.start()
        if folder.plan.study.kind == "search" and not folder.confirming:
            search.work(supervisor, folder)
        else:
            cells.work(supervisor, folder)
    return not supervisor.stopped


def _follow(folder: Folder, supervisor: Supervisor) -> None:
    """Wish to stop when the stop file appears, or when the parent that we saw is gone."""
    led = folder.led()
    while not supervisor.stopped:
        if folder.stop_file.exists() or (led and not folder.led()):
            supervisor.stopped = True
        time.sleep(POLL_S)


@contextmanager
def _signals(supervisor: Supervisor) -> Iterator[None]:
    """SIGINT and SIGTERM between two runs are a wish to stop, as they are within one."""

    def stop(*_: Any) -> None:
        supervisor.stopped = True

    old = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
