"""A whole small project for tests: a git repository whose only task is the toy, torch-free."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from core import project
from core.project import Project

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def build(folder: Path, *, git: bool = True) -> Project:
    """A project in `folder`, one commit old when `git`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("toytask.py", "toywork.py"):
        shutil.copy(HERE / name, folder / name)
    (folder / "registry.yaml").write_text("tasks:\n  toy: toytask:task\n")
    (folder / ".gitignore").write_text("runs/\n__pycache__/\n.assay/\n")
    if git:
        run_git(folder, "init", "-q", "-b", "main")
        run_git(folder, "config", "user.name", "Toy")
        run_git(folder, "config", "user.email", "toy@example.org")
        commit(folder, "begin")
    return project.find(folder)


def run_git(folder: Path, *words: str) -> str:
    """Output of a git command."""
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    """Commit everything; the new commit's id."""
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-qm", message, "--allow-empty")
    return run_git(folder, "rev-parse", "HEAD")


def assay(folder: Path, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "core.cli", "-C", str(folder), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=check,
        stdin=subprocess.DEVNULL,
    )
