"""What training says to people: a line when it begins and one an epoch, kept as the run's log."""

from __future__ import annotations

import logging
import time

from core.contract import Run
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.history import History

APART_S = 1.0  # between lines: epochs may be short
say = logging.getLogger("lightmap").warning


class Told:
    """Says how far training is. Time enters nothing but these lines."""

    def __init__(self, cfg: LightmapConfig, run: Run, what: str) -> None:
        budget = run.budget
        self._epoch, self._run = cfg.steps_per_epoch, run
        limits = (budget.steps, budget.epochs and budget.epochs * self._epoch)
        self._last = min([cfg.total_steps, *(n for n in limits if n)])
        self._begun = self._said = time.monotonic()
        self._before: int | None = None  # steps of an earlier session
        say(f"{what}, {self._last} steps, {self._epoch} an epoch, on {run.device}")

    def step(self, past: History) -> None:
        """Say so when an epoch is over, and the line before is not of just now."""
        step, now = past.step, time.monotonic()
        if self._before is None:
            self._before = step - 1
        if step % self._epoch or (now - self._said < APART_S and step < self._last):
            return
        self._said = now
        parts = [f"epoch {step // self._epoch} of {-(-self._last // self._epoch)}"]
        parts += ["no usable loss" if past.latest is None else f"loss {past.latest:.3g}"]
        parts += [f"psnr {past.scores[-1][1]:.2f} dB"] if past.scores else []
        left = (self._last - step) * (now - self._begun) / (step - self._before)
        if seconds := self._run.budget.seconds:
            left = min(left, max(0.0, seconds - self._run.used_s))  # an earlier session's count
        say("  ".join([*parts, f"{left:.0f} s left"]))
