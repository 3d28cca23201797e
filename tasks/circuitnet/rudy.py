"""RUDY: the wire density that the bounding boxes of the nets promise.

A net with a bounding box of w x h gcells spreads (w + h) of wire evenly over it:
RUDY(gcell) = sum over nets of (1/w + 1/h) * overlap area. Spindler and Johannes, "Fast and accurate
routing demand estimation for efficient routability-driven placement", DATE 2007.

Legend: boxes are n x 4, x0 y0 x1 y1 in gcells; maps are X Y with gcell i covering [i, i + 1].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

THIN = 0.25  # gcells: a net is at least so wide and high; the official code divides by zero


class Nets(NamedTuple):
    """Pins in gcells, net by net: net i has pins[start[i] : start[i + 1]]."""

    pins: Floats  # p 2
    start: Ints  # nets + 1, rising; every net has a pin


def boxes(nets: Nets, shape: tuple[int, int]) -> Floats:
    """Bounding boxes of the nets: n 4, none thinner than THIN, all inside the die."""
    low = np.minimum.reduceat(nets.pins, nets.start[:-1])
    high = np.maximum.reduceat(nets.pins, nets.start[:-1])
    missing = np.maximum(0, THIN - (high - low)) / 2
    low, high = low - missing, high + missing
    shift = np.maximum(0, -low) - np.maximum(0, high - np.array(shape))
    return np.hstack([low + shift, high + shift])


def density(box: Floats) -> Floats:
    """1/w + 1/h of each box: n."""
    size = box[:, 2:] - box[:, :2]
    each: Floats = (1 / size).sum(1)
    return each


def rudy(box: Floats, shape: tuple[int, int]) -> Floats:
    """The map, exact up to rounding; its sum is the sum of w + h.

    A box's overlap with gcell i along one axis is r(x1 - i) - r(x0 - i) with r = clip(., 0, 1), and
    differences of r along i are the two weights of linear interpolation. So every corner of a box
    adds 2 x 2 bilinear weights, and two cumulative sums make the map: O(nets + gcells).
    """
    nx, ny = shape
    each = density(box)
    whole, part = np.floor(box).astype(np.int64), box - np.floor(box)
    cells, weights = [], []
    for cx, cy, sign in ((0, 1, 1), (2, 3, 1), (0, 3, -1), (2, 1, -1)):
        for dx in (0, 1):
            wx = part[:, cx] if dx else 1 - part[:, cx]
            for dy in (0, 1):
                wy = part[:, cy] if dy else 1 - part[:, cy]
                cells.append((whole[:, cx] + dx) * (ny + 2) + whole[:, cy] + dy)
                weights.append(sign * each * wx * wy)
    corners = np.bincount(
        np.concatenate(cells), np.concatenate(weights), minlength=(nx + 2) * (ny + 2)
    ).reshape(nx + 2, ny + 2)
    filled: Floats = corners.cumsum(0).cumsum(1)[:nx, :ny]
    filled.clip(0, None, out=filled)  # rounding leaves -1e-13 where nothing lies
    return filled


def rudy_pin(nets: Nets, each: Floats, shape: tuple[int, int]) -> Floats:
    """Sum over the pins in a gcell of their net's density `each`."""
    at = gcells(nets.pins, shape)
    weight = np.repeat(each, np.diff(nets.start))
    return histogram(at, shape, weight)


def histogram(at: Ints, shape: tuple[int, int], weight: Floats | None = None) -> Floats:
    """How many of the gcells `at`, n 2, are each gcell, or the sum of their weights: X Y."""
    flat = np.bincount(at[:, 0] * shape[1] + at[:, 1], weight, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float64)


def local(box: Floats) -> NDArray[np.bool_]:
    """Nets within one gcell: CircuitNet's `short` ones; all others are `long`."""
    width, height = (np.ceil(box[:, 2:]) - np.floor(box[:, :2])).T
    inside: NDArray[np.bool_] = (width <= 1) & (height <= 1)
    return inside


def select(nets: Nets, keep: NDArray[np.bool_]) -> Nets:
    """Some of the nets, with their pins."""
    degree = np.diff(nets.start)
    return Nets(nets.pins[np.repeat(keep, degree)], np.concatenate([[0], degree[keep].cumsum()]))


def gcells(points: Floats, shape: tuple[int, int]) -> Ints:
    """The gcell of each point; a point on the far edge of the die belongs to the last one."""
    return np.clip(np.floor(points).astype(np.int64), 0, np.array(shape) - 1)
