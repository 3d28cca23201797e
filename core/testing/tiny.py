"""One run of a task's tiny config in this process, over the real Run handle."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from core import config, events, worker
from core.config import Layer
from core.contract import Budget, Cancelled, Task, TaskConfig
from core.kit import checkpoint, seed
from core.run import LiveRun
from core.spec import RunSpec

How = Literal["cancel", "power cut"]


class Result(NamedTuple):
    """What a run gave; its folder, step count and checkpoints are those of `run`."""

    run: LiveRun
    config: TaskConfig
    metrics: dict[str, float | str]  # "NaN", "Infinity", "-Infinity" where not finite
    absent: dict[str, str]  # name -> reason
    seconds: float  # wall clock

    @property
    def series(self) -> dict[str, list[tuple[int, float | None]]]:
        """Every logged scalar as (step, value) rows; None is a value that was not finite."""
        return events.series(self.run.dir / events.NAME)

    @property
    def last(self) -> dict[str, Any]:
        """What last.ckpt holds: `step`, `state` and more."""
        return checkpoint.load(self.run.checkpoints / "last.ckpt")


class PowerCut(BaseException):
    """Ends a run as a kill would: the task has no chance to save."""


class Word:
    """The supervisor's end of a run that nobody prunes."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def ask(self, value: float, step: int) -> bool:
        """Never give up."""
        return False


class Interrupted(LiveRun):
    """A run that is cancelled, or loses its power, when the task asks whether to make `before`."""

    def __init__(self, spec: RunSpec, task: Task[Any], before: int, how: How) -> None:
        self._word, self._before, self._how = Word(), before, how
        self.asked: list[int] = []  # the steps that the task wanted to make
        self.interrupted = False  # whether that ended it
        super().__init__(spec, task, self._word)

    def out_of_budget(self, step: int) -> bool:
        """Interrupt when the step has come."""
        self.asked.append(step)
        if step >= self._before:
            if self._how == "power cut":
                raise PowerCut
            self._word.cancelled.set()
        return super().out_of_budget(step)


def tiny_config(
    task: Task[Any], variant: str | None = None, overrides: Mapping[str, Any] | None = None
) -> TaskConfig:
    """The config of `assay run <task> --tiny`: defaults, tiny, variant, overrides."""
    chosen = task.variant(variant or task.variants[0].name)
    layers = [Layer("tiny", task.tiny), Layer(f"variant {chosen.name}", chosen.set)]
    return config.resolve(task, [*layers, Layer("overrides", overrides or {})]).config


def tiny_spec(
    task: Task[Any],
    folder: Path,
    *,
    variant: str | None = None,
    seed: int = 0,
    overrides: Mapping[str, Any] | None = None,
    budget: Budget | None = None,
) -> RunSpec:
    """A run of that config in `folder`, on one CPU thread."""
    return RunSpec(
        run=folder.name,
        task=task.name,
        use="",
        variant=variant or task.variants[0].name,
        seed=seed,
        config=tiny_config(task, variant, overrides).model_dump(mode="json"),
        budget=budget or Budget(),
        dir=folder,
        root=folder,
    )


def tiny_run(task: Task[Any], folder: Path, **given: Any) -> Result:
    """Train, evaluate the judged checkpoint, draw; an error of the task comes through.

    `given`: variant, seed, overrides and budget, as for `tiny_spec`.
    """
    spec = tiny_spec(task, folder, **given)
    return finish(task, spec, LiveRun(spec, task))


def finish(task: Task[Any], spec: RunSpec, run: LiveRun) -> Result:
    """Do all of a run, as the worker does."""
    start = time.monotonic()
    cfg = begin(task, spec)
    done = worker.work(spec, task, run, worker.Laps())
    return Result(
        run=run,
        config=cfg,
        metrics={name: m["value"] for name, m in done["metrics"].items()},
        absent=done["absent"],
        seconds=time.monotonic() - start,
    )


def interrupt(task: Task[Any], spec: RunSpec, before: int, how: How) -> Interrupted:
    """Start a run and interrupt it before a step."""
    run = Interrupted(spec, task, before, how)
    begin(task, spec)
    try:
        worker.work(spec, task, run, worker.Laps())
    except (Cancelled, PowerCut):
        run.interrupted = True
    return run


def begin(task: Task[Any], spec: RunSpec) -> TaskConfig:
    """Set the generators and torch as every run finds them; its config."""
    if task.framework == "torch":
        import torch

        torch.set_num_threads(spec.threads)
    seed.everything(spec.seed)
    cfg: TaskConfig = task.config.model_validate(spec.config)
    return cfg
