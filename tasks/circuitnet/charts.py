"""Charts that only this task needs: bars with intervals, a labelled matrix, a scatter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.kit.figure import BASELINE, canvas, save

LEAST = 0.02  # of a quality: less of a difference is not blown up


class Bar(NamedTuple):
    """A number with its interval."""

    name: str
    value: float
    low: float
    high: float


def bars(path: Path, groups: Mapping[str, Sequence[Bar]], *, label: str, title: str) -> Path:
    """Horizontal bars from zero, one panel a group, on one scale; whiskers are the intervals."""
    rows = max(map(len, groups.values()))
    figure = canvas(4.2 * len(groups), 1.4 + 0.24 * rows)
    first = None
    for i, (name, given) in enumerate(groups.items(), 1):
        axes = figure.add_subplot(1, len(groups), i, sharex=first)
        first = first or axes
        place = np.arange(len(given))
        value = np.array([b.value for b in given])
        reach = np.array([[b.value - b.low for b in given], [b.high - b.value for b in given]])
        axes.barh(place, value, xerr=reach, color=f"C{i - 1}", height=0.7, ecolor="0.25")
        axes.axvline(0, color=BASELINE, linewidth=1)
        axes.set_yticks(place, [b.name for b in given])
        axes.set_ylim(len(given) - 0.4, -0.6)
        axes.locator_params(axis="x", nbins=5)
        axes.set(xlabel=label, title=name)
        axes.grid(alpha=0.25, axis="x")
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return save(figure, path)


def matrix(
    path: Path,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    label: str,
    title: str,
) -> Path:
    """A table of numbers as colours with the numbers written in; NaN cells stay empty."""
    figure = canvas(1.9 + 0.82 * len(columns), 1.6 + 0.4 * len(rows))
    axes = figure.add_subplot()
    image = axes.imshow(values, cmap="viridis", aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    low, high = np.nanmin(values), np.nanmax(values)
    for (y, x), value in np.ndenumerate(values):
        if value == value:
            dark = value < low + 0.6 * (high - low)
            ink = "white" if dark else "black"
            axes.text(x, y, f"{value:.3f}", ha="center", va="center", color=ink, fontsize=7)
    figure.colorbar(image, ax=axes, label=label)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return save(figure, path)


class Point(NamedTuple):
    """A named place; `size` is drawn as area, `reach` as a whisker (low, high) along y."""

    name: str
    x: float
    y: float
    size: float
    group: str
    reach: tuple[float, float] | None = None


def scatter(path: Path, points: Sequence[Point], *, x_label: str, y_label: str, title: str) -> Path:
    """Named points, coloured by group; x begins at 0, and y spans LEAST at the least."""
    figure = canvas(7.5, 4.8)
    axes = figure.add_subplot()
    far, middle = max(p.x for p in points), float(np.median([p.y for p in points]))
    for i, group in enumerate(dict.fromkeys(p.group for p in points)):
        some = [p for p in points if p.group == group]
        at = [p.x for p in some], [p.y for p in some]
        axes.scatter(*at, [20 + 180 * p.size for p in some], f"C{i}", alpha=0.6, label=group)
        for p in some:
            if p.reach:
                axes.vlines(p.x, *p.reach, color=f"C{i}", linewidth=1)
            left = p.x > 0.6 * far  # of the point, where there is room
            offset = (-8 if left else 8, 5 if p.y >= middle else -11)
            axes.annotate(
                *(p.name, (p.x, p.y), offset),
                textcoords="offset points",
                ha="right" if left else "left",
                fontsize=7,
            )
    ends = [y for p in points for y in (p.y, *(p.reach or ()))]
    centre, half = (min(ends) + max(ends)) / 2, max(LEAST, max(ends) - min(ends)) * 0.6
    axes.set_ylim(centre - half, centre + half)
    axes.set_xlim(0, far * 1.06)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len({p.group for p in points}) < len(points):
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return save(figure, path)
