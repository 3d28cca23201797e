"""Writing so that a crash leaves the old file or the new one, and a full disk one clear line."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from core.errors import AssayError


def replace(path: Path, data: bytes) -> None:
    """Put `data` at `path`: temporary file beside it, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder last."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn the system's refusal to write (full, read-only, no permission) into one clear line."""
    try:
        yield
    except OSError as error:
        raise AssayError(
            f"cannot write to {place}: {error.strerror or error}",
            "Nothing recorded before is lost. Make room or allow writing, then run it again",
            code="ledger_write",
        ) from error
