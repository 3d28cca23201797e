"""The hash grid's two hot loops for CPUs, compiled by numba when first called and then cached.

Letters: N points, L levels, F features, T entries a table (a power of 2).
"""

from __future__ import annotations

import numba
import numpy as np

ONE = np.float32(1)


@numba.njit(cache=True, nogil=True)
def gather(place, cells, dense, primes, table, out, rows, weights):  # type: ignore[no-untyped-def]
    """Trilinear means of table rows, and which rows with which weights, for the way back.

    place N 3 in [0, 1); cells L 3; dense L; primes 3; table L T F; out N L F; rows, weights L N 8.
    """
    entries = table.shape[1]
    for level in range(len(cells)):
        r, hours = cells[level, 0], cells[level, 2]
        for n in range(len(place)):
            x, y, t = place[n, 0] * r, place[n, 1] * r, place[n, 2] * hours
            i, j, k = min(int(x), r - 1), min(int(y), r - 1), min(int(t), hours - 1)
            near_far_x = (ONE - np.float32(x - i), np.float32(x - i))
            near_far_y = (ONE - np.float32(y - j), np.float32(y - j))
            near_far_t = (ONE - np.float32(t - k), np.float32(t - k))
            out[n, level] = 0
            for corner in range(8):
                dx, dy, dt = corner & 1, corner >> 1 & 1, corner >> 2
                hour = k + dt if k + dt < hours else 0  # midnight is midnight
                if dense[level]:
                    row = (hour * (r + 1) + j + dy) * (r + 1) + i + dx
                else:
                    row = (i + dx) ^ ((j + dy) * primes[1]) ^ (hour * primes[2])
                    row &= entries - 1
                weight = near_far_x[dx] * near_far_y[dy] * near_far_t[dt]
                for f in range(table.shape[2]):
                    out[n, level, f] += weight * table[level, row, f]
                rows[level, n, corner], weights[level, n, corner] = row, weight


@numba.njit(cache=True, nogil=True)
def scatter(grad, rows, weights, total):  # type: ignore[no-untyped-def]
    """Gradient N L F of the means, added to the rows of `total` L T F that they were made of."""
    for level in range(rows.shape[0]):
        for n in range(rows.shape[1]):
            for corner in range(8):
                row, weight = rows[level, n, corner], weights[level, n, corner]
                for f in range(grad.shape[2]):
                    total[level, row, f] += weight * grad[n, level, f]
