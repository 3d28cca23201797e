"""Segments: published events of one writer, in files that git never sees change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from core.ledger import disk, lines
from core.project import Project

FULL = 4 << 20  # bytes after which a segment is not continued


def files(project: Project) -> Iterator[tuple[str, Path]]:
    """Name (`<writer>/<ULID>.jsonl`) and path of each segment in the work tree."""
    for path in sorted((project.ledger / "segments").glob("*/*.jsonl")):
        yield f"{path.parent.name}/{path.name}", path


def publish(
    project: Project, writer: str, unpublished: Sequence[bytes], tracked: Collection[str]
) -> Path | None:
    """Write lines of the journal, in its order, into segments; the last file written.

    A segment holds an unbroken piece of the writer's chain, so that a line taken out of it later
    shows. The newest one is continued while git does not know it; a name in `tracked` is never
    written to.
    """
    last = None
    for piece in _unbroken(unpublished):
        last = _continued(project, writer, piece, tracked) or _begun(
            project, writer, piece, tracked
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
    project: Project, writer: str, piece: list[bytes], tracked: Collection[str]
) -> Path | None:
    own = [(name, path) for name, path in files(project) if name.startswith(f"{writer}/")]
    if not own or own[-1][0] in tracked:
        return None
    old = own[-1][1].read_bytes()
    end = lines.digest(old.rpartition(b"\n")[0].rpartition(b"\n")[2])
    if not old.endswith(b"\n") or len(old) > FULL or end != lines.parse(piece[0])["p"]:
        return None
    disk.replace(own[-1][1], old + _text(piece))
    return own[-1][1]


def _begun(project: Project, writer: str, piece: list[bytes], tracked: Collection[str]) -> Path:
    first = lines.parse(piece[0])["id"]
    name, number = f"{writer}/{first}.jsonl", 1
    # Taken only when somebody damaged the file of that name, so that its events do not count.
    while name in tracked or (project.ledger / "segments" / name).exists():
        number += 1
        name = f"{writer}/{first}-{number}.jsonl"
    path = project.ledger / "segments" / name
    disk.replace(path, _text(piece))
    return path


def _text(piece: list[bytes]) -> bytes:
    return b"".join(raw + b"\n" for raw in piece)
