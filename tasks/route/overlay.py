"""Pictures of routes on the full image: exact pixels, and a preview that fits a screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from core.kit import figure
from core.kit.io import write_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom
ROAD = np.array([0, 200, 255], np.float32)  # the probability's colour
ALPHA = 0.35
PREVIEW = 2048  # longest side, pixels
FINE = 2  # pen of a picture that is looked at pixel for pixel: its 3 pixels hide no road
SOURCE = (255, 255, 255)
COLOURS = (
    (255, 64, 64),
    (255, 196, 0),
    (64, 220, 64),
    (255, 96, 255),
    (64, 160, 255),
    (255, 140, 40),
)


class Route(NamedTuple):
    """A path to one target, and what is written beside it."""

    points: NDArray[np.floating]  # N 2: (y, x) pixels, the target first; N = 0: no path
    target: tuple[int, int]
    label: str


def colour(i: int) -> tuple[int, int, int]:
    """Of the i-th target."""
    return COLOURS[i % len(COLOURS)]


def overlay(
    rgb: Pixels,
    prob: NDArray[np.floating],
    source: tuple[int, int],
    routes: Sequence[Route],
    size: int = 0,
) -> Pixels:
    """The image H W 3 under its road probability, with routes, source, targets and distances.

    `size` of the pen; 0: strokes that are seen when the whole image is on a screen.
    """
    blend = ALPHA * prob[..., None].astype(np.float32)
    tinted = rgb + blend * (ROAD - rgb)
    image = Image.fromarray(np.rint(tinted).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    size = size or max(1, round(max(rgb.shape[:2]) / 500))
    for i, route in reversed(list(enumerate(routes))):
        line = [(float(x), float(y)) for y, x in np.rint(route.points)]
        if len(line) > 1:
            pen.line(line, fill=(0, 0, 0), width=3 * size, joint="curve")
            pen.line(line, fill=colour(i), width=max(1, 2 * size - 1), joint="curve")
    pen.ellipse(_disc(source, 4 * size), fill=SOURCE, outline=(0, 0, 0))
    for i, route in enumerate(routes):
        pen.ellipse(_disc(route.target, 3 * size), fill=colour(i), outline=(0, 0, 0))
    _labels(pen, rgb.shape[:2], source, routes, size)
    return np.asarray(image)


def _disc(at: tuple[int, int], radius: int) -> Box:
    y, x = at
    return x - radius, y - radius, x + radius, y + radius


def _labels(
    pen: ImageDraw.ImageDraw,
    shape: tuple[int, ...],
    source: tuple[int, int],
    routes: Sequence[Route],
    size: int,
) -> None:
    """Each target's distances near it, where they hide neither a point nor another label."""
    font = ImageFont.load_default(size=max(11, 7 * size))
    taken = [_disc(source, 4 * size), *(_disc(route.target, 3 * size) for route in routes)]
    for i, route in enumerate(routes):
        if not route.label:
            continue
        box = pen.textbbox((0, 0), route.label, font=font)
        left, top, right, bottom = (round(edge) for edge in box)
        x, y = _free(route.target, right - left + 5, bottom - top + 5, shape, taken, size)
        taken.append((x, y, x + right - left + 5, y + bottom - top + 5))
        pen.rectangle(taken[-1], fill=(0, 0, 0))
        pen.text((x + 2 - left, y + 2 - top), route.label, fill=colour(i), font=font)


