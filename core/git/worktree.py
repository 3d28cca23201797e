"""Detached worktrees of recorded commits, below this clone's store."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from core import locks
from core.git.plumbing import Plumbing
from core.project import Project, work_tree


@contextlib.contextmanager
def checkout(project: Project, commit: str, name: str, *, keep: bool = False) -> Iterator[Path]:
    """A worktree of `commit` for the length of a `with` block: the project's folder inside it.

    `keep` leaves it there afterwards. Those of processes that died are cleared away first.

    Raises:
        AssayError: git refused, as when the commit is not in this clone.
    """
    folder, lock = _folder(project, name), _lock(project, name)
    with locks.exclusive(project.store / "locks" / "worktrees"):
        _clear(project)
        held = locks.take(lock)
    assert held is not None  # names are ids of runs, so that nobody else asks for it
    try:
        Plumbing(project.root)("worktree", "add", "--detach", str(folder), commit)
        here = work_tree(project.root)
        assert here is not None
        yield folder / project.root.relative_to(here.top)
    finally:
        if not keep:
            remove(project, name)
        lock.unlink()
        os.close(held)


def remove(project: Project, name: str) -> None:
    """Take a worktree away, also one that a crash left half made."""
    folder = _folder(project, name)
    Plumbing(project.root).maybe("worktree", "remove", "--force", str(folder))
    if folder.exists():
        shutil.rmtree(folder)


def _clear(project: Project) -> None:
    """Remove worktrees whose lock nobody holds: their process died. A kept one has no lock."""
    for lock in sorted(_lock(project, "").parent.glob(f"{_lock(project, '').name}*")):
        held = locks.take(lock)
        if held is not None:
            remove(project, lock.name.removeprefix(_lock(project, "").name))
            lock.unlink()
            os.close(held)


def _folder(project: Project, name: str) -> Path:
    return project.store / "worktrees" / name


def _lock(project: Project, name: str) -> Path:
    return project.store / "locks" / f"worktree-{name}"
