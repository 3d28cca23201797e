"""Which tasks there are: lines of registry.yaml, then entry points; imported when asked for."""

from __future__ import annotations

import importlib
import sys
import traceback
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from core import strict_yaml
from core.contract import Task
from core.errors import AssayError, unknown
from core.project import REGISTRY, Project

GROUP = "assay.tasks"  # entry points of installed plug-ins


@dataclass(frozen=True)
class Line:
    """Where a task comes from."""

    name: str
    use: str  # "module:attribute"
    origin: str  # registry.yaml, or the distribution that brings it
    defaults: dict[str, Any] = field(
        default_factory=dict
    )  # paths and site settings of this checkout


@dataclass(frozen=True)
class Registry:
    """The tasks of a project by name."""

    lines: dict[str, Line]

    def line(self, name: str) -> Line:
        """The registered line, or an error with the closest name."""
        if name not in self.lines:
            raise unknown("task", name, self.lines, where=REGISTRY)
        return self.lines[name]

    def find(self, name: str) -> Task[Any]:
        """The task of this name, imported now."""
        line = self.line(name)
        task = resolve(line.use)
        if task.name != name:
            raise AssayError(
                f"{line.use} names itself '{task.name}', registered as '{name}'",
                f"Use one name in {line.origin} and in the Task",
                code="broken_task",
            )
        return task


def load(project: Project) -> Registry:
    """Read the registry of a project; its root becomes importable."""
    if str(project.root) not in sys.path:
        sys.path.insert(0, str(project.root))
    lines = file_lines(project.root)
    for point in entry_points(group=GROUP):
        origin = point.dist.name if point.dist else "an entry point"
        if point.name in lines:
            raise AssayError(
                f"task '{point.name}' is registered by {lines[point.name].origin} and by {origin}",
                "Remove or rename one of them",
                code="broken_registry",
            )
        lines[point.name] = Line(point.name, point.value, origin)
    return Registry(lines)


def file_lines(root: Path) -> dict[str, Line]:
    """The lines of the registry file in `root`, by name; nothing is imported."""
    return {name: _line(name, given) for name, given in _part(root, "tasks").items()}


def review(root: Path) -> dict[str, Any]:
    """What the registry file says of W&B and TensorBoard; core.export.settings reads it."""
    return _part(root, "review")


def _part(root: Path, key: str) -> dict[str, Any]:
    content = strict_yaml.read(root / REGISTRY)
    part = content.get(key) or {}
    if set(content) - {"tasks", "review"} or not isinstance(part, dict):
        raise AssayError(
            f"{REGISTRY} is not a mapping with the keys 'tasks' and, if you like, 'review'",
            "Write `tasks: {name: module:attribute}`",
            code="broken_registry",
        )
    return dict(part)


def _line(name: str, given: Any) -> Line:
    use, defaults = (
        (given.get("use"), given.get("defaults")) if isinstance(given, dict) else (given, {})
    )
    extra = set(given) - {"use", "defaults"} if isinstance(given, dict) else set()
    if (
        not isinstance(use, str)
        or use.count(":") != 1
        or extra
        or not isinstance(defaults or {}, dict)
    ):
        raise AssayError(
            f"{REGISTRY}, task '{name}': {given!r} is not module:attribute",
            "Write `name: tasks.name:task`, or {use: ..., defaults: {...}}",
            code="broken_registry",
        )
    return Line(name, use, REGISTRY, dict(defaults or {}))


def resolve(use: str) -> Task[Any]:
    """Import `module:attribute` and check that it is a Task.

    Raises:
        AssayError: the import failed, with the exception and its place in the plug-in.
    """
    module, _, attribute = use.partition(":")
    try:
        task = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        first_line = (str(error).splitlines() or [""])[0]
        raise AssayError(
            f"{use} does not import: {type(error).__name__}: {first_line} "
            f"({last.filename}:{last.lineno})",
            "Mend the plug-in or remove its line from the registry",
            code="broken_task",
        ) from error
    if not isinstance(task, Task):
        raise AssayError(f"{use} is a {type(task).__name__}, not a Task", code="broken_task")
    return task
