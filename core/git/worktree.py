"""Detached worktrees of recorded commits, below this clone's store."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.errors import AssayError
from core.git.plumbing import Plumbing, Refused
from core.project import Project


def checkout(project: Project, commit: str, name: str) -> Path:
    """A worktree of `commit`; the folder of the project inside it.

    Raises:
        AssayError: the commit is not in this clone, or the folder cannot be made.
    """
    git = Plumbing(project.root)
    if git.maybe("cat-file", "-e", f"{commit}^{{commit}}") is None:
        raise AssayError(
            f"commit {commit} is not in this clone",
            "Fetch it from the clone that made it: git fetch <remote> 'refs/assay/*:refs/assay/*'",
            code="no_commit",
        )
    folder = project.store / "worktrees" / name
    remove(project, name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    git("worktree", "add", "--detach", str(folder), commit)
    top = Path(git("rev-parse", "--show-toplevel")).resolve()
    return folder / project.root.resolve().relative_to(top)


def remove(project: Project, name: str) -> None:
    """Take a worktree away, also one that a crash left half made."""
    git = Plumbing(project.root)
    folder = project.store / "worktrees" / name
    if folder.exists():
        try:
            git("worktree", "remove", "--force", str(folder))
        except Refused:
            shutil.rmtree(folder, ignore_errors=True)
    git("worktree", "prune")


def diff(project: Project, a: str, b: str, *, stat: bool = True) -> str:
    """`git diff` between two recorded commits, as a summary or whole."""
    return Plumbing(project.root)("diff", *(["--stat=100"] if stat else []), a, b, "--")
