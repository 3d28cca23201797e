"""This clone's own journal: every event it ever recorded, safe from clean, checkout and reset."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core import clock, locks
from core.errors import AssayError
from core.ledger import disk, lines, payload
from core.project import writer

ROLL = 64 << 20  # bytes after which the next file begins


class Journal:
    """journal.jsonl, journal.2.jsonl, ... in the store. Many processes may append at once."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._lock = store / "locks" / "journal"

    def files(self) -> list[Path]:
        """The files that exist, oldest first."""
        out: list[Path] = []
        while (path := self._file(len(out) + 1)).exists():
            out.append(path)
        return out

    def _file(self, number: int) -> Path:
        return self._store / ("journal.jsonl" if number == 1 else f"journal.{number}.jsonl")

    def writer(self) -> str:
        """8 hex digits that stand for this clone in segment names."""
        with disk.writing(self._store):
            return writer(self._store)

    def append(self, kind: str, run: str, carried: Mapping[str, Any]) -> dict[str, Any]:
        """Record an event and give it as written; it is on the disk when this returns.

        What is `carried` gives way to the envelope's keys.

        Raises:
            Flaw: the payload cannot be part of a record; nothing is written.
            AssayError: the line is longer than 1 MiB, or cannot be written.
        """
        payload.check({**carried, "e": kind, "run": run, "t": clock.stamp()})
        with disk.writing(self._store), locks.exclusive(self._lock):
            files = self.files()
            envelope = {"v": lines.SCHEMA, "e": kind, "id": clock.ulid(), "run": run}
            event = {**carried, **envelope, "t": clock.stamp(), "p": _last_digest(files)}
            event.pop("d", None)
            line = lines.seal(event)
            event = lines.read(line[:-1])
            if len(line) > lines.MAX_LINE:
                raise AssayError(
                    f"a {kind} event of run {run} has {len(line)} bytes; a line may have "
                    f"{lines.MAX_LINE}",
                    "Keep large values as files of the run",
                    code="event_too_long",
                )
            number = max(len(files), 1)
            if files and files[-1].stat().st_size + len(line) > ROLL:
                number += 1
            _write(self._file(number), line)
        return event


def _write(path: Path, line: bytes) -> None:
    """Append in one write and fsync. A line that cannot be whole is taken back."""
    new = not path.exists()
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        data = b"\n" * torn + line
        try:
            if os.write(fd, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(fd)
        except OSError:
            with contextlib.suppress(OSError):  # readers skip a torn line anyway
                os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)
    if new:
        disk.sync_folder(path.parent)


def _last_digest(files: list[Path]) -> str:
    """The digest that the next line continues; empty for the first of all."""
    for path in reversed(files):
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            span = 0
            while span < size:
                span = min(size, max(span * 8, 1 << 13))
                file.seek(size - span)
                # A last line that lacks only its newline gets it from the next append: it counts.
                for raw in reversed(file.read().split(b"\n")):
                    if found := lines.digest(raw):
                        return found
    return ""
