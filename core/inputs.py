"""Digests of a run's inputs, taken before the start; unchanged files are not read twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.contract import Task, TaskConfig
from core.errors import AssayError
from core.ledger.record import Data
from core.project import Project


def declared(project: Project, task: Task[Any], cfg: TaskConfig) -> Mapping[str, Path]:
    """What a task says it reads, absolute: as in the worker, paths start at the project's root.

    The working directory is never changed, since the screens call this in a thread.
    """
    paths = {name: project.root / value for name, value in cfg if isinstance(value, Path)}
    found = task.inputs(cfg.model_copy(update=paths))
    return {name: project.root / path for name, path in found.items()}


def digest(project: Project, task: Task[Any], cfg: TaskConfig) -> list[Data]:
    """One entry per declared input: a digest over its files' relative names and bytes.

    Raises:
        AssayError: a declared path does not exist.
    """
    cache = _Cache(project.store / "inputs.json")
    out = []
    for name, full in sorted(declared(project, task, cfg).items()):
        if not full.exists():
            raise AssayError(
                f"{task.name}: input '{name}' is not there: {full}",
                "Correct the path in the config, or make the data first",
                code="no_input",
            )
        files = _files(full)
        total = hashlib.sha256()
        for file in files:
            total.update(f"{file.relative_to(full) if full.is_dir() else ''}\0".encode())
            total.update(cache.digest(file).encode())
        size = sum(f.stat().st_size for f in files)
        out.append(Data(name=name, digest=total.hexdigest()[:32], files=len(files), bytes=size))
    cache.save()
    return out


def _files(path: Path) -> list[Path]:
    """All regular files below, sorted; hidden ones are left out."""
    if path.is_file():
        return [path]
    found = []
    for folder, names, files in os.walk(path):
        names[:] = sorted(n for n in names if not n.startswith("."))
        found += [Path(folder) / f for f in files if not f.startswith(".")]
    return sorted(found)


class _Cache:
    """sha256 by (path, size, mtime): a cache, so a broken file of it only costs time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._known: dict[str, str] = json.loads(path.read_text())
        except (OSError, ValueError):
            self._known = {}
        self._changed = False

    def digest(self, file: Path) -> str:
        stat = file.stat()
        key = f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}"
        if key not in self._known:
            self._known[key] = file_digest(file)
            self._changed = True
        return self._known[key]

    def save(self) -> None:
        if not self._changed:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        fresh.write_text(json.dumps(self._known))
        fresh.rename(self._path)


def file_digest(path: Path) -> str:
    """sha256 of one file.

    Raises:
        AssayError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise AssayError(f"{path} cannot be read: {error.strerror}", code="no_input") from error
