"""The learning rate of a step, as a function of what a checkpoint holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tasks.lightmap.config import LightmapConfig

FLOOR = 0.05  # where the cosine ends, as a share of the initial rate
PATIENCE = 3  # epochs


def rate(cfg: LightmapConfig, step: int, epoch_losses: Sequence[float]) -> float:
    """The rate of update `step` (1, 2, ...), given the mean losses of the epochs before it."""
    if cfg.lr_schedule == "cosine":
        done = min(1.0, (step - 1) / max(1, cfg.total_steps - 1))
        return cfg.lr * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * done)) / 2)
    if cfg.lr_schedule == "plateau":
        return cfg.lr * 0.5 ** plateaus(epoch_losses)
    return cfg.lr


def plateaus(losses: Sequence[float]) -> int:
    """How often PATIENCE epochs in a row brought no loss below all before them."""
    lowest, waited, count = math.inf, 0, 0
    for loss in losses:
        if loss < lowest:
            lowest, waited = loss, 0
            continue
        waited += 1
        if waited == PATIENCE:
            count, waited = count + 1, 0
    return count
