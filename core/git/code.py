"""Which code a run stands on: one digest of the paths that decide its numbers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.git.plumbing import Plumbing
from core.project import Project


def digest(git: Plumbing, tree: str, top: Path, root: Path, paths: Sequence[str]) -> str:
    """40 hex digits over the ids that code paths have in a tree.

    A path that the tree does not hold (outside the work tree, ignored, in a submodule) counts with
    its bytes on disk, so that a change of it shows all the same.
    """
    inside = {p: str((root / p).relative_to(top)) for p in paths if not Path(p).is_absolute()}
    entries = git.entries(tree, inside.values()) if inside else {}
    held = {path: entry.oid for path, entry in entries.items() if entry.kind != "commit"}
    total = hashlib.sha1(usedforsecurity=False)
    for path in sorted(paths):
        found = held.get(inside.get(path, "")) or content_digest(root, [path])
        total.update(f"{_name(path)}\0{found}\n".encode())
    return total.hexdigest()


def content_digest(root: Path, paths: Sequence[str]) -> str:
    """40 hex digits over names and bytes of code paths, for trees without git."""
    total = hashlib.sha1(usedforsecurity=False)
    for path in sorted(paths):
        for file in _files(root / path):
            name = os.fsencode(Path(_name(path)) / file.relative_to(root / path))
            total.update(name + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def _name(path: str) -> str:
    """A path as it is digested: where code lies on this machine decides no number."""
    return Path(path).name if Path(path).is_absolute() else path


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for file in sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file


def blobs(project: Project, commit: str, paths: Sequence[str] = ()) -> dict[str, str]:
    """Path from the project's root -> blob id, for files in these paths of a commit (all: none)."""
    entries = Plumbing(project.root).entries(commit, paths, "-r")
    return {path: entry.oid for path, entry in entries.items() if entry.kind == "blob"}


def moved(project: Project, commit: str, modules: Mapping[str, str]) -> list[str]:
    """Modules (path -> blob id as loaded) that are not as in the commit, or not in it.

    Files that git ignores do not count. Where git filters bytes on their way in or out (line ends,
    a clean filter) the loaded bytes may be either side's.
    """
    held = blobs(project, commit, list(modules)) if modules else {}
    suspects = [path for path, blob in modules.items() if held.get(path) != blob]
    if not suspects:
        return []
    git = Plumbing(project.root, {"GIT_LITERAL_PATHSPECS": "1"})
    shown = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *suspects)
    counted = held.keys() | set(shown.split("\0"))
    return sorted(
        path
        for path in counted.intersection(suspects)
        if path not in held or not _filtered(git, commit, path, modules[path], held[path])
    )


def _filtered(git: Plumbing, commit: str, path: str, loaded: str, held: str) -> bool:
    """Whether filters alone lie between the bytes that were loaded and the blob in the commit."""
    out = git.raw("cat-file", "--filters", f"{commit}:./{path}")
    if hashlib.sha1(b"blob %d\0" % len(out) + out, usedforsecurity=False).hexdigest() == loaded:
        return True
    on_disk = git.maybe("hash-object", "--no-filters", "--", path)
    return on_disk == loaded and git.maybe("hash-object", "--", path) == held
