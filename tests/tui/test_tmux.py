"""A day's work in a real terminal: launch a search of two trials, watch it end, look, quit."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from core.ledger import Ledger
from core.project import Project
from tests import toy

pytestmark = pytest.mark.skipif(
    shutil.which("tmux") is None, reason="tmux is not here (apt-get install tmux)"
)
PATIENCE_S = 180.0
SEARCH = "task: toy\nkind: search\ntrials: 2\nsampler: random\nconfig: {total_steps: 10}\n"


class Terminal:
    """A tmux server of our own with one window."""

    def __init__(self, project: Project) -> None:
        self._socket = f"assay-{os.getpid()}-{project.root.parent.name}"
        words = [sys.executable, "-m", "core.cli", "-C", str(project.root), "tui"]
        command = f"cd {shlex.quote(str(toy.ROOT))} && {shlex.join(words)}; echo left with $?; cat"
        self.tmux("-f", os.devnull, "new-session", "-d", "-x", "120", "-y", "34", command)

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def until(self, *wanted: str) -> str:
        """Wait until the screen holds all these words."""
        deadline = time.monotonic() + PATIENCE_S
        while not all(word in (said := self.screen()) for word in wanted):
            assert time.monotonic() < deadline, f"no {wanted} in\n{said}"
            time.sleep(0.2)
        return said


@pytest.fixture
def terminal(project: Project) -> Iterator[Terminal]:
    (project.root / "studies").mkdir()
    (project.root / "studies" / "pair.yaml").write_text(SEARCH)
    made = Terminal(project)
    yield made
    made.tmux("kill-server")


def test_launch_watch_look_and_quit(project: Project, terminal: Terminal) -> None:
    terminal.until("Tasks", "toy", "none yet: l launches one")
    terminal.press("2")
    terminal.until("assay study run pair", "2 trials, 1 at a time")
    terminal.press("L")
    terminal.until("Launch?")
    terminal.press("y")
    terminal.until("pair-", "2/2", "■ finished")
    terminal.press("5")
    terminal.until("1–2 of 2", "toy/baseline")
    terminal.press("q")
    terminal.until("left with 0")
    assert [r.status for r in Ledger(project).records()] == ["finished", "finished"]
    assert {r.kind for r in Ledger(project).records()} == {"trial"}
