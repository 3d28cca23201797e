"""Exact Eikonal solve on one core: bucketed label-correcting marching, stencils 4 and 8.

|grad T| = c, T = 0 at the sources. With q = h c of the cell and its neighbours' T:
  stencil 4 (Godunov): a, b the lower neighbour of each axis, d = min(|a - b|, q),
      T = min(a, b) + (d + sqrt(2 q^2 - d^2)) / 2              (d = q is the one-sided case);
  stencil 8 (semi-Lagrangian, 8 triangles of an axis neighbour A and a diagonal one D): the least of
      A + q,  D + sqrt(2) q  and, for 0 < e = (A - D)/q < 1/sqrt(2),  A + q sqrt(1 - e^2).

A cell whose T falls is put into the bucket of its new T; buckets are emptied in order, and a cell
that falls again is put in again, so that the result is the fixed point whatever the order. An entry
remembers its T: if the cell has a lower one by now, the entry is stale and skipped. No entry needs
to be found or moved, so the queue holds the front alone and cells carry no links: memory is T and
q.

What the time goes into, and what was done about it: mispredicted branches (offers are computed
without any, those of some cells together, one count at the end) and cache misses of a front that
lies everywhere at once (buckets are chunks of consecutive entries, so that the cells due next are
known and all that their offers will read can be prefetched, often two cache lines of a row).

Layout: T and q are flat, of H + 4 rows and W + 2 columns; the border is inf and is never reached.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import AssayError
from tasks.route.eikonal.jit import compiled, inlined, prefetch
from tasks.route.eikonal.workspace import borrow

TOP, LEFT = 2, 1  # border cells; stencil 4 looks two rows beyond a cell
CHUNK = 128  # entries, a power of two
SHIFT, WITHIN = 7, CHUNK - 1  # entry >> SHIFT is its chunk, entry & WITHIN its place there
BATCH = 4  # entries whose offers are computed together
OFFERS = 8 * BATCH  # of a batch, at most
AHEAD = 8  # entries between prefetch and use
MAX_BUCKETS = 16384  # of CHUNK entries at least: 50 MB
MAX_SCAN = 1024.0  # mean/least cost beyond which empty buckets would outnumber cells
RANGE = (1e-30, 1e30)  # of cost: its squares stay finite and normal


Flat = NDArray[np.floating]  # a map with borders, flat
Ints = NDArray[np.int64]


class March(NamedTuple):
    """What one solve returns beside T."""

    pops: int  # cells handled, again when improved after that
    visited: float  # share of the free cells
    queue: str  # "buckets" or "heap"


@compiled
def pack(cost, mask, h, T, q):  # type: ignore[no-untyped-def]
    """Fill q with h*cost (inf where mask is 0) and T with inf.

    Returns the least, greatest and mean q, the number of free cells, and y*W+x of the first cost
    that is not in RANGE, or -1. An empty mask frees all cells.
    """
    height, width = cost.shape
    stride = width + 2 * LEFT
    T[:] = np.inf
    q[: TOP * stride + LEFT] = np.inf
    q[(height + TOP) * stride :] = np.inf
    low, high, total, free = np.inf, 0.0, 0.0, 0
    for y in range(height):
        row = (y + TOP) * stride + LEFT
        q[row - LEFT : row] = np.inf
        q[row + width : row + width + LEFT] = np.inf
        for x in range(width):
            if mask.size and not mask[y, x]:
                q[row + x] = np.inf
                continue
            c = float(cost[y, x])
            if not (RANGE[0] <= c <= RANGE[1]):
                return low, high, total, free, y * width + x
            q[row + x] = c * h
            low, high = min(low, c * h), max(high, c * h)
            total += c * h
            free += 1
    return low, high, total / max(free, 1), free, -1


@inlined
def _offers4(T, q, i, t, stride, cells, values, n):  # type: ignore[no-untyped-def]
    """Neighbours of cell i (T = t) that its value improves: how many, written to cells, values."""
    east, west, south, north = T[i + 1], T[i - 1], T[i + stride], T[i - stride]
    se, sw = T[i + stride + 1], T[i + stride - 1]
    ne, nw = T[i - stride + 1], T[i - stride - 1]
    q0, q1, q2, q3 = q[i + 1], q[i - 1], q[i + stride], q[i - stride]
    a0, b0 = min(t, T[i + 2]), min(se, ne)
    a1, b1 = min(t, T[i - 2]), min(sw, nw)
    a2, b2 = min(t, T[i + 2 * stride]), min(se, sw)
    a3, b3 = min(t, T[i - 2 * stride]), min(ne, nw)
    d0, d1 = min(abs(a0 - b0), q0), min(abs(a1 - b1), q1)
    d2, d3 = min(abs(a2 - b2), q2), min(abs(a3 - b3), q3)
    # Rounded to the type that T is kept in before it is compared: else float32 would never settle.
    v0 = T.dtype.type(min(a0, b0) + 0.5 * (d0 + math.sqrt(2.0 * q0 * q0 - d0 * d0)))
    v1 = T.dtype.type(min(a1, b1) + 0.5 * (d1 + math.sqrt(2.0 * q1 * q1 - d1 * d1)))
    v2 = T.dtype.type(min(a2, b2) + 0.5 * (d2 + math.sqrt(2.0 * q2 * q2 - d2 * d2)))
    v3 = T.dtype.type(min(a3, b3) + 0.5 * (d3 + math.sqrt(2.0 * q3 * q3 - d3 * d3)))
    cells[n], values[n] = i + 1, v0
    n += v0 < east
    cells[n], values[n] = i - 1, v1
    n += v1 < west
    cells[n], values[n] = i + stride, v2
    n += v2 < south
    cells[n], values[n] = i - stride, v3
    n += v3 < north
    return n


@inlined
def _axis8(t, diagonal, q):  # type: ignore[no-untyped-def]
    """Value of a cell from its axis neighbour t and the lower diagonal neighbour beside that."""
    d = min(max((t - diagonal) / q, 0.0), 0.7071067811865476)
    return t + q * math.sqrt(1.0 - d * d)


@inlined
def _diagonal8(t, axis, q):  # type: ignore[no-untyped-def]
    """Value of a cell from its diagonal neighbour t and the lower axis neighbour beside that."""
    d = (axis - t) / q
    if d >= 0.7071067811865476:  # also when axis is inf
        return t + 1.4142135623730951 * q
    if d <= 0.0:
        return np.inf  # the axis neighbour alone decides, and makes the offer
    return axis + q * math.sqrt(1.0 - d * d)


@inlined
def _offers8(T, q, i, t, stride, cells, values, n):  # type: ignore[no-untyped-def]
    """As _offers4. All that the offers depend on lies in the 3x3 cells around i."""
    for k in range(4):
        ahead = 1 if k == 0 else -1 if k == 1 else stride if k == 2 else -stride
        aside = stride if k < 2 else 1
        j = i + ahead
        # No axis offer is below t + q/sqrt(2), and no diagonal one below t + q.
        if T[j] > t + 0.70710678 * q[j]:
            v = T.dtype.type(_axis8(t, min(T[i + aside], T[i - aside]), q[j]))
            cells[n], values[n] = j, v
            n += v < T[j]
    for k in range(4):
        across, down = (1 if k & 1 else -1), (stride if k & 2 else -stride)
        j = i + across + down
        if T[j] > t + q[j]:
            v = T.dtype.type(_diagonal8(t, min(T[i + across], T[i + down]), q[j]))
            cells[n], values[n] = j, v
            n += v < T[j]
    return n


@inlined
def _fetch(T, q, i, stride, stencil):  # type: ignore[no-untyped-def]
    """Ask for all that the offers of cell i read: of each row one cache line, or two."""
    corner = 0 if stencil == 4 else 1  # are the costs of diagonal neighbours read too?
    reach = 2 if stencil == 4 else 1
    prefetch(T, i - reach)
    prefetch(T, i + reach)
    prefetch(q, i - 1)
    prefetch(q, i + 1)
    for row in (i - stride, i + stride):
        prefetch(T, row - 1)
        prefetch(T, row + 1)
        prefetch(q, row - corner)
        if corner:
            prefetch(q, row + corner)
    if stencil == 4:
        prefetch(T, i - 2 * stride)
        prefetch(T, i + 2 * stride)


@inlined
def _empty_buckets(T, q, stride, stencil, width, pool, top, state, targets):  # type: ignore[no-untyped-def]
    """Work through the buckets from `state` on; the meaning of `state` is in `_Front`.

    Returns when they are all empty, when all `targets` (if any) are final, or when the pool may run
    out of chunks: it is grown outside, because arrays that can change keep their addresses in
    memory.
    """
    cell, value, below, cells, values = pool
    free, spare, entries, bucket, pops, met, n = state
    inverse, wrap = 1.0 / width, top.size - 1
    while True:
        for k in range(n):
            v = values[k]
            if v >= T[cells[k]]:  # another cell of the batch offered less
                continue
            T[cells[k]] = v
            slot = max(np.int64(v * inverse), bucket) & wrap
            e = top[slot] + 1
            if e & WITHIN == 0:
                c = free
                free, below[c] = below[c], e - 1
                spare -= 1
                e = c << SHIFT
            cell[e], value[e], top[slot] = cells[k], v, e
            entries += 1
        n = 0
        if spare < OFFERS:
            break
        e = top[bucket & wrap]
        while e < 0 and entries > 0:
            bucket += 1
            e = top[bucket & wrap]
            while met < targets.size and T[targets[met]] * inverse < bucket:
                met += 1
            if met == targets.size and met > 0:
                entries = 0
        if entries == 0:
            break
        within = e & WITHIN
        batch = min(within + 1, BATCH)
        if batch > within:
            c = e >> SHIFT
            top[bucket & wrap], below[c], free = below[c], free, c
            spare += 1
        else:
            top[bucket & wrap] = e - batch
        entries -= batch
        for k in range(batch):
            if within >= k + AHEAD:
                _fetch(T, q, np.int64(cell[e - k - AHEAD]), stride, stencil)
        for k in range(batch):
            i, t = np.int64(cell[e - k]), value[e - k]
            if T[i] == t:
                pops += 1
                if stencil == 4:
                    n = _offers4(T, q, i, t, stride, cells, values, n)
                else:
                    n = _offers8(T, q, i, t, stride, cells, values, n)
    return free, spare, entries, bucket, pops, met, n


@compiled
def _empty4(T, q, stride, width, pool, top, state, targets):  # type: ignore[no-untyped-def]
    return _empty_buckets(T, q, stride, 4, width, pool, top, state, targets)


@compiled
def _empty8(T, q, stride, width, pool, top, state, targets):  # type: ignore[no-untyped-def]
    return _empty_buckets(T, q, stride, 8, width, pool, top, state, targets)


@compiled
def _leave_open(T, cell, value, below, top):  # type: ignore[no-untyped-def]
    """Make inf what is finite and not final: after an early stop all of it waits in a bucket."""
    for slot in range(top.size):
        e = top[slot]
        while e >= 0:
            if T[cell[e]] == value[e]:  # not a stale entry of a cell that is final
                T[cell[e]] = np.inf
            e = below[e >> SHIFT] if e & WITHIN == 0 else e - 1


class _Front(NamedTuple):
    """Where the marching stands, between two calls of the compiled part."""

    free: int  # the first free chunk
    spare: int  # number of free chunks
    entries: int  # in all buckets
    bucket: int  # number of the current one
    pops: int
    met: int  # targets known to be final, in the order given
    offers: int  # entries to make first


def _march_buckets(
    T: Flat,
    q: Flat,
    stride: int,
    stencil: int,
    width: float,
    buckets: int,
    sources: Ints,
    targets: Ints,
) -> int:
    """Fill T; returns the pops."""
    chunks = 2 * buckets + sources.size // CHUNK + 64
    cell, value = np.empty(chunks * CHUNK, np.int32), np.empty(chunks * CHUNK, T.dtype)
    below = np.arange(1, chunks + 1)  # of a free chunk the next one, of a used one the entry below
    cells, values = (
        np.append(sources, np.zeros(OFFERS, np.int64)),
        np.zeros(sources.size + OFFERS, T.dtype),
    )
    top = np.full(buckets, -1, np.int64)  # the last entry of each bucket
    state = _Front(0, chunks, 0, 0, 0, 0, sources.size)
    empty = _empty4 if stencil == 4 else _empty8
    while True:
        pool = (cell, value, below, cells, values)
        state = _Front(*empty(T, q, stride, width, pool, top, tuple(state), targets))
        if not state.entries:
            break
        cell, value = np.resize(cell, 2 * cell.size), np.resize(value, 2 * value.size)
        below = np.append(below, np.arange(chunks + 1, 2 * chunks + 1))
        below[-1] = state.free  # the new chunks are used first
        state = state._replace(free=chunks, spare=state.spare + chunks)
        chunks *= 2
    if targets.size:
        _leave_open(T, cell, value, below, top)
    return state.pops


@compiled
def _sift_up(value, cell, k, v, i):  # type: ignore[no-untyped-def]
    """Put (v, i) at or above place k of a 4-ary heap."""
    while k > 0 and value[(k - 1) // 4] > v:
        value[k], cell[k] = value[(k - 1) // 4], cell[(k - 1) // 4]
        k = (k - 1) // 4
    value[k], cell[k] = v, i


@compiled
def _sift_down(value, cell, size):  # type: ignore[no-untyped-def]
    """Fill the hole at the root of a heap of `size` entries with the entry after its last."""
    v, i, k = value[size], cell[size], 0
    while 4 * k + 1 < size:
        least = 4 * k + 1
        for j in range(least + 1, min(least + 4, size)):
            if value[j] < value[least]:
                least = j
        if value[least] >= v:
            break
        value[k], cell[k] = value[least], cell[least]
        k = least
    value[k], cell[k] = v, i


@compiled
def _march_heap(T, q, stride, stencil, sources, targets):  # type: ignore[no-untyped-def]
    """As `_march_buckets`, with a 4-ary heap: for costs too far apart for buckets."""
    n = sources.size
    cells, values = np.append(sources, np.zeros(9, np.int64)), np.zeros(n + 9, T.dtype)
    value, cell = np.empty(1024, T.dtype), np.empty(1024, np.int32)
    size, pops, met = 0, 0, 0
    while True:
        for k in range(n):
            T[cells[k]] = values[k]
            if size == value.size:
                value, cell = np.append(value, value), np.append(cell, cell)
            _sift_up(value, cell, size, values[k], cells[k])
            size += 1
        if size == 0:
            return pops
        i, t = np.int64(cell[0]), value[0]
        while met < targets.size and T[targets[met]] <= t:
            met += 1
        if met == targets.size and met > 0:
            break
        size -= 1
        _sift_down(value, cell, size)
        n = 0
        if T[i] == t:
            pops += 1
            if stencil == 4:
                n = _offers4(T, q, i, t, stride, cells, values, 0)
            else:
                n = _offers8(T, q, i, t, stride, cells, values, 0)
    final = value[0]
    for k in range(size):
        if T[cell[k]] > final:
            T[cell[k]] = np.inf
    return pops


def march(
    cost: NDArray[np.floating],
    sources: NDArray[np.int64],
    targets: NDArray[np.int64] | None = None,
    *,
    h: float,
    stencil: int,
    mask: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.floating], March]:
    """T of one map: cost H W (float32 or float64), sources S 2 and targets K 2 (y, x).

    Cells where `mask` is False are walls. With targets the march ends when the last of them is
    final; what is not final by then is inf. T comes as a view H W into its bordered array (`flat`).
    Raises AssayError for a cost that is not in RANGE.
    """
    height, width = cost.shape
    stride = width + 2 * LEFT
    size = (height + 2 * TOP) * stride
    if size >= 2**31:
        raise AssayError(f"a grid of {height} x {width} cells is too large", "Raise downsample")
    T, q = borrow(size, cost.dtype), borrow(size, cost.dtype)
    free_cells = np.empty((0, 0), np.bool_) if mask is None else mask
    low, high, mean, free, bad = pack(cost, free_cells, h, T, q)
    if bad >= 0:
        y, x = divmod(bad, width)
        raise AssayError(
            f"the cost of cell (y {y}, x {x}) is {cost[y, x]}; it must lie in {RANGE}",
            "Look at alpha, gamma and the probability map",
        )
    begin = flat_index(sources, stride)
    begin = np.unique(begin[q[begin] < np.inf])  # a source on a wall is none
    until = np.empty(0, np.int64) if targets is None else flat_index(targets, stride)
    # Within a bucket of this width no cell of stencil 8 can improve another.
    bucket = low if stencil == 4 else low / math.sqrt(2)
    buckets = 1 << math.ceil(math.log2(math.sqrt(2) * high / bucket + 3)) if free else 1
    if buckets <= MAX_BUCKETS and mean <= MAX_SCAN * low:
        queue = "buckets"
        pops = _march_buckets(T, q, stride, stencil, bucket, buckets, begin, until)
    else:
        queue = "heap"
        pops = _march_heap(T, q, stride, stencil, begin, until)
    return unpadded(T, width), March(pops, min(pops / max(free, 1), 1.0), queue)


def flat_index(cells: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """Places of cells (y, x) in a flat array with borders."""
    return (cells[:, 0] + TOP) * stride + cells[:, 1] + LEFT


def unpadded(flat: NDArray[np.floating], width: int) -> NDArray[np.floating]:
    """The H W view of a flat array with borders."""
    return flat.reshape(-1, width + 2 * LEFT)[TOP:-TOP, LEFT:-LEFT]


def flat(T: NDArray[np.floating]) -> NDArray[np.floating]:
    """The flat array with borders that `march` made T a view of."""
    base: Flat = T.base  # type: ignore[assignment]
    return base
