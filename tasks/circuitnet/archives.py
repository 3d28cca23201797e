"""Unpacking the released archives: `.tar.gz`, and ones cut into parts, without a shell.

An archive may come from anywhere: members that are no plain files or folders, or that would land
outside the target, end it before anything is kept.
"""

from __future__ import annotations

import io
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from core.errors import AssayError

ARCHIVE = re.compile(r"(?P<stem>.+)\.(?:tar\.gz|tgz)(?P<part>[._-]?\w+)?")
DONE = ".unpacked"  # in the target: archives that are complete, one a line


class Archive(NamedTuple):
    """One archive: its files in order, and the folder below the source that it lies in."""

    name: str
    parts: Sequence[Path]
    place: Path

    @property
    def stamp(self) -> str:
        """Name, size and time of change of all parts, on one line."""
        about = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in self.parts]
        return f"{self.place}/{self.name} {about}"


def find(source: Path) -> list[Archive]:
    """All archives below a folder, cut ones put together by the order of their parts' names.

    Raises:
        AssayError: no folder, no archive, or an archive both whole and in parts.
    """
    if not source.is_dir():
        raise AssayError(f"no folder {source}", "Give the folder that holds the .tar.gz files")
    groups: dict[Path, list[tuple[str, Path]]] = {}
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        if found := ARCHIVE.fullmatch(path.name):
            groups.setdefault(path.parent / found["stem"], []).append((found["part"] or "", path))
    if not groups:
        raise AssayError(f"{source} holds no .tar.gz archive", "Give the folder that holds them")
    archives = []
    for stem, parts in groups.items():
        if len(parts) > 1 and not parts[0][0]:
            raise AssayError(
                f"{stem.parent} has {parts[0][1].name} whole and in parts", "Remove one of them"
            )
        parts.sort(key=lambda p: _natural(p[0]))
        archives.append(Archive(stem.name, [p for _, p in parts], stem.parent.relative_to(source)))
    return archives


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sorts part 10 after part 9, and part b after part a."""
    pieces = re.findall(r"\d+|\D+", text)
    return tuple((int(p), "") if p.isdigit() else (-1, p) for p in pieces)


def unpack(
    source: Path, out: Path, progress: Callable[[int, int, str], None] = lambda i, n, what: None
) -> tuple[int, int]:
    """Unpack every archive below `source` into the same place below `out`; (unpacked, kept).

    An archive that a former call finished is passed over; one that was cut off starts again.

    Raises:
        AssayError: an archive is damaged or incomplete, or a member is not to be trusted.
    """
    archives = find(source)
    out.mkdir(parents=True, exist_ok=True)
    log = out / DONE
    done = set(log.read_text().splitlines()) if log.exists() else set()
    todo = [a for a in archives if a.stamp not in done]
    for i, archive in enumerate(todo, start=1):
        _one(archive, out / archive.place)
        with log.open("a") as file:
            file.write(archive.stamp + "\n")
        progress(i, len(todo), archive.name)
    return len(todo), len(archives) - len(todo)


def _one(archive: Archive, target: Path) -> None:
    part = target / f".{archive.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with _joined(archive.parts) as stream, tarfile.open(fileobj=stream, mode="r|gz") as tar:
            for member in tar:
                tar.extract(_checked(member, archive), part, set_attrs=False, filter="data")
        _move_into(part, target)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise AssayError(
            f"{archive.place / archive.name}.tar.gz ({len(archive.parts)} file(s)) cannot be "
            f"unpacked: {error}",
            "Get it again, all its parts, and make room",
            code="bad_archive",
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _checked(member: tarfile.TarInfo, archive: Archive) -> tarfile.TarInfo:
    path = PurePosixPath(member.name)
    inside = not path.is_absolute() and ".." not in path.parts
    if not inside or not (member.isreg() or member.isdir()):
        raise AssayError(
            f"{archive.name}.tar.gz holds '{member.name}', which is "
            + ("no plain file" if inside else "outside the target folder"),
            "Do not trust this archive",
            code="unsafe_archive",
        )
    return member


def _move_into(part: Path, target: Path) -> None:
    """All files of a folder to the same place in another, whose files they replace."""
    for path in sorted(p for p in part.rglob("*") if p.is_file()):
        to = target / path.relative_to(part)
        to.parent.mkdir(parents=True, exist_ok=True)
        path.replace(to)


class _joined(io.RawIOBase):
    """Files read one after the other as one stream."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._rest: Iterator[Path] = iter(paths)
        self._file: io.BufferedReader | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes (all, if negative), b"" at the end."""
        found = b""
        while size < 0 or len(found) < size:
            if self._file is None:
                path = next(self._rest, None)
                if path is None:
                    break
                self._file = path.open("rb")
            more = self._file.read(size - len(found) if size >= 0 else -1)
            if not more:
                self._file.close()
                self._file = None
            found += more
        return found

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()
