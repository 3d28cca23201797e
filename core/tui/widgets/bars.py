"""Intervals as bars around a zero line: `────┊──├──●──┤`, one scale for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

LEAST = 15  # letters of a bar


class Interval(NamedTuple):
    """A difference with its bounds; they are NaN when there is none."""

    point: float
    low: float
    high: float


def bars(given: Sequence[Interval | None], width: int) -> list[str]:
    """A line for each interval; blank for None. The zero line stands in all of them."""
    width = max(width, LEAST)
    ends = [v for i in given if i for v in i if math.isfinite(v)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    span = (high - low) or 1.0
    low, high = low - 0.05 * span, high + 0.05 * span

    def place(value: float) -> int:
        return round((value - low) / (high - low) * (width - 1))

    return [_bar(one, place, width) for one in given]


def _bar(one: Interval | None, place, width: int) -> str:  # type: ignore[no-untyped-def]
    line = [" "] * width
    line[place(0.0)] = "┊"
    if one is not None and math.isfinite(one.point):
        if math.isfinite(one.low) and math.isfinite(one.high):
            first, last = place(one.low), place(one.high)
            for at in range(first, last + 1):
                line[at] = "─" if line[at] == " " else "┼"
            if last > first:
                line[first], line[last] = "├", "┤"
        line[place(one.point)] = "●"
    return "".join(line)


def judged(one: Interval | None, direction: str) -> str:
    """`better`, `worse`, or `open` when the bounds leave it so; "" without a difference."""
    if one is None or not math.isfinite(one.point):
        return ""
    low, high = (one.low, one.high) if direction == "max" else (-one.high, -one.low)
    if not (math.isfinite(low) and math.isfinite(high)):
        return "open"
    return "better" if low > 0 else "worse" if high < 0 else "open"
