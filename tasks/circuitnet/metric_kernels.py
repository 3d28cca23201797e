"""The metrics' loops over gcells, compiled by numba: import this module inside functions.

Legend: t label, p prediction, in 8 bits, N X Y.
"""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Levels = NDArray[np.uint8]


@njit(cache=True)
def joint(t: Levels, p: Levels) -> Floats:
    """How many gcells of each map have label level i and predicted level j: N 256 256."""
    out = np.zeros((len(t), 256, 256))
    for k in range(t.shape[0]):
        for x in range(t.shape[1]):
            for y in range(t.shape[2]):
                out[k, t[k, x, y], p[k, x, y]] += 1
    return out


@njit(cache=True, fastmath={"contract"})
def ssim(t: Levels, p: Levels, window: Floats, c1: float, c2: float) -> Floats:
    """Mean SSIM of each map over the places where the whole window fits: N.

    The window is symmetric and applied along y, then along x, to t, p, t^2 + p^2 and t p: the
    variances are only needed as a sum. Inner loops run along y, for the vector units.
    """
    nx, ny = t.shape[1:]
    half = len(window) // 2
    wide, high = nx - 2 * half, ny - 2 * half
    moments, along_y, mean = np.empty((4, ny)), np.empty((4, nx, high)), np.empty((4, high))
    out = np.empty(len(t))
    for k in range(len(t)):
        for x in range(nx):
            for y in range(ny):
                a, b = float(t[k, x, y]), float(p[k, x, y])
                moments[0, y], moments[1, y] = a, b
                moments[2, y], moments[3, y] = a * a + b * b, a * b
            for q in range(4):
                for y in range(high):
                    along_y[q, x, y] = window[half] * moments[q, y + half]
                for d in range(half):
                    e = 2 * half - d
                    for y in range(high):
                        along_y[q, x, y] += window[d] * (moments[q, y + d] + moments[q, y + e])
        total = 0.0
        for x in range(wide):
            for q in range(4):
                for y in range(high):
                    mean[q, y] = window[half] * along_y[q, x + half, y]
                for d in range(half):
                    e = 2 * half - d
                    for y in range(high):
                        mean[q, y] += window[d] * (along_y[q, x + d, y] + along_y[q, x + e, y])
            for y in range(high):
                cross = mean[0, y] * mean[1, y]
                power = mean[0, y] ** 2 + mean[1, y] ** 2
                similar = (2 * cross + c1) * (2 * (mean[3, y] - cross) + c2)
                total += similar / ((power + c1) * (mean[2, y] - power + c2))
        out[k] = total / (wide * high)
    return out
