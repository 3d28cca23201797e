"""Paths: steepest descent through T, between the cells as well as along them.

T is known at cell centres and linear between neighbours, as the solver takes it. From a point on a
grid line the path crosses one square to the point p of its rim that minimises T(p) + c |p - here|:
in a cell centre these are the 8 triangles of stencil 8, on an edge the two squares beside it. So a
path is not bound to 8 directions, and its cost is what the solver added up.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from core.errors import AssayError
from tasks.route.eikonal.jit import compiled, inlined

NEAR = 1e-3  # cells from a centre that count as in it: keeps steps from becoming endless


class Path(NamedTuple):
    """A way from a target to the source, in cells: (y, x) of centres are whole numbers."""

    points: Float[np.ndarray, "N 2"]  # (y, x), the target first
    cost: float  # sum over steps of c at the step's start times its length, times h
    pixels: float  # length times h


@inlined
def _along(T, y0, x0, y1, x1, y, x, c):  # type: ignore[no-untyped-def]
    """The best s in [0, 1] on the edge between two cells, seen from (y, x), and its T + c*distance.

    With the foot of the perpendicular at s0, distance r: T0 + s g + c sqrt(r^2 + (s - s0)^2) is
    least where (s - s0)/sqrt(r^2 + (s - s0)^2) = -g/c.
    """
    a, b = float(T[y0, x0]), float(T[y1, x1])
    if a == np.inf or b == np.inf:
        s = 1.0 if a > b else 0.0
        if a == np.inf and b == np.inf:
            return 0.0, np.inf
        py, px = (y1, x1) if s else (y0, x0)
        return s, min(a, b) + c * math.hypot(py - y, px - x)
    dy, dx = y1 - y0, x1 - x0  # one of them 0, the other +-1
    foot = (y - y0) * dy + (x - x0) * dx
    r = abs((y - y0) * dx - (x - x0) * dy)
    k = (a - b) / c
    if k >= 1.0:
        s = 1.0
    elif k <= -1.0:
        s = 0.0
    else:
        s = min(max(foot + r * k / math.sqrt(1.0 - k * k), 0.0), 1.0)
    return s, a + s * (b - a) + c * math.hypot(y0 + s * dy - y, x0 + s * dx - x)


@compiled
def _trace(T, cost, y, x, out):  # type: ignore[no-untyped-def]
    """Write the points from (y, x) to a source into out; returns their number and the cost.

    The number is negative when out is full, and 0 when there is no lower point to go to.
    """
    height, width = T.shape
    out[0, 0], out[0, 1] = y, x
    n, total, here = 1, 0.0, float(T[int(y), int(x)])
    while here > 0.0:
        if n == out.shape[0]:
            return -n, total
        y0, x0 = math.floor(y), math.floor(x)
        fy, fx = y - y0, x - x0
        c = float(cost[y0, x0])
        if fy > 0.0:
            c += fy * (cost[y0 + 1, x0] - c)
        elif fx > 0.0:
            c += fx * (cost[y0, x0 + 1] - c)
        best, by, bx, bt = np.inf, y, x, here
        # the squares that the point touches: four at a centre, two on an edge
        for top in range(y0 - 1 if fy == 0.0 else y0, y0 + 1):
            for left in range(x0 - 1 if fx == 0.0 else x0, x0 + 1):
                if top < 0 or left < 0 or top + 1 >= height or left + 1 >= width:
                    continue
                for side in range(4):
                    ya, xa = top + (side == 1), left + (side == 3)
                    yb, xb = ya + (side >= 2), xa + (side < 2)
                    on = y == ya if side < 2 else x == xa
                    if on:  # the side that the point lies on
                        continue
                    s, value = _along(T, ya, xa, yb, xb, y, x, c)
                    if value < best:
                        s = 0.0 if s < NEAR else 1.0 if s > 1.0 - NEAR else s
                        t = T[ya, xa] if s == 0.0 else T[yb, xb] if s == 1.0 else 0.0
                        if 0.0 < s < 1.0:
                            t = T[ya, xa] + s * (float(T[yb, xb]) - T[ya, xa])
                        if t < here:
                            best, bt = value, float(t)
                            by, bx = ya + s * (yb - ya), xa + s * (xb - xa)
        # along the line itself, which also leads along a map one cell wide
        for k in range(4):
            ya = y0 + (1 if k == 0 else -1 if k == 1 else 0) if fy == 0.0 else y0 + (k & 1)
            xa = x0 + (1 if k == 2 else -1 if k == 3 else 0) if fx == 0.0 else x0 + (k & 1)
            if 0 <= ya < height and 0 <= xa < width and T[ya, xa] < here:
                value = T[ya, xa] + c * math.hypot(ya - y, xa - x)
                if value < best:
                    best, by, bx, bt = value, float(ya), float(xa), float(T[ya, xa])
        if best == np.inf:
            return 0, total
        total += c * math.hypot(by - y, bx - x)
        y, x, here = by, bx, bt
        out[n, 0], out[n, 1] = y, x
        n += 1
    return n, total


def trace(
    T: NDArray[np.floating], cost: NDArray[np.floating], target: tuple[int, int], h: float = 1.0
) -> Path:
    """The path from a target cell (y, x) down to a source, where T is 0; T and cost are H W.

    Raises AssayError when T is not finite at the target, or the descent finds no lower point, which
    does not happen with the T of a solve of this cost.
    """
    y, x = target
    if not (0 <= y < T.shape[0] and 0 <= x < T.shape[1]) or not np.isfinite(T[y, x]):
        raise AssayError(
            f"there is no path from cell (y {y}, x {x}): it was not reached",
            "Solve with it as target",
        )
    room = 4 * sum(T.shape) + 64
    while True:
        out = np.empty((room, 2))
        n, total = _trace(T, _times(cost, h), float(y), float(x), out)
        if n > 0:
            points = out[:n].copy()
            steps = np.hypot(*np.diff(points, axis=0).T)
            return Path(points, total, float(steps.sum()) * h)
        if n == 0 or room > 4 * T.size + 64:
            raise AssayError(
                f"the path from cell (y {y}, x {x}) does not reach a source",
                "T and cost must belong together",
            )
        room *= 4


def _times(cost: NDArray[np.floating], h: float) -> NDArray[np.floating]:
    """Cost per cell rather than per pixel."""
    return cost if h == 1 else cost * cost.dtype.type(h)


def to_pixels(points: Float[np.ndarray, "N 2"], ds: int) -> Float[np.ndarray, "N 2"]:
    """Cells to pixels of the full image: a cell's centre is (i + 1/2) ds - 1/2."""
    return (points + 0.5) * ds - 0.5


def length_m(points: Float[np.ndarray, "N 2"], pixel_m: tuple[float, float]) -> float:
    """Metres along a polyline in pixels (y, x); pixel_m is the height and width of one."""
    return float(np.hypot(*(np.diff(points, axis=0) * pixel_m).T).sum())


def road_share(points: Float[np.ndarray, "N 2"], road: NDArray[np.bool_]) -> float:
    """Share of a polyline's length (pixels, y x) on road, sampled at most a pixel apart."""
    on = total = 0.0
    for (y0, x0), (y1, x1) in pairwise(points):
        length = math.hypot(y1 - y0, x1 - x0)
        at = (np.arange(max(1, math.ceil(length))) + 0.5) / max(1, math.ceil(length))
        rows = np.clip(np.rint(y0 + at * (y1 - y0)).astype(int), 0, road.shape[0] - 1)
        cols = np.clip(np.rint(x0 + at * (x1 - x0)).astype(int), 0, road.shape[1] - 1)
        on, total = on + length * road[rows, cols].mean(), total + length
    return on / total if total else 1.0
