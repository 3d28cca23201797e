"""Curves in braille: up to a few series over their steps, with the limits of acceptance drawn in.

A letter is 2 x 4 dots. Of more points than dots the lowest and the highest of each column remain,
so no spike is lost and 100,000 points cost as little as 1,000.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from core.tui.words import colour

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # [row][column] of a letter
TONES = ("accent", "warning", "secondary", "success", "error", "primary")
FAR = 3.0  # a limit that would stretch the axis so much is only pointed at
TICKS = 3
TINY = 1e-300
POWER = 300  # of ten, from which on a label is not worked out: it may be no float
HUGE = 1e300  # from which on a value counts as not finite: differences must be

Points = tuple[Sequence[float], Sequence[float]]  # steps and values, all finite


class Series(NamedTuple):
    """A named curve; a value that is not finite is a gap."""

    name: str
    steps: Sequence[float]
    values: Sequence[float]


class Limit(NamedTuple):
    """A level that matters, and its words: `≤ 60 ms`."""

    words: str
    value: float


class Scale(NamedTuple):
    """What the axes span."""

    left: float
    right: float
    low: float
    high: float


class Curve(Widget):
    """Draws what `show` is given."""

    def __init__(self, id: str | None = None, *, empty: str = "nothing logged yet") -> None:
        super().__init__(id=id)
        self._series: list[Series] = []
        self._limits: list[Limit] = []
        self._log = False
        self._empty = empty
        self._strips: list[Strip] | None = None  # as they were drawn last
        self._drawn_for = Size()

    def show(
        self, series: Sequence[Series], limits: Sequence[Limit] = (), *, log: bool = False
    ) -> None:
        """Draw these curves; `log`: the vertical axis is logarithmic where all is above 0."""
        self._series, self._limits, self._log = list(series), list(limits), log
        self._strips = None
        self.refresh()

    def notify_style_update(self) -> None:
        """Draw in the new colours."""
        super().notify_style_update()
        self._strips = None

    def render_line(self, y: int) -> Strip:
        """One row; all are made when the first is asked for, and for a new size."""
        if self._strips is None or self._drawn_for != self.size:  # known before any Resize
            self._strips, self._drawn_for = self._drawn(*self.size), self.size
        return self._strips[y]

    def _drawn(self, width: int, height: int) -> list[Strip]:
        rows = draw(self._series, self._limits, width, height, log=self._log)
        if not rows:
            rows = [[] for _ in range(height // 2)] + [[(f" {self._empty}", "text-muted")]]
        base, theme = self.rich_style, self.app.theme_variables
        tones = {tone for row in rows for _, tone in row}
        styles = {tone: base + Style(color=colour(theme, tone) or None) for tone in tones}
        strips = [Strip([Segment(text, styles[tone]) for text, tone in row]) for row in rows]
        strips += [Strip([])] * (height - len(strips))
        return [strip.adjust_cell_length(width, base) for strip in strips]


def draw(
    series: Sequence[Series], limits: Sequence[Limit], width: int, height: int, *, log: bool = False
) -> list[list[tuple[str, str]]]:
    """Rows of (letters, tone); none where there is nothing finite to draw, or no room."""
    if height < 4 or width < 24:
        return []
    given = [(s.name, _finite(s)) for s in series]
    given = [(name, points) for name, points in given if points[0]]
    log = log and all(min(values) > 0 for _, (_, values) in given)
    if log:
        given = [(name, (xs, [math.log10(y) for y in ys])) for name, (xs, ys) in given]
        limits = [Limit(m.words, math.log10(m.value)) for m in limits if m.value > 0]
    scale = _scale([points for _, points in given], [m.value for m in limits])
    if scale is None:
        return []
    ticks = _ticks(scale, height - 1, log)
    margin = max(len(words) for words in ticks.values()) + 2
    plot = _Plot(scale, width - margin - 1, height - 1)
    for limit in limits:
        plot.level(limit)
    for number, (name, points) in enumerate(given):
        letter = name[:1] if len(given) > 1 else ""
        plot.curve(points, TONES[number % len(TONES)], letter, 2 * number)
    rows = []
    for y, row in enumerate(plot.rows()):
        axis = "┤" if y in ticks else "│"
        label = ticks.get(y, "").rjust(margin - 1)
        rows.append([(f"{label}{axis}", "text-muted"), *row])
    first, last = f"{scale.left:g}", f"{scale.right:g}"
    rule = f"{first}{'step'.center(max(0, width - margin - len(first) - len(last) - 1))}{last}"
    rows.append([(" " * margin + rule, "text-muted")])
    return rows


def _finite(series: Series) -> Points:
    """What can be drawn, by ascending steps; most curves are whole and in order already."""
    steps, values = series.steps, series.values
    whole = not values or (
        max(values) < HUGE and min(values) > -HUGE and math.isfinite(sum(values))
    )
    if whole and sorted(steps) == list(steps):
        return steps, values
    pairs = zip(steps, values, strict=True)
    good = sorted(((x, y) for x, y in pairs if abs(y) < HUGE), key=lambda pair: pair[0])
    return [x for x, _ in good], [y for _, y in good]


def _scale(curves: Sequence[Points], limits: Sequence[float]) -> Scale | None:
    """Room for all points, and for the limits that are not far away."""
    if not curves:
        return None
    left, right = min(xs[0] for xs, _ in curves), max(xs[-1] for xs, _ in curves)
    low, high = min(min(ys) for _, ys in curves), max(max(ys) for _, ys in curves)
    span = (high - low) or (abs(high) * 0.1 if abs(high) > TINY else 1.0)
    near = [v for v in limits if low - FAR * span <= v <= high + FAR * span]
    low, high = min([low, *near]), max([high, *near])
    room = 0.04 * ((high - low) or span)
    return Scale(left, right if right > left else left + 1, low - room, high + room)


def _ticks(scale: Scale, height: int, log: bool) -> dict[int, str]:
    """Row -> label: the top, the bottom, and what lies between."""
    span = scale.high - scale.low
    places = max(0, 2 - math.floor(math.log10(span))) if span > 0 else 2
    out = {}
    for n in range(TICKS if height > 5 else 2):
        row = round(n * (height - 1) / ((TICKS if height > 5 else 2) - 1))
        value = scale.high - (row + 0.5) / height * span
        if log:
            out[row] = f"{10**value:.2g}" if abs(value) < POWER else f"1e{value:+.0f}"
        else:
            out[row] = f"{value:.{min(places, 4)}f}" if abs(value) < 1e5 else f"{value:.3g}"
    return out


class _Plot:
    """A grid of letters, each with its dots and the tone of the curve that drew there last."""

    def __init__(self, scale: Scale, width: int, height: int) -> None:
        self._scale, self._width, self._height = scale, width, height
        self._dots = [[0] * width for _ in range(height)]
        self._tones = [[""] * width for _ in range(height)]
        self._words: dict[tuple[int, int], tuple[str, str]] = {}

    def _dot(self, x: float, y: float) -> tuple[int, int]:
        s = self._scale
        column = (x - s.left) / (s.right - s.left) * (self._width * 2 - 1)
        row = (s.high - y) / (s.high - s.low) * (self._height * 4 - 1)
        return round(column), round(row)

    def level(self, limit: Limit) -> None:
        """A dashed line with its words, or an arrow to where it would be."""
        s = self._scale
        share = (s.high - limit.value) / (s.high - s.low)  # of a limit far away it may be infinite
        row = round(min(max(share, -1.0), 2.0) * (self._height - 1))
        arrow = "↑ " if row < 0 else "↓ " if row >= self._height else ""
        row = min(max(row, 0), self._height - 1)
        words = f" {arrow}{limit.words} "[: self._width]
        if not arrow:
            for column in range(self._width):
                self._words.setdefault((row, column), ("╌", "warning"))
        for n, letter in enumerate(words):
            self._words[row, self._width - len(words) + n] = (letter, "warning")

    def curve(self, points: Points, tone: str, name: str, back: int) -> None:
        """A line through the points, and its letter so many columns before the end."""
        kept = [self._dot(x, y) for x, y in decimate(points, self._width * 2, self._scale)]
        for (x0, y0), (x1, y1) in zip(kept, kept[1:] or kept, strict=False):
            steps = max(abs(x1 - x0), abs(y1 - y0), 1)
            for n in range(steps + 1):
                self._set(
                    x0 + round((x1 - x0) * n / steps), y0 + round((y1 - y0) * n / steps), tone
                )
        if name and kept:
            end = kept[-1][0] - 2 * back
            x, y = next((p for p in reversed(kept) if p[0] <= end), kept[0])
            self._words[y // 4, x // 2] = (name, tone)

    def _set(self, x: int, y: int, tone: str) -> None:
        row, column = y // 4, x // 2
        self._dots[row][column] |= DOTS[y % 4][x % 2]
        self._tones[row][column] = tone

    def rows(self) -> list[list[tuple[str, str]]]:
        """Letters of one tone together."""
        out = []
        for y in range(self._height):
            row: list[tuple[str, str]] = []
            for x in range(self._width):
                bits, word = self._dots[y][x], self._words.get((y, x))
                if word and (not bits or word[0] != "╌"):
                    letter, tone = word
                else:
                    letter, tone = (chr(0x2800 + bits), self._tones[y][x]) if bits else (" ", "")
                if row and row[-1][1] == tone:
                    row[-1] = (row[-1][0] + letter, tone)
                else:
                    row.append((letter, tone))
            out.append(row)
        return out


def decimate(points: Points, columns: int, scale: Scale) -> list[tuple[float, float]]:
    """The lowest and the highest point of each column, in order; few points stay as they are."""
    xs, ys = points
    if len(xs) <= 2 * columns:
        return list(zip(xs, ys, strict=True))
    step = (scale.right - scale.left) / columns
    edges = [bisect_left(xs, scale.left + n * step) for n in range(1, columns)]
    out = []
    for begin, end in zip([0, *edges], [*edges, len(xs)], strict=True):
        if begin < end:
            part = ys[begin:end]
            ends = sorted({begin + part.index(min(part)), begin + part.index(max(part))})
            out += [(xs[n], ys[n]) for n in ends]
    return out
