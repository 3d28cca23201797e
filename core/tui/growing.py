"""A text file that grows: what was added since the last look, as whole lines."""

from __future__ import annotations

from pathlib import Path

FIRST = 1 << 20  # bytes of the end that are shown of a file that is longer


class Growing:
    """Reads on from where it stopped; a file that shrank is read anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at: int | None = None

    def new(self) -> list[str]:
        """Whole lines that appeared since the last call."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                if self._at is None or self._at > size:
                    self._at = max(0, size - FIRST)
                    file.seek(self._at)
                    self._at += len(file.readline()) if self._at else 0  # cut in the middle
                file.seek(self._at)
                data = file.read()
        except OSError:
            return []
        whole = data.rfind(b"\n") + 1
        self._at += whole
        lines = data[:whole].decode(errors="replace").splitlines()
        return [line.rpartition("\r")[2] for line in lines]
