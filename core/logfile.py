"""A run's log.txt: progress bars collapsed to their last state, size capped with head and tail."""

from __future__ import annotations

import contextlib
from collections import deque
from pathlib import Path

HEAD = 4 << 20  # bytes written as they come
TAIL = 1 << 20  # bytes kept of what follows, written when the run ends


class LogFile:
    """Takes raw output of a child and writes whole lines."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._rest = b""
        self._written = 0
        self._tail: deque[bytes] = deque()
        self._kept = 0
        self._dropped = 0

    def feed(self, data: bytes) -> None:
        """Take some output; the last, unfinished line waits."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > TAIL:  # one endless line
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._line(line.rstrip(b"\r").rpartition(b"\r")[2] + b"\n")

    def _line(self, line: bytes) -> None:
        if self._written < HEAD:
            self._write(line)
            self._written += len(line)
            return
        self._tail.append(line)
        self._kept += len(line)
        while self._kept > TAIL:
            gone = len(self._tail.popleft())
            self._kept -= gone
            self._dropped += gone

    def close(self) -> None:
        """Write what waits."""
        if self._rest:
            self.feed(b"\n")
        if self._dropped:
            self._write(f"... {self._dropped} bytes left out ...\n".encode())
        self._write(b"".join(self._tail))
        self._file.close()

    def _write(self, data: bytes) -> None:
        # A full disk ends the run by itself, with its own message; the log just stops.
        with contextlib.suppress(OSError):
            self._file.write(data)


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log, from its last 64 KiB."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 65536))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
