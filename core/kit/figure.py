"""One style of figure: labelled sheets of images, heat maps on a stated scale, curves with units.

matplotlib is imported inside the functions: it costs a second, and runs draw only at their end.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if typing.TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pixels = NDArray[np.uint8]

INK, PAPER = 32, 255
BAR = 18  # height of a label, pixels
GAP = 6
DPI = 150
PAGE, HEAD, FOOT = 9.0, 0.36, 0.62  # inches of a heat sheet: its width, title, scale
LETTER, KEY = 0.095, 0.75  # inches in a legend: a letter, the line before a name
BASELINE = "0.55"  # grey: what is compared with
HEAT = "magma"  # perceptually even, dark is small


def sheet(cells: Sequence[Pixels], labels: Sequence[str], columns: int) -> Pixels:
    """Images of one size (H W 3) in rows, each under its label."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = cells[0].shape[:2]
    rows = -(-len(cells) // columns)
    page = Image.new(
        "RGB", (columns * (width + GAP) + GAP, rows * (height + BAR) + GAP), (PAPER,) * 3
    )
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=12)
    for i, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        x, y = GAP + i % columns * (width + GAP), i // columns * (height + BAR)
        pen.text((x, y + 2), label, fill=(INK,) * 3, font=font)
        page.paste(Image.fromarray(cell), (x, y + BAR))
    pixels: Pixels = np.asarray(page)
    return pixels


def heat(values: NDArray[np.floating], limit: float) -> Pixels:
    """Magnitudes H W as colours, 0 to `limit`."""
    from matplotlib import colormaps

    colours: Pixels = (colormaps[HEAT](values / limit, bytes=True))[..., :3]
    return colours


def heat_sheet(
    path: Path,
    maps: Sequence[NDArray[np.floating]],
    labels: Sequence[str],
    *,
    columns: int,
    limit: float,
    unit: str,
    title: str,
) -> Path:
    """Maps of magnitudes on one scale, with its colour bar.

    Maps keep their pixels; words are drawn at the size of the page, whatever the maps' is.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    height, width = maps[0].shape
    inch = columns * width / PAGE  # pixels
    gap, bar = max(1, round(0.07 * inch)), max(2, round(0.24 * inch))
    rows = -(-len(maps) // columns)
    page = np.full(
        (rows * (height + bar) + gap, columns * (width + gap) + gap, 3), PAPER, dtype=np.uint8
    )
    tall = PAGE * page.shape[0] / page.shape[1]
    whole = tall + HEAD + FOOT  # inches
    figure = canvas(PAGE, whole)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, FOOT / whole, 1, tall / whole))
    for i, (values, label) in enumerate(zip(maps, labels, strict=True)):
        x, y = gap + i % columns * (width + gap), i // columns * (height + bar) + bar
        page[y : y + height, x : x + width] = heat(values, limit)
        axes.text(x - 0.5, y - 0.5 - 0.04 * inch, label, fontsize=8, va="bottom")
    axes.imshow(page, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    figure.text(gap / page.shape[1], 1 - 0.3 / whole, title, fontsize=11)
    scale = figure.add_axes((0.05, 0.45 / whole, 0.9, 0.12 / whole))
    magnitudes = ScalarMappable(Normalize(0, limit), HEAT)
    figure.colorbar(magnitudes, cax=scale, orientation="horizontal").set_label(unit, fontsize=8)
    scale.tick_params(labelsize=8)
    return save(figure, path)


class Line(NamedTuple):
    """One curve, or single points."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str = "C0"
    style: str = "-"  # a matplotlib line style; "" for points alone
    marker: str = ""


def curves(
    path: Path,
    panels: Mapping[str, Sequence[Line]],
    *,
    x_label: str,
    title: str,
    x_ticks: Sequence[float] | None = None,
    x_names: Sequence[str] | None = None,
    log: bool = False,
) -> Path:
    """One panel for each y label (with its unit), side by side; the legend is shared.

    A NaN breaks its line; a line without a name is not in the legend. `log`: the y axis is
    logarithmic. `x_names` are written at `x_ticks` in place of their numbers.
    """
    figure = canvas(4.6 * len(panels), 3.7)
    for i, (y_label, lines) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), i)
        for line in lines:
            axes.plot(
                line.x,
                line.y,
                color=line.colour,
                linestyle=line.style or "none",
                marker=line.marker,
                markersize=4,
                linewidth=1.4,
                label=line.name,
            )
        axes.set(xlabel=x_label, ylabel=y_label)
        if log:
            _logarithmic(axes)
        if x_ticks is not None:
            axes.set_xticks(x_ticks, x_names)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    handles, names = figure.axes[0].get_legend_handles_labels()
    if any(names):
        room = figure.get_figwidth() / (KEY + LETTER * max(map(len, names)))
        across = min(len(names), max(1, int(room)))
        figure.legend(handles, names, loc="outside lower center", ncols=across, frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return save(figure, path)


def _logarithmic(axes: Axes) -> None:
    """The y axis in decades, with plain numbers: 0.6, not 6 x 10^-1."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):  # which ticks have a number is up to matplotlib
        def __call__(self, x: float, pos: Any = None) -> str:
            return f"{x:g}" if super().__call__(x, pos) else ""

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(Plain())
    axes.yaxis.set_minor_formatter(Plain(minor_thresholds=(1.5, 0.5)))


def canvas(width: float, height: float) -> Figure:
    """An empty figure of that many inches, without a window system or global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)
    return path
