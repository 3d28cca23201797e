"""core.control: a wish to stop reaches the run's folder, wherever in this clone that is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core import clock, control, locks
from core.errors import AssayError
from core.ledger import Ledger
from core.project import Project, find
from tests import toy
from tests.ledger.conftest import started


def running(project: Project) -> tuple[str, int]:
    """A run of this work tree that somebody watches over; its id and the lock."""
    run = clock.ulid()
    fd = locks.take(project.run_dir(run) / "alive")
    assert fd is not None
    Ledger(project).append("started", run, started())
    return run, fd


def test_a_run_is_stopped_from_another_worktree(project: Project, tmp_path: Path) -> None:
    toy.run_git(project.root, "worktree", "add", "-q", "--detach", str(tmp_path / "side"))
    side = find(tmp_path / "side")
    run, fd = running(side)
    assert control.stop(project, [Ledger(project).find(run)]) == [run]
    assert (side.run_dir(run) / control.STOP).exists()
    assert not project.run_dir(run).exists()
    os.close(fd)
    with pytest.raises(AssayError, match=f"nothing to stop: {run} is lost"):
        control.stop(project, [Ledger(project).find(run)])


def test_a_run_of_another_clone_is_not_stopped_and_says_so(
    project: Project, tmp_path: Path
) -> None:
    who = ["-c", "user.name=Toy", "-c", "user.email=toy@example.org"]
    toy.run_git(tmp_path, "clone", "-q", *who, str(project.root), "peer")
    peer = find(tmp_path / "peer")
    run, fd = running(peer)
    os.close(fd)
    Ledger(peer).publish()
    toy.run_git(peer.root, "checkout", "-qb", "theirs")
    toy.run_git(peer.root, "add", "ledger")
    toy.run_git(peer.root, "commit", "-qm", "run")
    toy.run_git(project.root, "fetch", "-q", str(peer.root), "theirs:theirs")
    ledger = Ledger(project)
    ledger.refresh()
    with pytest.raises(AssayError, match=f"run {run} does not run in this clone"):
        control.stop(project, [ledger.find(run)])
