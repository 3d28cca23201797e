"""The few marks that charts are made of, as text; the size of a chart, and its ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDE, HIGH = 440, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 8, 26


def whole(high: float, title: str, parts: Sequence[str], wide: float = WIDE) -> str:
    """A picture of this size. One wider than the page's columns scrolls sideways on a phone."""
    room = f"min-width:{wide * 0.75:.0f}px;" * (wide > WIDE) + f"max-width:{wide * 1.2:.0f}px"
    head = f'<svg class="chart" viewBox="0 0 {wide:g} {high:g}" role="img" style="{room}">'
    return f"{head}<title>{escape(title)}</title>{''.join(parts)}</svg>"


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A line of a class."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(x: float, y: float, words: str, anchor: str) -> str:
    """Words at a place; `anchor`: start, middle or end."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def path(points: Sequence[tuple[float, float]]) -> str:
    """Points as an attribute."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def padded(low: float, high: float) -> tuple[float, float]:
    """The ends with some room beyond."""
    room = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    return low - room, high + room


def ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers between the ends."""
    step = 10 ** math.floor(math.log10((high - low) / 3))
    step *= next(m for m in (5, 2, 1) if (high - low) / (m * step) >= 3)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def number(value: float) -> str:
    """A label of an axis."""
    return f"{value:.3g}" if value else "0"
