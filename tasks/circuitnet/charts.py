"""Charts that only this task needs: bars with intervals, a labelled matrix, a scatter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.kit.figure import BASELINE, canvas, save


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
        axes.invert_yaxis()
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
    """A named place; `size` is drawn as area."""

    name: str
    x: float
    y: float
    size: float
    group: str


def scatter(path: Path, points: Sequence[Point], *, x_label: str, y_label: str, title: str) -> Path:
    """Named points, coloured by group."""
    figure = canvas(7.5, 4.8)
    axes = figure.add_subplot()
    for i, group in enumerate(dict.fromkeys(p.group for p in points)):
        some = [p for p in points if p.group == group]
        sizes = [20 + 180 * p.size for p in some]
        axes.scatter(
            [p.x for p in some], [p.y for p in some], sizes, color=f"C{i}", alpha=0.6, label=group
        )
        for p in some:
            axes.annotate(p.name, (p.x, p.y), (4, 3), textcoords="offset points", fontsize=6)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, markerscale=0.5)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return save(figure, path)
