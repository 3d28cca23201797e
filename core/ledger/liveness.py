"""Whether a run lives, and where its folder is: this clone's work trees are looked through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core import locks
from core.project import Project


def alive(project: Project, run: str) -> bool:
    """Whether some process holds the lock of this run. Nothing is written."""
    return any(locks.held(root / "runs" / run / "alive") for root in _roots(project))


def folder(project: Project, run: str) -> Path | None:
    """The run's folder, in whichever work tree of this clone it ran; None when it is gone."""
    return next((f for root in _roots(project) if (f := root / "runs" / run).is_dir()), None)


def _roots(project: Project) -> Iterator[Path]:
    """The project in this work tree, then in the others that share its journal."""
    yield project.root
    if project.git_dir is None:
        return
    top = next((p for p in (project.root, *project.root.parents) if (p / ".git").exists()), None)
    inside = project.root.relative_to(top) if top else Path()
    yield project.git_dir.parent / inside
    for entry in project.git_dir.glob("worktrees/*/gitdir"):
        yield Path(entry.read_text().strip()).parent / inside
