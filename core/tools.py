"""Calling a task's own tools: `assay do <task> <tool> -o key=value`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from core import checkpoints, config, plan, registry
from core.contract import Task
from core.errors import AssayError, unknown
from core.ledger import Ledger
from core.project import Project
from core.run import LiveRun


def call(
    project: Project,
    task_name: str,
    tool: str,
    source: str,
    options: Mapping[str, Any],
    device: str,
) -> Any:
    """What the tool returns. It gets the config, a Run in a fresh folder, and its own options.

    Options that the tool's signature names go to the tool, the rest to the config. `source` is a
    run (`<run>`, `<run>:best`, `<run>:last`): its config is taken, and a tool with a parameter
    `checkpoint` gets its file.

    Raises:
        AssayError: an unknown tool or option, or a tool that needs a run and got none.
    """
    task = registry.load(project).find(task_name)
    function = find(task, tool)
    own = dict(list(inspect.signature(function).parameters.items())[2:])
    given = {k: v for k, v in options.items() if k in own}
    layers = []
    if source:
        record, path = checkpoints.of(project, Ledger(project), source)
        layers = [config.Layer(f"run {record.run}", record.config)]
        if "checkpoint" in own:
            given.setdefault("checkpoint", path)
    needed = [n for n, p in own.items() if p.default is p.empty and n not in given]
    if needed:
        raise AssayError(
            f"{task_name} {tool} needs {', '.join(needed)}",
            "Give --run <run>" if "checkpoint" in needed else f"Give -o {needed[0]}=...",
        )
    rest = {k: v for k, v in options.items() if k not in own}
    spec = plan.prepare(project, task_name, layers=layers, overrides=rest, device=device)
    spec = spec.model_copy(update={"dir": project.runs / "tools" / f"{tool}-{spec.run}"})
    cfg = task.config.model_validate(spec.config)
    return function(cfg, LiveRun(spec, task), **given)


def find(task: Task[Any], tool: str) -> Callable[..., Any]:
    """The function behind a declared tool."""
    if tool not in task.tools:
        raise unknown("tool", tool, task.tools, where=f"task {task.name}")
    module, _, name = task.tools[tool].partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
