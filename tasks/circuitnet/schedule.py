"""The learning rate of a step."""

from __future__ import annotations

import math

from tasks.circuitnet.config import CircuitnetConfig


def rate(cfg: CircuitnetConfig, step: int) -> float:
    """The rate of update `step` (1, 2, ...): one cosine without warm-up, then `qat_lr`.

    Source: CosineRestartLr of CircuitNet with one period, whose iterations count from 0.
    """
    if step > cfg.float_steps:
        return cfg.qat_lr
    turn = math.cos(math.pi * (step - 1) / cfg.max_iters)
    return cfg.min_lr + 0.5 * (cfg.lr - cfg.min_lr) * (1 + turn)
