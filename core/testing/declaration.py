"""Promises of the declaration: light to import, and every name leads somewhere."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from core.contract import Task, Work
from core.testing import tiny
from core.testing.promise import demand, promise
from core.testing.subject import Subject

FUNCTIONS = ("data", "train", "load", "evaluate", "infer", "visualise")
HEAVY = ("torch", "numpy", "scipy", "matplotlib", "diffusers", "transformers")


@promise
def declares_lightly(subject: Subject) -> None:
    """Importing the declaration loads no torch, NumPy or other heavy package."""
    heavy = _loads(_homes(subject.task), HEAVY)
    demand(not heavy, f"it loads {', '.join(heavy)}; import them in the work module")
    if subject.task.framework == "none":
        torch = _loads([subject.task.work], ("torch",))
        demand(not torch, f"framework is none, but {subject.task.work} loads torch")


def _homes(task: Task[Any]) -> list[str]:
    """Modules that a reader of the declaration imports: its own, and the config's."""
    package = task.config.__module__.partition(".")[0]
    ours = [n for n in sys.modules if n == package or n.startswith(f"{package}.")]
    holders = [n for n in ours if any(v is task for v in vars(sys.modules[n]).values())]
    return [task.config.__module__, *holders]


def _loads(modules: list[str], names: tuple[str, ...]) -> list[str]:
    """Which of `names` a fresh interpreter has loaded after importing `modules`."""
    code = f"import sys, {', '.join(modules)}; print(*(n for n in {names} if n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    demand(done.returncode == 0, (done.stderr.splitlines() or ["it died"])[-1])
    return done.stdout.split()


@promise
def names_resolve(subject: Subject) -> None:
    """Every name in the declaration leads to something that fits."""
    task = subject.task
    for name in FUNCTIONS:
        use = f"{task.work}:{name}"
        _call(
            inspect.signature(_function(use)).bind,
            len(inspect.signature(getattr(Work, name)).parameters) - 1,
            use,
        )
    for use in task.tools.values():
        _call(inspect.signature(_function(use)).bind_partial, 2, use)
    for model in task.models:
        _function(model.make)
    for module in (*task.evaluator, *task.preload):
        demand(importlib.util.find_spec(module) is not None, f"there is no module {module}")
    for name, path in task.inputs(tiny.tiny_config(task)).items():
        demand(path.exists(), f"the tiny config's input {name} is not there: {path}")


def _function(use: str) -> Callable[..., Any]:
    """What stands behind `module:function`."""
    module, _, name = use.partition(":")
    function = getattr(importlib.import_module(module), name, None)
    demand(callable(function), f"there is no function {use}")
    return function  # type: ignore[return-value]


def _call(bind: Callable[..., Any], places: int, use: str) -> None:
    """Try a call with that many positional values."""
    try:
        bind(*range(places))
    except TypeError as error:
        raise AssertionError(f"{use} cannot be called with {places} values: {error}") from error
