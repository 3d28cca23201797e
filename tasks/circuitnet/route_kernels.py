"""The router's inner loops, compiled by numba: import this module inside functions (a second).

Legend: `demand`, `cap`, `hist` are 2 X Y (layer 0 along x); a path is a row of numbers
(x * Y + y) * 2 + layer, one for every track that it uses.
"""

# mypy: allow-untyped-decorators, disable-error-code="no-any-return"

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAR = 1 << 40
MARGIN = 8  # gcells that a maze path may leave its wire's bounding box by


@njit(cache=True)
def trees(pins: Ints, start: Ints, out: Ints) -> int:
    """Minimum spanning tree of every net's gcells by Prim, Manhattan distance.

    Fills rows of `out` (x0 y0 x1 y1; as many as pins are enough) and says how many.
    """
    found = 0
    best, near = np.empty(len(pins), np.int64), np.empty(len(pins), np.int64)  # -1: in the tree
    for net in range(len(start) - 1):
        a, n = start[net], start[net + 1] - start[net]
        for j in range(n):
            best[j] = FAR
        at = 0
        for _ in range(n - 1):
            best[at] = -1
            nearest = -1
            for j in range(n):
                if best[j] < 0:
                    continue
                d = abs(pins[a + j, 0] - pins[a + at, 0]) + abs(pins[a + j, 1] - pins[a + at, 1])
                if d < best[j]:
                    best[j], near[j] = d, at
                if nearest < 0 or best[j] < best[nearest]:
                    nearest = j
            at = nearest
            if best[at] > 0:
                for axis in range(2):
                    out[found, axis] = pins[a + near[at], axis]
                    out[found, 2 + axis] = pins[a + at, axis]
                found += 1
    return found


@njit(cache=True)
def one_round(
    wire: Ints, demand: Floats, cap: Floats, hist: Floats, kind: int, old: Ints, ends: Ints
) -> Ints:
    """Lay wires without a path, and those through overfull gcells again; the paths, end to end.

    `old` holds the paths so far, wire i's up to ends[i]; `demand` and `ends` are brought up to
    date. `kind`: 0 L, 1 Z, 2 maze.
    """
    ny = cap.shape[2]
    new, buffer = np.empty(len(old) + 1024, np.int64), np.empty(cap.size * 2, np.int64)
    begin, end = 0, 0
    for i in range(len(wire)):
        path = old[begin : ends[i]]
        begin = ends[i]
        if len(path) == 0 or overfull(path, demand, cap, ny):
            use(path, demand, ny, -1.0)
            path = buffer[: lay(wire[i], demand, cap, hist, kind, buffer)]
            use(path, demand, ny, 1.0)
        if end + len(path) > len(new):
            more = np.empty(2 * (end + len(path)), np.int64)
            for k in range(end):
                more[k] = new[k]
            new = more
        for code in path:
            new[end] = code
            end += 1
        ends[i] = end
    return new


