"""A synthetic city for tests and quick runs: box houses under a moving sun, NumPy alone.

The ground is a height map seen from straight above, one cell a pixel. A frame adds three lights:
the sun (shadows by marching towards it over the height map), the sky (less where houses stand
close), and street lamps at night. Same seed and size, same bytes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float64]

LATITUDE, DECLINATION = math.radians(38.0), math.radians(14.0)
BLOCK = 12  # cells from street to street
LAMP_COLOUR = (1.3, 0.9, 0.5)


class Sun(NamedTuple):
    """Where the sun stands, in radians; azimuth from north over east."""

    elevation: float
    azimuth: float


def sun(t: float) -> Sun:
    """The sun over the city at hour t, by spherical astronomy with noon at 12."""
    angle = math.radians(15 * (t - 12))
    up = math.sin(LATITUDE) * math.sin(DECLINATION)
    up += math.cos(LATITUDE) * math.cos(DECLINATION) * math.cos(angle)
    east = -math.cos(DECLINATION) * math.sin(angle)
    north = math.cos(LATITUDE) * math.sin(DECLINATION)
    north -= math.sin(LATITUDE) * math.cos(DECLINATION) * math.cos(angle)
    return Sun(math.asin(up), math.atan2(east, north))


class City:
    """Everything that time does not change: heights, colours, how open the sky is, lamp light."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        rng = np.random.default_rng([seed, width, height])
        self.heights = np.zeros((height, width))
        colour = np.full((height, width, 3), (0.24, 0.24, 0.23))  # asphalt
        lamps = np.zeros((height, width))
        rows, columns = np.mgrid[0:height, 0:width]
        for top in range(0, height, BLOCK):
            for left in range(0, width, BLOCK):
                near = np.exp(-((rows - top) ** 2 + (columns - left) ** 2) / (2 * (BLOCK / 3) ** 2))
                lamps += near * (rng.random() < 0.5)
                if rng.random() < 0.75:
                    inset, tall = rng.integers(2, 4, size=2), rng.uniform(3, 14)
                    house = np.s_[
                        top + inset[0] : top + BLOCK - 1, left + inset[1] : left + BLOCK - 1
                    ]
                    self.heights[house] = tall
                    colour[house] = rng.uniform(0.2, 0.75, size=3)
        self.colour = colour * rng.uniform(0.8, 1.2, size=(height, width, 1))
        self.sky = _openness(self.heights)
        self.lamps = lamps * (self.heights == 0)

    def frame(self, t: float) -> NDArray[np.uint8]:
        """The view at hour t: H W 3."""
        at = sun(t)
        degrees = math.degrees(at.elevation)
        white = np.interp(degrees, [0, 40], [0, 1])  # a low sun is red
        sunlight = np.array([1.0, 0.4 + 0.5 * white, 0.1 + 0.75 * white])
        sunlight *= 2.6 * max(math.sin(at.elevation), 0)
        skylight = np.array([0.4, 0.55, 0.9]) * np.interp(degrees, [-12, 0, 25], [0.04, 0.3, 0.8])
        night = np.interp(degrees, [-5, 2], [1, 0])
        light = shadows(self.heights, at)[..., None] * sunlight
        light = light + self.sky[..., None] * skylight
        light = light + self.lamps[..., None] * night * np.array(LAMP_COLOUR)
        exposed = self.colour * light * np.interp(degrees, [-12, 0, 60], [2.0, 1.4, 0.8])
        display = (exposed / (1 + 0.5 * exposed)) ** (1 / 2.2)
        pixels: NDArray[np.uint8] = (np.clip(display, 0, 1) * 255 + 0.5).astype(np.uint8)
        return pixels


def shadows(heights: Grid, at: Sun) -> Grid:
    """Share of the sun that each cell sees, in [0, 1]; north is up."""
    if at.elevation <= 0:
        return np.zeros_like(heights)
    east, south = math.sin(at.azimuth), -math.cos(at.azimuth)
    rise = math.tan(at.elevation)
    clearance = np.full(heights.shape, np.inf)
    reach = min(heights.max() / rise + 1, sum(heights.shape))
    for step in range(1, int(reach) + 1):
        there = _shifted(heights, round(step * south), round(step * east))
        clearance = np.minimum(clearance, heights + step * rise - there)
    soft: Grid = np.clip(1 + clearance, 0, 1)  # flat ground is lit however low the sun
    return soft


def _openness(heights: Grid) -> Grid:
    """Share of the sky above each cell's horizon, from eight directions: (0, 1]."""
    blocked = np.zeros_like(heights)
    for angle in np.arange(8) * math.pi / 4:
        slope = np.zeros_like(heights)
        for step in range(1, 2 * BLOCK):
            dy, dx = round(step * math.sin(angle)), round(step * math.cos(angle))
            slope = np.maximum(slope, (_shifted(heights, dy, dx) - heights) / step)
        blocked += slope / np.sqrt(1 + slope**2) / 8
    open_: Grid = 1 - blocked
    return open_


def _shifted(heights: Grid, dy: int, dx: int) -> Grid:
    """At (y, x) the height at (y + dy, x + dx); beyond the edge flat ground."""
    out = np.zeros_like(heights)
    rows, columns = heights.shape
    if abs(dy) < rows and abs(dx) < columns:
        to = np.s_[max(0, -dy) : rows - max(0, dy), max(0, -dx) : columns - max(0, dx)]
        of = np.s_[max(0, dy) : rows + min(0, dy), max(0, dx) : columns + min(0, dx)]
        out[to] = heights[of]
    return out
