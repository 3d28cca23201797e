"""Where things are: the checkout that assay works in. Reads two small files, starts no git."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from core.errors import AssayError

REGISTRY = "registry.yaml"


@dataclass(frozen=True)
class Project:
    """A checkout: its work tree and this clone's own store."""

    root: Path  # the folder with registry.yaml
    store: Path  # <git common dir>/assay, or <root>/.assay outside git
    git_dir: Path | None  # the git common dir; None outside git

    @property
    def runs(self) -> Path:
        """Run folders, ignored by git."""
        return self.root / "runs"

    @property
    def ledger(self) -> Path:
        """The shared part of the ledger, committed like any file."""
        return self.root / "ledger"

    def run_dir(self, run: str) -> Path:
        """The folder of one run."""
        return self.runs / run


def find(start: Path | None = None) -> Project:
    """The project that holds `start` (default: the working directory)."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / REGISTRY).is_file():
            git_dir = common_dir(folder)
            return Project(
                folder, (git_dir or folder / ".") / ("assay" if git_dir else ".assay"), git_dir
            )
    raise AssayError(
        f"no {REGISTRY} in {here} or above it",
        "Run assay inside a checkout that has one, or pass --project DIR",
        code="no_project",
    )


def writer(store: Path) -> str:
    """8 hex digits that stand for this clone: in segment names, and in the ref of its snapshots.

    Made at random on first use; of two processes that make it at once, one wins for both.
    """
    path = store / "writer"
    if not path.exists():
        store.mkdir(parents=True, exist_ok=True)
        mine = store / f".writer.{os.getpid()}"
        mine.write_text(os.urandom(4).hex())
        with contextlib.suppress(FileExistsError):
            os.link(mine, path)
        mine.unlink()
    return path.read_text()


def common_dir(folder: Path) -> Path | None:
    """The git folder that all worktrees of the repository share; None outside git."""
    here = work_tree(folder)
    if here is None:
        return None
    shared = here.git_dir / "commondir"
    return (
        (here.git_dir / shared.read_text().strip()).resolve() if shared.is_file() else here.git_dir
    )


class WorkTree(NamedTuple):
    """A checkout as git sees it."""

    top: Path
    git_dir: Path  # its own: HEAD and index; not what other worktrees share


def work_tree(folder: Path) -> WorkTree | None:
    """The work tree that holds a folder; None outside git."""
    for top in (folder, *folder.parents):
        dot = top / ".git"
        if dot.is_file():  # a linked worktree or a submodule: "gitdir: <path>"
            dot = (top / dot.read_text().removeprefix("gitdir:").strip()).resolve()
        if (dot / "HEAD").is_file():
            return WorkTree(top, dot)
    return None