@njit(cache=True)
def use(path: Ints, demand: Floats, ny: int, sign: float) -> None:
    """Take up (-1) or lay (+1) a path."""
    for code in path:
        at = code >> 1
        demand[code & 1, at // ny, at % ny] += sign


@njit(cache=True)
def overfull(path: Ints, demand: Floats, cap: Floats, ny: int) -> bool:
    """Whether a path uses a gcell with more demand than tracks."""
    for code in path:
        layer, at = code & 1, code >> 1
        if demand[layer, at // ny, at % ny] > cap[layer, at // ny, at % ny]:
            return True
    return False


@njit(cache=True)
def price(layer: int, x: int, y: int, demand: Floats, cap: Floats, hist: Floats) -> float:
    """What one more wire pays for a track here."""
    over = (demand[layer, x, y] + 1) / cap[layer, x, y] - 0.8
    cost: float = 1 + hist[layer, x, y] + (8 * over * over if over > 0 else 0.0)
    return cost


@njit(cache=True)
def run_price(
    layer: int, fixed: int, a: int, b: int, demand: Floats, cap: Floats, hist: Floats
) -> float:
    """Price of a straight run from a to b (any order) in row or column `fixed`; 0 if a == b."""
    total = 0.0
    if a != b:
        for t in range(min(a, b), max(a, b) + 1):
            x, y = (t, fixed) if layer == 0 else (fixed, t)
            total += price(layer, x, y, demand, cap, hist)
    return total


@njit(cache=True)
def emit_run(layer: int, fixed: int, a: int, b: int, ny: int, buffer: Ints, length: int) -> int:
    """Append a straight run to the path in `buffer`; its new length."""
    if a != b:
        for t in range(min(a, b), max(a, b) + 1):
            x, y = (t, fixed) if layer == 0 else (fixed, t)
            buffer[length] = (x * ny + y) * 2 + layer
            length += 1
    return length


@njit(cache=True)
def lay(wire: Ints, demand: Floats, cap: Floats, hist: Floats, kind: int, buffer: Ints) -> int:
    """The cheapest path of one wire into `buffer`; its length. Ties: along x first, then low m."""
    if kind == 2:
        return maze(wire, demand, cap, hist, buffer)
    x0, y0, x1, y1 = wire
    ny = cap.shape[2]
    # A path turns at most twice: first along layer f to m, across, then along f to the end.
    best, best_first, best_m = np.inf, 0, x1
    straight = x0 == x1 or y0 == y1
    for first in range(1 if straight else 2):
        a, b, c, d = (x0, x1, y0, y1) if first == 0 else (y0, y1, x0, x1)
        step = 1 if a < b else -1
        for k in range(abs(b - a) + 1):
            m = a + k * step
            if (kind == 0 or straight) and m != b:
                continue
            total = run_price(first, c, a, m, demand, cap, hist)
            total += run_price(1 - first, m, c, d, demand, cap, hist)
            total += run_price(first, d, m, b, demand, cap, hist)
            if total < best:
                best, best_first, best_m = total, first, m
    a, b, c, d = (x0, x1, y0, y1) if best_first == 0 else (y0, y1, x0, x1)
    length = emit_run(best_first, c, a, best_m, ny, buffer, 0)
    length = emit_run(1 - best_first, best_m, c, d, ny, buffer, length)
    return emit_run(best_first, d, best_m, b, ny, buffer, length)


@njit(cache=True)
def maze(wire: Ints, demand: Floats, cap: Floats, hist: Floats, buffer: Ints) -> int:
    """Dijkstra over (gcell, layer) within the wire's box and MARGIN; as `lay`."""
    nx, ny = cap.shape[1:]
    x0, y0, x1, y1 = wire
    left, right = max(0, min(x0, x1) - MARGIN), min(nx, max(x0, x1) + MARGIN + 1)
    low, high = max(0, min(y0, y1) - MARGIN), min(ny, max(y0, y1) + MARGIN + 1)
    w, h = right - left, high - low
    dist, back = np.full(2 * w * h, np.inf), np.full(2 * w * h, -1)
    heap = [(0.0, -1)]
    heap.pop()
    for layer in range(2):
        node = ((x0 - left) * h + y0 - low) * 2 + layer
        dist[node] = price(layer, x0, y0, demand, cap, hist)
        heappush(heap, (dist[node], node))
    goal = -1
    while len(heap):
        far, node = heappop(heap)
        if far > dist[node]:
            continue
        layer, at = node & 1, node >> 1
        x, y = at // h + left, at % h + low
        if x == x1 and y == y1:
            goal = node
            break
        for move in range(3):
            to_layer = layer if move < 2 else 1 - layer
            step = 0 if move == 2 else 2 * move - 1
            tx, ty = (x + step, y) if layer == 0 else (x, y + step)
            if not (left <= tx < right and low <= ty < high):
                continue
            to = ((tx - left) * h + ty - low) * 2 + to_layer
            cost = far + price(to_layer, tx, ty, demand, cap, hist)
            if cost < dist[to]:
                dist[to], back[to] = cost, node
                heappush(heap, (cost, to))
    length = 0
    node = goal
    while node >= 0:
        at = node >> 1
        buffer[length] = ((at // h + left) * ny + at % h + low) * 2 + (node & 1)
        length += 1
        node = back[node]
    return length
