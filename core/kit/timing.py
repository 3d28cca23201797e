"""How long a call takes: warmed up, synchronised, repeated. Hold `run.quiet()` around it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Duration(NamedTuple):
    """Wall-clock milliseconds of one call."""

    median_ms: float
    p95_ms: float


def measure(
    call: Callable[[], object], device: str = "cpu", *, warm_up: int = 10, repeats: int = 50
) -> Duration:
    """Time `call` alone, again and again, waiting for the device before and after each."""
    wait = _waiter(device)
    for _ in range(warm_up):
        call()
    times = np.empty(repeats)
    for i in range(repeats):
        wait()
        start = time.perf_counter()
        call()
        wait()
        times[i] = 1000 * (time.perf_counter() - start)
    return Duration(float(np.median(times)), float(np.percentile(times, 95)))


def _waiter(device: str) -> Callable[[], None]:
    if not device.startswith("cuda"):
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(device)
