"""kill -9 of child, supervisor and both at seeded moments: nothing is lost, resume is exact."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from core import execute, locks, plan
from core.execute import Supervisor
from core.project import Project
from tests import toy

MOMENTS = 12  # four for each victim
STEPS = 40
SLOW = {"step_s": 0.01, "total_steps": STEPS}


def start(project: Project) -> subprocess.Popen[bytes]:
    """`assay run toy` as a process of its own, in a group of its own."""
    words = [w for k, v in SLOW.items() for w in ("-o", f"{k}={v}")]
    return subprocess.Popen(
        [sys.executable, "-m", "core.cli", "-C", str(project.root), "run", "toy", *words],
        cwd=toy.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def child_of(supervisor: int) -> int | None:
    """The run's process: the forkserver's child."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for server in psutil.Process(supervisor).children():
            for run in server.children():
                return run.pid
    return None


def kill(pid: int | None) -> None:
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> float:
    project = toy.build(tmp_path_factory.mktemp("calm") / "project")
    record = Supervisor(project).run(plan.prepare(project, "toy", overrides=SLOW | {"step_s": 0.0}))
    return record.metrics["error"].value


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_nothing_is_lost_and_resume_is_exact(
    project: Project, undisturbed: float, moment: int
) -> None:
    victim = ("child", "supervisor", "both")[moment % 3]
    delay = random.Random(moment).uniform(0.0, 0.5)
    process = start(project)
    folder = wait_for_run(project)
    time.sleep(delay)
    child = child_of(process.pid)
    if victim != "supervisor":
        kill(child)
    if victim != "child":
        kill(process.pid)
    process.wait(timeout=30)
    deadline = time.monotonic() + 10
    while locks.held(folder / "alive"):  # a child that lost its supervisor ends itself
        assert time.monotonic() < deadline, f"{victim} killed after {delay:.2f} s: the run lives on"
        time.sleep(0.02)

    supervisor = Supervisor(project)
    record = supervisor.ledger.find(folder.name)
    assert record.status in ("crashed", "lost", "finished"), (victim, delay)
    if record.status != "finished":
        record = supervisor.run(execute.resume(project, record))
    assert record.status == "finished"
    assert record.metrics["error"].value == undisturbed
    assert record.series["error"].rows == STEPS
    kinds = [e["e"] for e in supervisor.ledger.events(record.run)]
    assert kinds.count("started") == kinds.count("ended") == record.attempt


def wait_for_run(project: Project) -> Path:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for folder in project.runs.glob("*/events.jsonl"):
            return folder.parent
        time.sleep(0.01)
    raise AssertionError("the run did not start")
