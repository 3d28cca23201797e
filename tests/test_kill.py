"""kill -9 of child, supervisor and both at seeded moments: nothing is lost, resume is exact."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from core import execute, locks, plan, registry
from core.config import Layer
from core.execute import Supervisor
from core.project import Project
from tests import toy

MOMENTS = 12  # four for each victim
STEPS = 40
SLOW = {"step_s": 0.01, "total_steps": STEPS}


def start(project: Project, *words: str) -> subprocess.Popen[bytes]:
    """`assay run` as a process of its own, in a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "core.cli", "-C", str(project.root), "run", *words],
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
    process = start(project, "toy", *(w for k, v in SLOW.items() for w in ("-o", f"{k}={v}")))
    folder = wait_for(project, lambda events: True)
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


def wait_for(project: Project, come: Callable[[list[str]], bool], runs: int = 1) -> Path:
    """The folder of the newest of so many runs, once its events are as wanted."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = sorted(project.runs.glob("*/events.jsonl"))
        if len(found) >= runs and come(found[-1].read_text().splitlines()):
            return found[-1].parent
        time.sleep(0.01)
    raise AssertionError("the run did not come so far")


def test_the_real_task_goes_on_exactly_after_a_kill(project: Project) -> None:
    """Torch, its optimiser and its checkpoints: lightmap, killed once between two checkpoints."""
    (project.root / "registry.yaml").write_text("tasks: {lightmap: tasks.lightmap:task}\n")
    longer = {"epochs": 12, "city_size": "32x24"}
    tiny = Layer("tiny", registry.load(project).find("lightmap").tiny)
    spec = plan.prepare(project, "lightmap", layers=[tiny], overrides=longer, threads=1)
    whole = Supervisor(project).run(spec)

    words = [w for k, v in longer.items() for w in ("-o", f"{k}={v}")]
    process = start(project, "lightmap", "--tiny", "--threads", "1", *words)
    wait_for(project, lambda events: sum('"checkpoint"' in e for e in events) >= 3, runs=2)
    kill(process.pid)
    process.wait(timeout=30)
    supervisor = Supervisor(project)
    (cut,) = [r for r in supervisor.ledger.records() if r.run != whole.run]
    while locks.held(project.run_dir(cut.run) / "alive"):
        time.sleep(0.02)
    assert cut.status in ("running", "lost")
    again = supervisor.run(execute.resume(project, supervisor.ledger.find(cut.run)))
    assert (again.status, again.attempt) == ("finished", 2)
    assert again.group == whole.group
    timing = {name for name, metric in whole.metrics.items() if metric.timing}
    assert {k: v.value for k, v in again.metrics.items() if k not in timing} == {
        k: v.value for k, v in whole.metrics.items() if k not in timing
    }
    assert again.series["loss/l2"] == whole.series["loss/l2"]
