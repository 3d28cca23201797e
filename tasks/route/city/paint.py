"""The picture of a city: land, parcels, buildings, roads, trees and their shadows, as uint8 RGB."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from tasks.route.city.streets import PITCH, WIDTHS, Streets

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LAND = np.array([[104, 112, 78], [136, 126, 98], [86, 98, 66], [150, 142, 118]], np.float32)
ROOFS = np.array([[150, 90, 74], [170, 164, 156], [112, 110, 112], [198, 190, 178], [96, 84, 78]])
ASPHALT = np.array([112, 112, 114], np.float32)
SUN = (0.55, 0.8)  # shadows fall right and down: pixels for a pixel of height


class Roads(NamedTuple):
    """Rasters of the streets, H W."""

    mask: Bytes  # 0 or 255
    skeleton: Bytes  # centre lines one pixel wide
    primary: Bytes


def rasters(streets: Streets, height: int, width: int, widths: tuple[int, int, int]) -> Roads:
    """Draw every street at the width of its rank, and its centre line."""
    drawn = []
    at = np.rint(streets.xy).astype(int).tolist()  # Pillow would cut fractions off: half a pixel
    for ranks, wide in (((0, 1, 2), widths), ((0, 1, 2), (1, 1, 1)), ((2,), widths)):
        image = Image.new("L", (width, height))
        pen = ImageDraw.Draw(image)
        for rank in ranks:
            size = wide[rank]
            for a, b in streets.edges[streets.rank == rank]:
                (x0, y0), (x1, y1) = at[a], at[b]
                pen.line((x0, y0, x1, y1), fill=255, width=size)
                if size > 2:  # round joints
                    r = (size - 1) / 2
                    pen.ellipse((x1 - r, y1 - r, x1 + r, y1 + r), fill=255)
                    pen.ellipse((x0 - r, y0 - r, x0 + r, y0 + r), fill=255)
        drawn.append(np.asarray(image).copy())
    return Roads(*drawn)


def widths(scale: float) -> tuple[int, int, int]:
    """Road widths in pixels, at least 2."""
    minor, secondary, primary = (max(2, round(w * scale)) for w in WIDTHS)
    return minor, secondary, primary


def picture(
    streets: Streets, roads: Roads, rng: np.random.Generator, *, pitch: float, occlusion: float
) -> Bytes:
    """H W 3. `occlusion` is the share of trees that may stand over a road."""
    height, width = roads.mask.shape
    free = ndimage.distance_transform_edt(roads.mask == 0)  # pixels to the nearest road
    size = pitch / PITCH
    ground = _land(height, width, rng, pitch)
    image = Image.fromarray(_bytes(ground))
    shade = Image.new("L", (width, height))
    _car_parks(image, free, rng, size)
    _asphalt(image, roads, rng, size)
    _buildings(image, shade, free, rng, size)
    _dashes(image, streets, size)
    _trees(image, shade, free, rng, size, occlusion)
    light = 1 - 0.45 * ndimage.uniform_filter(np.asarray(shade, np.float32) / 255, 3)
    light *= 1 - 0.25 * smooth_noise(rng, height, width, 5 * pitch) ** 2  # clouds
    lit = np.asarray(image, np.float32) * light[..., None]
    lit += rng.integers(-6, 7, (height, width, 1)).astype(np.float32)  # the sensor
    return _bytes(ndimage.gaussian_filter(lit, (0.6, 0.6, 0)))


def _land(height: int, width: int, rng: np.random.Generator, pitch: float) -> Floats:
    """Blended soils with parcels of their own tone."""
    share = [smooth_noise(rng, height, width, c * pitch) for c in (2.3, 1.1, 0.5)]
    soil = LAND[0] + share[0][..., None] * (LAND[1] - LAND[0])
    soil += share[1][..., None] * 0.7 * (LAND[2] - soil) + share[2][..., None] * 0.3 * (
        LAND[3] - soil
    )
    cell = max(4, int(pitch / 4))
    tone = rng.integers(-14, 15, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
    parcels = tone[np.arange(height)[:, None] // cell, np.arange(width) // cell]
    land: Floats = soil + parcels
    return land


def _asphalt(image: Image.Image, roads: Roads, rng: np.random.Generator, size: float) -> None:
    height, width = roads.mask.shape
    tone = 34 * (smooth_noise(rng, height, width, 120 * size) - 0.5) + 14 * (
        smooth_noise(rng, height, width, max(3, 9 * size)) - 0.5
    )
    road = ASPHALT + tone[..., None] - 16 * (roads.primary > 0)[..., None]
    image.paste(Image.fromarray(_bytes(road)), mask=Image.fromarray(roads.mask))


def _car_parks(
    image: Image.Image, free: NDArray[np.float64], rng: np.random.Generator, size: float
) -> None:
    """Grey rectangles that are no roads: colour alone does not tell."""
    pen = ImageDraw.Draw(image)
    for x, y in _places(free, rng, share=0.25, cell=PITCH * size, away=22 * size):
        grey = int(rng.integers(98, 128))
        corners = _rectangle(x, y, 15 * size, rng.uniform(9, 15) * size, rng)
        pen.polygon(corners, fill=(grey, grey, grey + 2))


def _buildings(
    image: Image.Image,
    shade: Image.Image,
    free: NDArray[np.float64],
    rng: np.random.Generator,
    size: float,
) -> None:
    """Rotated boxes with two-tone roofs, clear of the road, and the shadows that they throw."""
    pen, dark = ImageDraw.Draw(image), ImageDraw.Draw(shade)
    for x, y in _places(free, rng, share=0.75, cell=30 * size, away=14 * size):
        corners = _rectangle(x, y, rng.uniform(7, 10) * size, rng.uniform(4.5, 8) * size, rng)
        fall = rng.uniform(4, 11) * size
        dark.polygon([(px + SUN[0] * fall, py + SUN[1] * fall) for px, py in corners], fill=255)
        roof = ROOFS[rng.integers(len(ROOFS))] + rng.integers(-12, 13, 3)
        pen.polygon(corners, fill=tuple(int(c) for c in roof))
        half = [corners[0], corners[1], _mid(corners[1], corners[2]), _mid(corners[0], corners[3])]
        pen.polygon(half, fill=tuple(int(c) for c in np.minimum(255, roof + 18)))
        dark.polygon(corners, fill=0)  # a roof is above its own shadow


def _dashes(image: Image.Image, streets: Streets, size: float) -> None:
    """Light dashes along the middle of primary roads: every fourth piece."""
    if size < 0.5:
        return
    pen = ImageDraw.Draw(image)
    for a, b in streets.edges[streets.rank == 2][::4]:
        (x0, y0), (x1, y1) = streets.xy[a], streets.xy[b]
        pen.line((x0, y0, x1, y1), fill=(198, 196, 184), width=max(1, round(size)))


def _trees(
    image: Image.Image,
    shade: Image.Image,
    free: NDArray[np.float64],
    rng: np.random.Generator,
    size: float,
    occlusion: float,
) -> None:
    pen, dark = ImageDraw.Draw(image), ImageDraw.Draw(shade)
    height, width = free.shape
    for x, y in _places(free, rng, share=0.5, cell=22 * size, away=0):
        radius = rng.uniform(2.2, 5.5) * size
        hides = rng.random() < occlusion
        near = free[min(height - 1, round(y)), min(width - 1, round(x))]
        if not hides and near < 2 * radius + 2:
            continue
        fall = radius * 1.1
        box = (x - radius, y - radius, x + radius, y + radius)
        dark.ellipse(tuple(c + fall * SUN[i % 2] for i, c in enumerate(box)), fill=190)
        green = 52 + int(rng.integers(0, 34))
        pen.ellipse(box, fill=(green - 12, green + 16, green - 20))
        small = tuple(
            c * 0.45 + m * 0.55 - 0.2 * radius for c, m in zip(box, (x, y) * 2, strict=True)
        )
        pen.ellipse(small, fill=(green + 2, green + 34, green - 8))


def _places(
    free: NDArray[np.float64], rng: np.random.Generator, *, share: float, cell: float, away: float
) -> list[tuple[float, float]]:
    """One random place in each square of side `cell`, in a share of them, `away` from roads."""
    height, width = free.shape
    rows, columns = int(height / cell) + 1, int(width / cell) + 1
    luck = rng.random((rows, columns, 3))
    places = []
    for row, column in np.argwhere(luck[..., 2] < share):
        y, x = (row + luck[row, column, 0]) * cell, (column + luck[row, column, 1]) * cell
        if y < height - 1 and x < width - 1 and free[int(y), int(x)] >= away:
            places.append((float(x), float(y)))
    return places


def _rectangle(
    x: float, y: float, a: float, b: float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Corners of a box with half sides a, b, turned to a direction of rational slope."""
    u = rng.uniform(-1, 1)
    c, s = (1 - u * u) / (1 + u * u), 2 * u / (1 + u * u)  # a unit vector without sin and cos
    return [
        (x + c * p * a - s * q * b, y + s * p * a + c * q * b)
        for p, q in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]


def _mid(p: tuple[float, float], q: tuple[float, float]) -> tuple[float, float]:
    return (p[0] + q[0]) / 2, (p[1] + q[1]) / 2


def smooth_noise(rng: np.random.Generator, height: int, width: int, cell: float) -> Floats:
    """Smooth noise in [0, 1]: random values `cell` pixels apart, eased between."""
    grid = rng.random((int(height / cell) + 2, int(width / cell) + 2), dtype=np.float32)

    def between(n: int) -> tuple[NDArray[np.int64], Floats]:
        at = np.arange(n, dtype=np.float32) / np.float32(cell)
        low = at.astype(np.int64)
        f = at - low
        return low, f * f * (3 - 2 * f)

    (y, fy), (x, fx) = between(height), between(width)
    rows = grid[y] + fy[:, None] * (grid[y + 1] - grid[y])
    smooth: Floats = rows[:, x] + fx * (rows[:, x + 1] - rows[:, x])
    return smooth


def _bytes(values: NDArray[np.floating]) -> Bytes:
    """Rounded by way of 1/8 steps, so that a last bit of a blur cannot turn a grey level."""
    return np.clip(np.floor(np.round(values * 8) / 8 + 0.5), 0, 255).astype(np.uint8)
