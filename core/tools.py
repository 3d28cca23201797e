"""Calling a task's tools: `assay do <task> <tool>`. Every task has infer and visualise."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from core import checkpoints, plan, registry
from core.contract import Run, Task
from core.errors import AssayError, unknown
from core.ledger import Ledger
from core.project import Project
from core.run import LiveRun
from core.spec import RunSpec

Tool = Callable[..., Any]
LAX = ConfigDict(coerce_numbers_to_str=True, allow_inf_nan=False)  # a file may be called 5


def call(
    project: Project,
    task_name: str,
    tool: str,
    source: str,
    options: Mapping[str, Any],
    device: str,
    watch: Callable[[dict[str, Any]], None] | None = None,
) -> Any:
    """What the tool returns. It gets the config, a Run in a fresh folder, and its own options.

    `watch` is told its progress, as events.
    Options that the tool's signature names go to the tool, the rest to the config, whose
    `model_fields_set` are those alone. `source` is a run (`<run>`, `<run>:best`, `<run>:last`):
    its config is taken, and a tool with a parameter `ckpt` gets the path of its checkpoint.

    Raises:
        AssayError: an unknown tool or option, a value of another kind than the tool's signature
            says, or a tool that needs a checkpoint and got none.
    """
    task = registry.load(project).find(task_name)
    function = find(task, tool)
    own = dict(list(inspect.signature(function).parameters.items())[2:])
    given = _typed(function, {k: v for k, v in options.items() if k in own})
    like: dict[str, Any] = {}
    if source:
        record, path = checkpoints.of(project, Ledger(project), source)
        like = plan.like(record)
        if "ckpt" in own:
            given.setdefault("ckpt", str(path))
    needed = [n for n, p in own.items() if p.default is p.empty and n not in given]
    if needed:
        raise AssayError(
            f"{task_name} {tool} needs {', '.join(needed)}",
            "Give --run <run>" if needed == ["ckpt"] else f"Give -o {needed[-1]}=...",
        )
    rest = {k: v for k, v in options.items() if k not in own}
    spec = plan.prepare(project, task_name, **like, overrides=rest, device=device)
    spec = spec.model_copy(update={"dir": project.runs / "tools" / f"{tool}-{spec.run}"})
    whole = task.config.model_validate(spec.config)
    cfg = task.config.model_construct({key.split(".")[0] for key in rest}, **dict(whole))
    return function(cfg, _Shown(spec, task, watch), **given)


def _typed(function: Tool, given: Mapping[str, Any]) -> dict[str, Any]:
    """Option values as the tool's annotations ask for them."""
    kinds, out = typing.get_type_hints(function), {}
    for name, value in given.items():
        try:
            out[name] = TypeAdapter(kinds.get(name, Any), config=LAX).validate_python(value)
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise AssayError(
                f"-o {name}={value}: {why}", "See the task's page for its tools", code="bad_option"
            ) from error
    return out


class _Shown(LiveRun):
    """A run whose progress is told as it happens: no supervisor follows a tool's files."""

    def __init__(
        self, spec: RunSpec, task: Task[Any], watch: Callable[[dict[str, Any]], None] | None
    ) -> None:
        super().__init__(spec, task)
        self._watch = watch

    def progress(self, done: int, total: int, note: str = "") -> None:
        super().progress(done, total, note)
        if self._watch:
            self._watch({"kind": "progress", "done": done, "total": total, "note": note})


def find(task: Task[Any], tool: str) -> Tool:
    """The function of a declared tool, or of one that every task has."""
    standard = {"infer": _infer, "visualise": _visualise}
    if tool in task.tools:
        module, _, name = task.tools[tool].partition(":")
        declared: Tool = getattr(importlib.import_module(module), name)
        return declared
    if tool in standard:
        return standard[tool](importlib.import_module(task.work))
    raise unknown("tool", tool, {*task.tools, *standard}, where=f"task {task.name}")


def _infer(work: Any) -> Tool:
    def infer(cfg: Any, run: Run, *, ckpt: str, out: str = "") -> Any:
        model = work.load(cfg, Path(ckpt), run.device)
        return work.infer(cfg, model, Path(out) if out else run.dir / "infer", run)

    return infer


def _visualise(work: Any) -> Tool:
    def visualise(cfg: Any, run: Run, *, ckpt: str, out: str = "") -> Any:
        model = work.load(cfg, Path(ckpt), run.device)
        folder = Path(out) if out else run.dir / "images"
        return work.visualise(cfg, model, work.data(cfg, run), folder, run)

    return visualise
