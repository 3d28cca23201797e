"""Seconds of each part of a run, from reading to drawing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

PARTS = (
    *("read", "segment", "pool", "cost", "solve_coarse", "solve_fine"),
    *("backward", "opt", "vis"),
)


class Clock:
    """Wall seconds by part, added up over a run; on a GPU, work counts where it is waited for."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, part: str, seconds: float) -> None:
        """Count seconds that were measured elsewhere."""
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - began)

    def report(self) -> dict[str, float | None]:
        """Every part in order; None: the run had no such part."""
        return {name: self.seconds.get(name) for name in PARTS}
