"""What a person sees of a study while it runs."""

import sys

import pytest

from core.cli.progress import Board
from core.ledger import Ledger
from core.project import Project
from tests.study import running
from tests.study.conftest import Write


def test_one_line_a_run_with_what_is_left(
    project: Project, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    made = running.here(project, write("kind: seeds\nseeds: [4, 5]\nconfig: {total_steps: 2}"))
    error = {r.seed: r.metrics["error"].value for r in running.records(project)}
    board = Board(Ledger(project), ["error"])
    board.begin(3)
    for event in made.journal():
        board.event(event)
    board.event({"kind": "refused", "trial": 7, "why": "too large"})
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == f"[1/3] baseline seed 4  finished  error {error[4]:.4g}  0s left"
    assert second.startswith(f"[2/3] baseline seed 5  finished  error {error[5]:.4g}")
    assert third == "[3/3] trial 7  too large"


def test_a_terminal_gets_a_bar_that_lines_push_down(
    project: Project,
    write: Write,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = running.here(project, write("kind: single\nconfig: {total_steps: 2}"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    board = Board(Ledger(project), ["error"])
    board.begin(2)
    board.tick()
    board.event(made.journal()[-1])
    board.tick()
    board.close()
    *_, drawn = capsys.readouterr().err.split("\n")
    assert "━━━━━━━━━━━━────────────" in drawn
    assert "1/2" in drawn
    assert drawn.endswith("\r\x1b[K")
