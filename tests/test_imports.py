"""The commands that people type all day load nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.project import Project
from tests.toy import ROOT

HEAVY = {"torch", "wandb", "optuna", "git", "textual", "numpy", "transformers"}
WRAPPER = """
import sys
from core.cli import main
try:
    main()
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def loaded(project: Project, *words: str) -> set[str]:
    """Top-level packages in a fresh process that has answered `assay <words>`."""
    done = subprocess.run(
        [sys.executable, "-c", WRAPPER, "-C", str(project.root), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "words", [["--help"], ["tasks"], ["tasks", "toy"], ["config", "toy"], ["ls"]], ids=" ".join
)
def test_a_quick_command_imports_nothing_heavy(project: Project, words: list[str]) -> None:
    assert loaded(project, *words) & HEAVY == set()


def test_our_own_tasks_are_declared_without_anything_heavy() -> None:
    from core import project

    assert loaded(project.find(ROOT), "tasks") & HEAVY == set()


def test_the_measurement_sees_a_heavy_import(project: Project) -> None:
    task = project.root / "toytask.py"
    task.write_text(f"{task.read_text()}\nimport numpy\n")
    assert "numpy" in loaded(project, "tasks")
