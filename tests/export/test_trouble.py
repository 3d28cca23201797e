"""An exporter that dies, a disk that is full, a host that is away: the run never notices."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core import locks
from core.export import wandb_file
from core.ledger import Ledger
from core.project import Project
from tests import toy
from tests.export import reading

SLOW = ("-o", "step_s=0.05", "-o", "total_steps=200")  # 10 s: still going on when we kill


def until(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def started(project: Project, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "core.cli", "-C", str(project.root), *words],
        cwd=toy.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in psutil.Process(process.pid).children(recursive=True):
                one.kill()
        process.kill()
        process.communicate()


def exporter(process: subprocess.Popen[str]) -> psutil.Process | None:
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in psutil.Process(process.pid).children():
            if "follow" in one.cmdline():
                return one
    return None


def offline(project: Project) -> list[Path]:
    return sorted(project.runs.glob("*/wandb/offline-run-*/run-*.wandb"))


def warnings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("warning:")]


def test_a_killed_exporter_is_one_warning_keeps_history_and_catches_up(project: Project) -> None:
    with started(project, "run", "toy", *SLOW, "--wandb", "offline", "--tensorboard") as process:
        child = until(lambda: exporter(process))
        until(lambda: offline(project) and wandb_file.last_step(offline(project)[0]) > 5)
        child.send_signal(signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    record = Ledger(project).find("@last")
    folder = project.run_dir(record.run)
    assert process.returncode == 0
    assert record.status == "finished"
    assert len(warnings(said)) == 1
    assert f"assay wandb follow {record.run}" in said
    (half,) = offline(project)
    kept = [row["step"] for row in reading.history(reading.inspect(half)) if "step" in row]
    assert 5 < len(kept) < 200
    assert kept == list(range(1, kept[-1] + 1))

    again = toy.assay(project.root, "wandb", "follow", record.run, "--json", check=True)
    assert json.loads(again.stdout)["data"]["wandb"]["runs"] == 1
    (file,) = offline(project)
    rows = [row["step"] for row in reading.history(reading.inspect(file)) if "error" in row]
    assert rows == list(range(1, 201))
    assert [step for step, _ in reading.scalars(folder)["error"]] == list(range(1, 201))


def test_a_killed_study_leaves_no_exporter_behind(project: Project) -> None:
    with started(project, "run", "toy", *SLOW, "--tensorboard") as process:
        child = until(lambda: exporter(process))
        until(lambda: list(project.runs.glob("*/tensorboard/events*")))
        process.kill()
        process.wait()
        until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    (run,) = project.runs.glob("*/export/exported.json")
    assert json.loads(run.read_text())["tensorboard"]["runs"] == 1


@pytest.mark.slow
def test_a_full_disk_under_wandb_is_one_warning(ran: Project) -> None:
    """Writes past 64 KiB a file are refused, as a full disk would; EFBIG in place of ENOSPC."""
    run = Ledger(ran).find("@last").run
    folder = ran.run_dir(run)
    rows = ({"t": 1.0, "kind": "log", "step": i, "values": {"loss": 1 / i}} for i in range(1, 1501))
    (folder / "events.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    command = [sys.executable, "-m", "core.cli", "-C", str(ran.root), "wandb", "follow", run]
    done = subprocess.run(
        [*command, "--wandb", "offline"],
        cwd=toy.ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)),
    )
    assert done.returncode == 0, done.stderr
    assert len(warnings(done.stderr)) == 1
    assert "is the disk full?" in done.stderr
    assert f"1 missing, assay wandb follow {run} catches up" in done.stdout
    again = toy.assay(ran.root, "wandb", "follow", run, check=True)
    assert "W&B: 1 runs offline" in again.stdout
    assert "missing" not in again.stdout
    (file,) = reading.files(folder)
    assert wandb_file.whole(file)
    assert wandb_file.last_step(file) == 1500


def test_a_folder_that_cannot_be_made_is_one_warning(ran: Project) -> None:
    folder = ran.run_dir(Ledger(ran).find("@last").run)
    (folder / "tensorboard").write_text("in the way")
    done = toy.assay(ran.root, "wandb", "follow", "@last", "--tensorboard")
    assert done.returncode == 0
    assert len(warnings(done.stderr)) == 1
    assert folder.name in done.stderr
    (folder / "tensorboard").unlink()
    toy.assay(ran.root, "wandb", "follow", "@last", "--tensorboard", check=True)
    assert len(reading.scalars(folder)["error"]) == 20


@pytest.mark.slow
def test_an_unreachable_host_is_one_warning_and_offline(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # nobody listens there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
        monkeypatch.setenv("WANDB_MODE", "online")
        begin = time.monotonic()
        done = toy.assay(project.root, "run", "toy", "--wandb", "auto")
        took = time.monotonic() - begin
    assert done.returncode == 0, done.stderr
    assert took < 40  # the run is over, and what is left to do is done behind it
    (run,) = project.runs.iterdir()
    until(lambda: (run / "export" / "exported.json").exists())
    told = json.loads((run / "export" / "exported.json").read_text())
    assert len(told["warnings"]) == 1
    assert "W&B is not reached" in told["warnings"][0]
    assert told["wandb"]["mode"] == "offline"
    assert told["wandb"]["lacks"] == []
    (file,) = offline(project)
    assert wandb_file.last_step(file) == 20


def test_two_exporters_of_one_study_are_refused(ran: Project) -> None:
    run = Ledger(ran).find("@last").run
    lock = locks.take(ran.run_dir(run) / "export" / "lock")
    assert lock is not None
    done = toy.assay(ran.root, "wandb", "follow", run, "--tensorboard")
    os.close(lock)
    assert done.returncode == 75
    assert "is being exported" in done.stderr


def test_a_run_that_is_being_written_is_not_sent(project: Project) -> None:
    """W&B would mark its file as sent, and what comes after the mark would never be."""
    toy.assay(project.root, "run", "toy", "--wandb", "offline", check=True)
    reading.settled(project)
    folder = project.run_dir(Ledger(project).find("@last").run)
    listed = ("wandb", "sync", "--dry-run", "--json")
    lock = locks.take(folder / "wandb" / "lock")
    assert lock is not None
    busy = toy.assay(project.root, *listed, check=True)
    os.close(lock)
    free = toy.assay(project.root, *listed, check=True)
    assert json.loads(busy.stdout)["data"]["unsent"] == []
    assert json.loads(free.stdout)["data"]["unsent"] == [folder.name]


def test_nothing_switched_on_is_said(ran: Project) -> None:
    done = toy.assay(ran.root, "wandb", "follow", "@last")
    assert done.returncode == 2
    assert "--wandb auto" in done.stderr


def test_without_a_key_nothing_is_sent(project: Project) -> None:
    toy.assay(project.root, "run", "toy", "--wandb", "offline", check=True)
    reading.settled(project)
    done = toy.assay(project.root, "wandb", "sync")
    assert done.returncode == 2
    assert "wandb login" in done.stderr
