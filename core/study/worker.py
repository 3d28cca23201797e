"""A worker: one process that supervises its runs, one after another, until the study is done.

`assay study run --worker <id>` starts one by hand; the parent of a study starts as many as asked.
"""

from __future__ import annotations

import threading
import time

from core.execute import Supervisor
from core.project import Project
from core.study import cells, search
from core.study.folder import Folder

POLL_S = 0.3


def work(project: Project, folder: Folder) -> bool:
    """Do a worker's share; whether it ended by itself, not because somebody asked to stop."""
    supervisor = Supervisor(project)
    follow = threading.Thread(target=_follow, args=(folder, supervisor), daemon=True)
    with supervisor.hearing():
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
