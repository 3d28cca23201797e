"""The discrete adjoint of the Eikonal solve: gradients without unrolling.

At the fixed point each cell depends on at most two neighbours that came before it, with weights
that sum to 1 (q = h c of the cell; names as in cpu.py, formulas free of the cancellation in T - a):
  stencil 4, |a - b| < q:  r = sqrt(2 q^2 - (a - b)^2),  w_a = (r + b - a) / 2r,  dT/dq = q / r;
             else the lower one alone, dT/dq = 1;
  stencil 8: e = (A - D)/q clipped to [0, 1/sqrt(2)],  w_D = e / sqrt(1 - e^2),  w_A = 1 - w_D,
             dT/dq = 1 / sqrt(1 - e^2).
So lam = g + W^T lam over the cells that the given ones depend on, each after all that depend on it,
and dL/dc = h lam dT/dq. T is homogeneous in c: sum over cells of c dT/dc = T (Euler).

Ties are kinks; the first neighbour in the order west, east, north, south is taken, so that results
are the same everywhere.
"""

from __future__ import annotations

import math
import mmap
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tasks.route.eikonal.cpu import LEFT, TOP, flat, flat_index
from tasks.route.eikonal.jit import compiled, inlined

DONE = 128  # in a counter of up to 8 dependants: the cell was met
LARGE = 2**24  # bytes
_thread = threading.local()


@inlined
def upwind(T, q, i, stride, stencil):  # type: ignore[no-untyped-def]
    """The two cells that cell i depends on, the weight of the second, and dT/dq.

    A cell that depends on one has it twice, weight 0. Sources and unreached cells have i itself
    twice.
    """
    if not 0.0 < T[i] < np.inf:
        return i, i, 0.0, 0.0
    if stencil == 4:
        x = i - 1 if T[i - 1] <= T[i + 1] else i + 1
        y = i - stride if T[i - stride] <= T[i + stride] else i + stride
        low, high = (x, y) if T[x] <= T[y] else (y, x)
        d = float(T[high]) - float(T[low])
        if d >= q or T[high] >= T[i]:
            return low, low, 0.0, 1.0
        r = math.sqrt(2.0 * q * q - d * d)
        return low, high, 0.5 * (r - d) / r, q / r
    best, first, second, weight, slope = np.inf, i, i, 0.0, 0.0
    for k in range(4):
        step = -1 if k == 0 else 1 if k == 1 else -stride if k == 2 else stride
        aside = stride if k < 2 else 1
        axis = i + step
        corner = axis - aside if T[axis - aside] <= T[axis + aside] else axis + aside
        a, d = float(T[axis]), float(T[corner])
        if a == np.inf and d == np.inf:
            continue
        e = (a - d) / q
        if e <= 0.0:
            value, w, s, one, two = a + q, 0.0, 1.0, axis, axis
        elif e >= 0.7071067811865476:
            value, w, s, one, two = (
                d + 1.4142135623730951 * q,
                0.0,
                1.4142135623730951,
                corner,
                corner,
            )
        else:
            root = math.sqrt(1.0 - e * e)
            value, w, s, one, two = a + q * root, e / root, 1.0 / root, axis, corner
        if value < best:
            best, first, second, weight, slope = value, one, two, w, s
    return first, second, weight, slope


@compiled
def _pull(T, cost, h, stride, stencil, cells, upstream, waiting, lam, stack, grad):  # type: ignore[no-untyped-def]
    """Add to grad (H W) the gradient of sum_k upstream[k] T[cells[k]]; returns the cells visited.

    Two walks: the first counts for each cell those that depend on it, the second hands on each
    cell's adjoint when all of them have handed on theirs. T falls along every step, so there are no
    circles.
    """
    size, visited, inverse = 0, 0, 1.0 / stride
    for k in range(cells.size):
        if T[cells[k]] < np.inf and upstream[k] != 0:
            lam[cells[k]] += upstream[k]
            if waiting[cells[k]] == 0:
                waiting[cells[k]] = DONE
                stack[size] = cells[k]
                size += 1
    while size > 0:
        size -= 1
        i = np.int64(stack[size])
        row = int((i + 0.5) * inverse)  # i // stride without a division; exact below 2^31
        y, x = row - TOP, i - row * stride - LEFT
        first, second, _, _ = upwind(T, cost[y, x] * h, i, stride, stencil)
        for k in range(2):
            j = first if k == 0 else second
            if T[j] < T[i] and (k == 0 or j != first):
                if waiting[j] == 0:
                    waiting[j] = DONE
                    stack[size] = j
                    size += 1
                waiting[j] += 1
    for k in range(cells.size):
        if waiting[cells[k]] == DONE:  # nothing depends on it
            waiting[cells[k]] = 0
            stack[size] = cells[k]
            size += 1
    while size > 0:
        size -= 1
        visited += 1
        i = np.int64(stack[size])
        row = int((i + 0.5) * inverse)  # i // stride without a division; exact below 2^31
        y, x = row - TOP, i - row * stride - LEFT
        first, second, weight, slope = upwind(T, cost[y, x] * h, i, stride, stencil)
        given, lam[i] = lam[i], 0.0  # all scratch is zero again at the end
        grad[y, x] += given * slope * h
        for k in range(2):
            j = first if k == 0 else second
            if T[j] < T[i] and (k == 0 or j != first):
                lam[j] += given * (weight if k == 1 else 1.0 - weight)
                waiting[j] -= 1
                if waiting[j] == DONE:
                    waiting[j] = 0
                    stack[size] = j
                    size += 1
    return visited


def pull(
    T: NDArray[np.floating],
    cost: NDArray[np.floating],
    cells: NDArray[np.int64],
    upstream: NDArray[np.floating],
    *,
    h: float,
    stencil: int,
) -> NDArray[np.floating]:
    """dL/dcost H W, where dL/dT is `upstream` (K) at `cells` (K 2) and 0 elsewhere.

    T is what `march` returned. An unreached cell passes nothing on.
    """
    stride, field = cost.shape[1] + 2 * LEFT, flat(T)
    grad = _blank(cost.size, cost.dtype).reshape(cost.shape)
    at = flat_index(cells, stride)
    _pull(field, cost, h, stride, stencil, at, upstream, *_scratch(field.size), grad)
    return grad


def _blank(n: int, dtype: DTypeLike) -> NDArray[Any]:
    """Zeros; large ones cost nothing where they are not touched.

    The cone of a few targets is a thousandth of the map. For large arrays numpy asks for pages of
    2 MiB, and zeroing those took ten times as long as the adjoint.
    """
    size = max(n, 1) * np.dtype(dtype).itemsize
    return np.zeros(n, dtype) if size < LARGE else np.frombuffer(mmap.mmap(-1, size), dtype, n)


def _scratch(n: int) -> tuple[NDArray[Any], ...]:
    """Counters, adjoints (zero) and stack for n cells: this thread's last, if they fit."""
    kept: tuple[NDArray[Any], ...] | None = getattr(_thread, "scratch", None)
    if kept is None or kept[0].size != n:
        kept = _blank(n, np.uint8), _blank(n, np.float64), _blank(n, np.int32)
        _thread.scratch = kept
    return kept
