"""A frame from a hash grid at one hour, compiled by numba for CPUs.

At one hour a level is a picture. Its rows of corners, each corner the mean of two table rows, are
stretched to the frame's width once a frame, whether many rows of pixels lie between two of them or
few; a pixel is then a mean of the stretched rows above and below it, level by level, and passes
through the layers in blocks that stay in a core's first cache.

Letters: L levels, F features, T entries a table (a power of 2), r cells across, W width, H height,
D inputs (L F and zeros up to a multiple of UNROLL), h hidden (the same), M hidden layers but one.
"""

from __future__ import annotations

import numba
import numpy as np

BLOCK = 128  # pixels: eight AVX-512 registers of float32
UNROLL = 8  # products added before a sum goes back to memory
FAST = {"contract"}  # multiply and add in one: the last bit may differ from torch's


@numba.njit(cache=True, nogil=True, parallel=True, fastmath=FAST)
def stretch(time, cells, dense, primes, table, column, right, level_of, first, out):  # type: ignore[no-untyped-def]
    """Every row of corners at `time` in [0, 1), as wide as the frame: out R F W.

    cells L 3; dense L; primes 3; table L T F; column, right L W: a pixel's cell and its share of
    the right corner; level_of R: the level of a row; first L: a level's first row, the topmost.
    """
    entries, features = table.shape[1], table.shape[2]
    for row in numba.prange(len(level_of)):
        level = level_of[row]
        side, hours = cells[level, 0] + 1, cells[level, 2]
        j = row - first[level]
        t = np.float32(time * hours)
        k = min(np.int32(t), hours - 1)
        late = np.float32(t - k)
        after = np.int32(0) if k + 1 == hours else np.int32(k + 1)  # midnight is midnight
        corner = np.empty((features, side), np.float32)
        for i in range(side):
            if dense[level]:
                a, b = (k * side + j) * side + i, (after * side + j) * side + i
            else:
                shared = np.int32(i) ^ (np.int32(j) * primes[1])
                a = (shared ^ (np.int32(k) * primes[2])) & (entries - 1)
                b = (shared ^ (after * primes[2])) & (entries - 1)
            for f in range(features):
                near, far = table[level, a, f], table[level, b, f]
                corner[f, i] = near + late * (far - near)
        for f in range(features):
            for p in range(out.shape[2]):
                i = column[level, p]
                near, far = corner[f, i], corner[f, i + 1]
                out[row, f, p] = near + right[level, p] * (far - near)


@numba.njit(cache=True, nogil=True, parallel=True, fastmath=FAST)
def paint(rows, first, cells, into, bias, inner, last, shift, out):  # type: ignore[no-untyped-def]
    """The layers' output at every pixel: out H 3 W.

    rows R F W, first L as in `stretch`; into h D, bias (1 + M) h,
    inner M h h, last 3 h, shift 3: the layers.
    """
    height, _, width = out.shape
    features = rows.shape[1]
    hidden, inputs = into.shape
    for y in numba.prange(height):
        seen = np.zeros((inputs, BLOCK), np.float32)
        x, z = np.empty((hidden, BLOCK), np.float32), np.empty((hidden, BLOCK), np.float32)
        colour = np.empty((3, BLOCK), np.float32)
        for start in range(0, width, BLOCK):
            n = min(BLOCK, width - start)
            for d in range(len(cells) * features):
                level, f = d // features, d % features
                at = np.float32((y + 0.5) / height * cells[level, 0])
                j = min(np.int32(at), cells[level, 0] - 1)
                low = np.float32(at - j)
                above, below = rows[first[level] + j, f], rows[first[level] + j + 1, f]
                for p in range(n):
                    seen[d, p] = above[start + p] + low * (below[start + p] - above[start + p])
            _layer(into, bias[0], seen, x, np.float32(0))
            for m in range(len(inner)):
                _layer(inner[m], bias[m + 1], x, z, np.float32(0))
                x, z = z, x
            _layer(last, shift, x, colour, np.float32(-np.inf))
            out[y, :, start : start + n] = colour[:, :n]


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def _layer(weight, bias, x, out, least):  # type: ignore[no-untyped-def]
    """max(W x + b, least) of a block: weight h D, x D BLOCK, out h BLOCK."""
    for row in range(len(weight)):
        total, w = out[row], weight[row]
        for p in range(BLOCK):
            total[p] = bias[row]
        for k in range(0, len(w), UNROLL):
            for p in range(BLOCK):
                s = w[k] * x[k, p] + w[k + 1] * x[k + 1, p]
                s += w[k + 2] * x[k + 2, p] + w[k + 3] * x[k + 3, p]
                s += w[k + 4] * x[k + 4, p] + w[k + 5] * x[k + 5, p]
                s += w[k + 6] * x[k + 6, p] + w[k + 7] * x[k + 7, p]
                total[p] += s
        for p in range(BLOCK):
            total[p] = max(total[p], least)
