"""A frame from a hash grid at one hour, compiled by numba for CPUs.

At one hour a level is a picture: the corners of its cells, each the mean of two table rows. Those
are made once a frame; a pixel is then a bilinear mean of them, level by level, and passes through
the layers in blocks that stay in a core's first cache.

Letters: L levels, F features, T entries a table (a power of 2), r cells across, D inputs (L F and
zeros up to a multiple of UNROLL), h hidden (the same), M hidden layers but the first.
"""

from __future__ import annotations

import numba
import numpy as np

BLOCK = 128  # pixels: eight AVX-512 registers of float32
UNROLL = 8  # products added before a sum goes back to memory
FAST = {"contract"}  # multiply and add in one: the last bit may differ from torch's
WIDE = 8  # pixels that a cell must cover for a loop of its own


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def corners(time, cells, dense, primes, table, first, out):  # type: ignore[no-untyped-def]
    """Every corner's features at `time` in [0, 1), by rows: out[first[l] + (j F + f)(r + 1) + i].

    cells L 3; dense L; primes 3; table L T F; first L + 1.
    """
    entries, features = table.shape[1], table.shape[2]
    for level in range(len(cells)):
        side, hours = cells[level, 0] + 1, cells[level, 2]
        t = np.float32(time * hours)
        k = min(np.int32(t), hours - 1)
        late = np.float32(t - k)
        after = np.int32(0) if k + 1 == hours else np.int32(k + 1)  # midnight is midnight
        for j in range(side):
            for i in range(side):
                if dense[level]:
                    a, b = (k * side + j) * side + i, (after * side + j) * side + i
                else:
                    shared = np.int32(i) ^ (np.int32(j) * primes[1])
                    a = (shared ^ (np.int32(k) * primes[2])) & (entries - 1)
                    b = (shared ^ (after * primes[2])) & (entries - 1)
                for f in range(features):
                    near, far = table[level, a, f], table[level, b, f]
                    out[first[level] + (j * features + f) * side + i] = near + late * (far - near)


@numba.njit(cache=True, nogil=True, parallel=True, fastmath=FAST)
def paint(made, first, cells, features, column, right, into, bias, inner, last, shift, out):  # type: ignore[no-untyped-def]
    """The layers' output at every pixel: out H 3 W.

    made and first as in `corners`; column, right L W: a pixel's cell and its share of the right
    corner; into h D, bias (1 + M) h, inner M h h, last 3 h, shift 3: the layers.
    """
    height, _, width = out.shape
    hidden, inputs = into.shape
    blocks = (width + BLOCK - 1) // BLOCK
    for y in numba.prange(height):
        seen = np.zeros((inputs, blocks * BLOCK), np.float32)
        for level in range(len(cells)):
            r = cells[level, 0]
            at = np.float32((y + 0.5) / height * r)
            j = min(np.int32(at), r - 1)
            step = features * (r + 1)
            above = first[level] + j * step
            for f in range(features):
                a = made[above + f * (r + 1) : above + (f + 1) * (r + 1)]
                b = made[above + step + f * (r + 1) : above + step + (f + 1) * (r + 1)]
                row = a + np.float32(at - j) * (b - a)
                _across(row, column[level], right[level], seen[level * features + f])
        x, z = np.empty((hidden, BLOCK), np.float32), np.empty((hidden, BLOCK), np.float32)
        colour = np.empty((3, BLOCK), np.float32)
        for start in range(0, width, BLOCK):
            _layer(into, bias[0], seen, start, x, np.float32(0))
            for m in range(len(inner)):
                _layer(inner[m], bias[m + 1], x, 0, z, np.float32(0))
                x, z = z, x
            _layer(last, shift, x, 0, colour, np.float32(-np.inf))
            n = min(BLOCK, width - start)
            out[y, :, start : start + n] = colour[:, :n]


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def _across(row, column, right, out):  # type: ignore[no-untyped-def]
    """A row of corners (r + 1) at every pixel of it: column, right W; out W and more."""
    width = len(column)
    if (len(row) - 1) * WIDE > width:
        for p in range(width):
            i = column[p]
            out[p] = row[i] + right[p] * (row[i + 1] - row[i])
        return
    p = 0
    while p < width:  # cell by cell: no gathers
        i = column[p]
        end = p + 1
        while end < width and column[end] == i:
            end += 1
        near, slope = row[i], row[i + 1] - row[i]
        for q in range(p, end):
            out[q] = near + right[q] * slope
        p = end


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def _layer(weight, bias, x, start, out, least):  # type: ignore[no-untyped-def]
    """max(W x + b, least) of a block: weight h D, x D and start + BLOCK or more, out h BLOCK."""
    for row in range(len(weight)):
        total, w = out[row], weight[row]
        for p in range(BLOCK):
            total[p] = bias[row]
        for k in range(0, len(w), UNROLL):
            for p in range(BLOCK):
                q = start + p
                s = w[k] * x[k, q] + w[k + 1] * x[k + 1, q]
                s += w[k + 2] * x[k + 2, q] + w[k + 3] * x[k + 3, q]
                s += w[k + 4] * x[k + 4, q] + w[k + 5] * x[k + 5, q]
                s += w[k + 6] * x[k + 6, q] + w[k + 7] * x[k + 7, q]
                total[p] += s
        for p in range(BLOCK):
            total[p] = max(total[p], least)
