"""The real Run handle: what a task calls becomes lines, files and messages to the supervisor."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core import events, locks
from core.contract import Cancelled, Diverged, Pruned, Task
from core.errors import AssayError
from core.kit import checkpoint
from core.spec import RunSpec

if TYPE_CHECKING:
    import numpy as np

PATIENCE = 3  # non-finite losses in a row that end a run
PROGRESS_S = 0.25


class Line(Protocol):
    """What a run asks of its supervisor."""

    cancelled: threading.Event

    def ask(self, value: float, step: int) -> bool:
        """Whether the search gives the trial up at this value."""


class Pipe:
    """The line of a forked child. When it closes, the supervisor is gone and so are we."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.cancelled = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                word, value = self._pipe.recv()
            except (EOFError, OSError):
                os.killpg(os.getpgrp(), signal.SIGKILL)
            if word == "cancel":
                self.cancelled.set()
            elif word == "prune":
                self._answers.put(value)

    def ask(self, value: float, step: int) -> bool:
        """Send the value and wait for the answer."""
        self._pipe.send(("report", (value, step)))
        return self._answers.get()


class LiveRun:
    """Implements `core.contract.Run` over a run folder; without a line it works alone."""

    def __init__(self, spec: RunSpec, task: Task[Any], line: Line | None = None) -> None:
        self.id, self.dir, self.device, self.seed = spec.run, spec.dir, spec.device, spec.seed
        self.threads, self.budget = spec.threads, spec.budget
        config = task.config.model_validate(spec.config)
        self.weights: Mapping[str, float] = task.weights(config)
        self.nonfinite_steps = 0
        self._in_a_row = 0
        self._line = line
        self._locks = spec.locks
        self._metric = task.metric(task.checkpoints.best_by)
        self._torch = task.framework == "torch"
        self._keep_all = task.checkpoints.keep == "all"
        self._best: float | None = None
        self._resuming = spec.attempt > 1
        self._used_s = 0.0  # training time of earlier attempts
        self._clock: float | None = None
        self._next_progress = 0.0
        self.last_step: int | None = None  # of the last checkpoint
        self.best_step: int | None = None
        self.steps_done = 0
        self.dir.mkdir(parents=True, exist_ok=True)
        self._events = events.Writer(self.dir / events.NAME)
        self.log = self._events.log

    def phase(self, name: str) -> None:
        """Say which part of the work begins: data, train, evaluate, visualise."""
        self._events.event("phase", name=name)

    def image(self, name: str, picture: np.ndarray | Path, step: int = 0) -> Path:
        """Keep a picture under images/."""
        path = self.dir / "images" / (name if name.endswith(".png") else f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(picture, Path):
            from PIL import Image

            Image.fromarray(picture).save(path)
        elif picture.resolve() != path.resolve():
            shutil.copyfile(picture, path)
        self._events.event("image", name=name, path=str(path.relative_to(self.dir)), step=step)
        return path

    @property
    def checkpoints(self) -> Path:
        """Folder of last.ckpt and best.ckpt."""
        return self.dir / "checkpoints"

    def checkpoint(
        self, state: Mapping[str, Any], step: int, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Save last.ckpt; also best.ckpt when the judged metric improved."""
        value = (metrics or {}).get(self._metric.name)
        improved = value is not None and self._improves(value)
        if improved:
            self._best, self.best_step = value, step
        mine = {
            "used_s": self.used_s,
            "nonfinite_steps": self.nonfinite_steps,
            "best": self._best,
            "best_step": self.best_step,
        }
        last = self.checkpoints / "last.ckpt"
        kept = {"run": mine, "metrics": dict(metrics or {})}
        checkpoint.save(last, state, step, kept, torch=self._torch)
        if improved:
            _link(last, self.checkpoints / "best.ckpt")
        if self._keep_all:
            _link(last, self.checkpoints / f"step-{step:07d}.ckpt")
        self.last_step = step
        self._events.event("checkpoint", step=step, best=improved, metrics=dict(metrics or {}))

    def _improves(self, value: float) -> bool:
        if value != value:
            return False
        sign = 1 if self._metric.direction == "max" else -1
        return self._best is None or sign * value > sign * self._best

    def resume(self) -> Mapping[str, Any] | None:
        """The last checkpoint of an interrupted run; later events are superseded."""
        last = self.checkpoints / "last.ckpt"
        if not self._resuming:
            return None
        if not last.exists():
            self._events.event("resume", step=0)
            return None
        saved = checkpoint.load(last, self.device)
        mine = saved["run"]
        self._used_s, self.nonfinite_steps = mine["used_s"], mine["nonfinite_steps"]
        self._best, self.best_step = mine["best"], mine["best_step"]
        self.last_step = self.steps_done = saved["step"]
        if self.best_step == saved["step"]:  # killed between the two files of one checkpoint
            _link(last, self.checkpoints / "best.ckpt")
        self._events.event("resume", step=saved["step"])
        return saved

    def report(self, value: float, step: int) -> None:
        """Log the value a search looks at, and stop when it says so."""
        self._events.event("report", value=value if value == value else None, step=step)
        if self._line and self._line.ask(value, step):
            raise Pruned(f"given up at step {step}")

    def progress(self, done: int, total: int, note: str = "") -> None:
        """At most four lines a second, and the last one. What has a note is no step of training."""
        if not note:
            self.steps_done = max(self.steps_done, done)
        now = time.monotonic()
        if now >= self._next_progress or done == total:
            self._next_progress = now + PROGRESS_S
            self._events.event("progress", done=done, total=total, note=note)

    def training_started(self) -> None:
        """Start the budget's clock."""
        self._clock = time.monotonic()
        self._events.event("phase", name="training")

    def training_ended(self) -> None:
        """Stop the budget's clock; the worker calls it when `train` returns."""
        self._used_s, self._clock = self.used_s, None

    @property
    def used_s(self) -> float:
        """Training seconds so far, over all attempts."""
        return self._used_s + (time.monotonic() - self._clock if self._clock else 0.0)

    def out_of_budget(self, step: int) -> bool:
        """Whether training ends before this step."""
        if self._line and self._line.cancelled.is_set():
            raise Cancelled(f"asked to stop before step {step}")
        if self.budget.steps is not None and step > self.budget.steps:
            return True
        return self.budget.seconds is not None and self.used_s >= self.budget.seconds

    def loss_seen(self, finite: bool, step: int) -> None:
        """Count what is not finite; three in a row end the run."""
        if finite:
            self._in_a_row = 0
            return
        self.nonfinite_steps += 1
        self._in_a_row += 1
        if self._in_a_row >= PATIENCE:
            raise Diverged(f"{PATIENCE} non-finite losses in a row, the last at step {step}")

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Hold the host's timing lock, so that no other timing runs at the same moment."""
        with locks.exclusive(self._locks / "timing") if self._locks else contextlib.nullcontext():
            yield

    def judged(self) -> Path:
        """The checkpoint that is evaluated: best, else last.

        Raises:
            AssayError: training saved none.
        """
        for name in ("best.ckpt", "last.ckpt"):
            if (self.checkpoints / name).exists():
                return self.checkpoints / name
        raise AssayError(
            "training ended without a checkpoint",
            "Call run.checkpoint at the end of train",
            code="no_checkpoint",
        )


def _link(existing: Path, name: Path) -> None:
    """Give a file a second name, replacing an older one in one move."""
    fresh = name.with_name(f".{name.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    os.link(existing, fresh)
    fresh.rename(name)