def _free(
    at: tuple[int, int],
    width: int,
    height: int,
    shape: tuple[int, ...],
    taken: list[Box],
    size: int,
) -> tuple[int, int]:
    """The upper left corner (x, y) of a free box beside a point: right below it, or near that."""
    (y, x), last = at, (shape[1] - 1 - width, shape[0] - 1 - height)
    places = []
    for ring in range(8):
        away = 4 * size + ring * height
        for px in (x + 4 * size, x - 4 * size - width, x - width // 2):
            for py in (y + away, y - away - height):
                places.append((min(max(px, 0), last[0]), min(max(py, 0), last[1])))
    for px, py in places:
        if not any(
            px <= right and left <= px + width and py <= bottom and top <= py + height
            for left, top, right, bottom in taken
        ):
            return px, py
    return places[0]


def large(picture: Pixels) -> bool:
    """Whether it is shrunk to be shown."""
    return bool(max(picture.shape[:2]) > PREVIEW)


def save(path: Path, picture: Pixels) -> Path:
    """The picture, shrunk to 2048 pixels where larger."""
    height, width = picture.shape[:2]
    if large(picture):
        scale = PREVIEW / max(height, width)
        size = (round(width * scale), round(height * scale))
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    return write_png(path, picture)


def sheet(height: int, width: int) -> tuple[float, float]:
    """Inches of a figure that holds a map of this shape, its title, axes and colour bar."""
    return 7.2, 5.2 * height / width + 0.9


def _ways(axes: Axes, source: tuple[int, int], routes: Sequence[Route]) -> None:
    """Paths and targets in their colours, edged in black to be seen on any ground; the source."""
    for i, route in enumerate(routes):
        shade = tuple(c / 255 for c in colour(i))
        if len(route.points):
            for width, ink in ((2.6, "black"), (1.4, shade)):
                axes.plot(route.points[:, 1], route.points[:, 0], color=ink, linewidth=width)
        y, x = route.target
        axes.plot(x, y, "o", color=shade, markersize=6, markeredgecolor="black")
    axes.plot(source[1], source[0], "*", color="white", markersize=11, markeredgecolor="black")


def field(
    path: Path,
    T: NDArray[np.floating],
    ds: int,
    source: tuple[int, int],
    routes: Sequence[Route],
) -> Path:
    """T on a log scale with lines of equal time; what was not reached is grey. Axes in pixels."""
    from matplotlib.colors import LogNorm

    seen = np.isfinite(T) & (T > 0)
    shown = np.where(seen, T, np.nan)
    low = max(float(ds), float(np.nanmin(shown)) if seen.any() else 1.0)
    high = max(2 * low, float(np.nanmax(shown)) if seen.any() else 2.0)
    drawing = figure.canvas(*sheet(*T.shape))
    axes = drawing.add_subplot()
    extent = (-0.5, T.shape[1] * ds - 0.5, T.shape[0] * ds - 0.5, -0.5)
    axes.set_facecolor("0.8")
    image = axes.imshow(shown, norm=LogNorm(low, high), cmap=figure.HEAT, extent=extent)
    levels = np.linspace(low, high, 14)[1:-1]  # fronts a constant time apart
    at = [np.arange(n) * ds + (ds - 1) / 2 for n in (T.shape[1], T.shape[0])]
    axes.contour(*at, shown, levels=levels, colors="white", linewidths=0.4, alpha=0.7)
    _ways(axes, source, routes)
    axes.set(xlabel="x (px)", ylabel="y (px)", title="Travel time T from the star")
    drawing.colorbar(image, ax=axes, label="T (pixels of free road)")
    return figure.save(drawing, path)


def tube(
    path: Path,
    cost: NDArray[np.floating],
    inside: NDArray[np.bool_],
    ds: int,
    source: tuple[int, int],
    routes: Sequence[Route],
) -> Path:
    """The cost of the fine grid, darkened outside the tube. Axes in pixels."""
    drawing = figure.canvas(*sheet(*cost.shape))
    axes = drawing.add_subplot()
    extent = (-0.5, cost.shape[1] * ds - 0.5, cost.shape[0] * ds - 0.5, -0.5)
    image = axes.imshow(cost, cmap="viridis_r", extent=extent)
    axes.imshow(
        np.where(inside, np.nan, 0.0), cmap="gray", alpha=0.6, extent=extent, vmin=0, vmax=1
    )
    _ways(axes, source, routes)
    share = inside.mean()
    axes.set(xlabel="x (px)", ylabel="y (px)", title=f"The tube: {share:.0%} of the grid")
    drawing.colorbar(image, ax=axes, label="cost of a pixel (1 = free road)")
    return figure.save(drawing, path)
