"""Which files this process writes to, as far as Python sees it (audit events)."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_TARGET = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1}  # argument that is made
_LIBRARIES = {"__pycache__", "matplotlib"}  # caches that an import may fill
_watchers: list[set[Path]] = []


@contextlib.contextmanager
def watched() -> Iterator[set[Path]]:
    """Collect what is opened for writing, made or renamed; devices and import caches left out."""
    _listen()
    seen: set[Path] = set()
    _watchers.append(seen)
    try:
        yield seen
    finally:
        _watchers.remove(seen)


@functools.cache
def _listen() -> None:
    """Install the hook, once: Python cannot take one away again."""
    sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _watchers:
        return
    if event == "open":
        target = args[0] if args[2] & _WRITING else None
    else:
        target = args[_TARGET[event]] if event in _TARGET else None
    if isinstance(target, (str, bytes, os.PathLike)):
        path = Path(os.path.abspath(os.fsdecode(target)))
        if path.parts[1] not in ("dev", "proc") and not _LIBRARIES & set(path.parts):
            for seen in _watchers:
                seen.add(path)
