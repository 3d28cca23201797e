"""One style of figure: labelled sheets of images, heat maps on a stated scale, curves with units.

matplotlib is imported inside the functions: it costs a second, and runs draw only at their end.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

Pixels = NDArray[np.uint8]

INK, PAPER = 32, 255
BAR = 18  # height of a label, pixels
GAP = 6
DPI = 150
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
    """Maps of magnitudes on one scale, with its colour bar."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    page = sheet([heat(m, limit) for m in maps], labels, columns)
    height, width = page.shape[:2]
    figure = canvas(9.0, 9.0 * height / width + 1.3)
    axes = figure.add_subplot()
    axes.imshow(page, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title, loc="left")
    scale = ScalarMappable(Normalize(0, limit), HEAT)
    figure.colorbar(scale, ax=axes, location="bottom", fraction=0.04, pad=0.02, label=unit)
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
            axes.set_yscale("log")
        if x_ticks is not None:
            axes.set_xticks(x_ticks, x_names)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    handles, names = figure.axes[0].get_legend_handles_labels()
    if any(names):
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return save(figure, path)


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
