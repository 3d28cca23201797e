"""Segments: published events of one writer, in files that git never sees change."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from core.ledger import disk, lines
from core.project import Project, work_tree

FULL = 4 << 20  # bytes after which a segment is not continued


def files(project: Project) -> Iterator[tuple[str, Path]]:
    """Name (`<series>/<ULID>.jsonl`) and path of each segment in the work tree."""
    for path in sorted((project.ledger / "segments").glob("*/*.jsonl")):
        yield f"{path.parent.name}/{path.name}", path


def series_of(project: Project, writer: str) -> str:
    """The folder in which this work tree publishes: no other one writes to it.

    Linked worktrees share the journal, so that the same unpublished event can begin a segment in
    each of them. Under one name those files would stop a merge.
    """
    tree = work_tree(project.root)
    if tree is None or tree.git_dir == project.git_dir:
        return writer
    return f"{writer}-{hashlib.sha256(tree.git_dir.name.encode()).hexdigest()[:8]}"


def publish(
    project: Project, series: str, unpublished: Sequence[bytes], tracked: Collection[str]
) -> Path | None:
    """Write lines of the journal, in its order, into segments; the last file written.

    A segment holds an unbroken piece of the writer's chain, so that a line taken out of it later
    shows. The newest one is continued while git does not know it; a name in `tracked` is never
    written to.
    """
    last = None
    for piece in _unbroken(unpublished):
        last = _continued(project, series, piece, tracked) or _begun(
            project, series, piece, tracked
        )
    return last


def _unbroken(unpublished: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The lines in pieces: each line of a piece continues the one before it."""
    piece: list[bytes] = []
    for raw in unpublished:
        if piece and lines.parse(raw)["p"] != lines.digest(piece[-1]):
            yield piece
            piece = []
        piece.append(raw)
    if piece:
        yield piece


def _continued(
    project: Project, series: str, piece: list[bytes], tracked: Collection[str]
) -> Path | None:
    own = [(name, path) for name, path in files(project) if name.startswith(f"{series}/")]
    if not own or own[-1][0] in tracked:
        return None
    old = own[-1][1].read_bytes()
    end = lines.digest(old.rpartition(b"\n")[0].rpartition(b"\n")[2])
    if not old.endswith(b"\n") or len(old) > FULL or end != lines.parse(piece[0])["p"]:
        return None
    disk.replace(own[-1][1], old + _text(piece))
    return own[-1][1]


def _begun(project: Project, series: str, piece: list[bytes], tracked: Collection[str]) -> Path:
    first = lines.parse(piece[0])["id"]
    name, number = f"{series}/{first}.jsonl", 1
    # Taken only when somebody damaged the file of that name, so that its events do not count.
    while name in tracked or (project.ledger / "segments" / name).exists():
        number += 1
        name = f"{series}/{first}-{number}.jsonl"
    path = project.ledger / "segments" / name
    disk.replace(path, _text(piece))
    return path


def _text(piece: list[bytes]) -> bytes:
    return b"".join(raw + b"\n" for raw in piece)
