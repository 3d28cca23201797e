"""Lock files that the kernel releases when their holder dies. POSIX `flock` lives here alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

LOOKS = 10  # 0.5 s in all


def take(path: Path, *, wait: bool = False) -> int | None:
    """An open descriptor that holds the exclusive lock on `path`, or None when another holds it.

    The lock lives as long as any copy of the descriptor, in any process. Close it to let go.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def take_soon(path: Path) -> int | None:
    """`take`, with patience for a reader that holds the lock for the moment of `held`."""
    for _ in range(LOOKS):
        if (fd := take(path)) is not None:
            return fd
        time.sleep(0.05)
    return None


def held(path: Path) -> bool:
    """Whether somebody alive holds the lock on `path`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared: those who look at the same time do not take each other for a holder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for the lock and hold it."""
    fd = take(path, wait=True)
    assert fd is not None  # waiting always ends with the lock
    try:
        yield
    finally:
        os.close(fd)
