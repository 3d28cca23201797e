"""The street network of a generated city: planar, connected, curved, with exact lengths.

Only +, -, *, / and square roots touch coordinates, so that a seed gives the same bits everywhere.
Points are (x, y) in pixels here, x right and y down.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra, minimum_spanning_tree
from scipy.spatial import Delaunay, cKDTree

Points = NDArray[np.float64]
Edges = NDArray[np.int64]

PITCH = 150.0  # the block size, in pixels, for which the sizes below are stated
WIDTHS = (8, 13, 20)  # minor, secondary, primary road: pixels
KEPT = 0.62  # share of the streets beside the spanning tree that are built
KEPT_ISLANDS = 0.4  # without a spanning tree: low enough for parts that no road joins
JITTER_GRID, JITTER_ORGANIC = 0.07, 0.28  # of the pitch
PIECE = 6.0  # pixels between two vertices of a street
STEEPEST = 0.8  # of the warp: below 1 it cannot fold, so streets stay planar
SOURCES = 48  # of the shortest-path trees that rank the streets


class Streets(NamedTuple):
    """A network inside an image: vertices about 6 px apart, V of them, and E short edges."""

    xy: Points  # V 2
    edges: Edges  # E 2
    length: NDArray[np.float64]  # E, pixels
    rank: NDArray[np.int64]  # E: 0 minor, 1 secondary, 2 primary
    component: NDArray[np.int64]  # V: 0 is the largest

    def graph(self) -> csr_array:
        """Symmetric lengths, V V."""
        a, b = self.edges.T
        pair = (np.r_[a, b], np.r_[b, a])
        return csr_array((np.r_[self.length, self.length], pair), shape=(len(self.xy),) * 2)

    def distances(self, nodes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Shortest road distance between the given vertices, pixels; inf without a road: N N."""
        found: NDArray[np.float64] = dijkstra(self.graph(), indices=nodes)[:, nodes]
        return found


def lay(
    height: int, width: int, rng: np.random.Generator, *, pitch: float = PITCH, connect: bool = True
) -> Streets:
    """Jittered lattice, Delaunay, Gabriel filter, thinning, ranking, warp, cut to the image.

    With `connect` only the largest component is left; without it thinning spares no spanning tree
    and every component stays.
    """
    nodes = _lattice(height, width, rng, pitch)
    edges = _gabriel(nodes)
    edges = _thin(nodes, edges, rng, connect)
    rank = _rank(nodes, edges, rng)
    xy, pieces, ranks = _subdivide(nodes, edges, rank)
    return _inside(_warp(xy, rng, pitch), pieces, ranks, height, width, connect)


def _lattice(height: int, width: int, rng: np.random.Generator, pitch: float) -> Points:
    """Lattice points with a margin of two blocks; districts are strict or organic."""
    columns, rows = (int(n / pitch) + 5 for n in (width, height))
    x, y = np.meshgrid(np.arange(columns) - 2.0, np.arange(rows) - 2.0)
    district = rng.integers(0, 2, (rows // 4 + 1, columns // 4 + 1))
    organic = np.repeat(np.repeat(district, 4, 0), 4, 1)[:rows, :columns]
    jitter = np.where(organic, JITTER_ORGANIC, JITTER_GRID)
    move = rng.uniform(-1, 1, (2, rows, columns)) * jitter
    return np.stack([x + move[0], y + move[1]], -1).reshape(-1, 2) * pitch


def _gabriel(nodes: Points) -> Edges:
    """Delaunay edges whose diametral circle holds no other node."""
    corners = Delaunay(nodes).simplices
    pairs = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [0, 2]]]))
    pairs = np.unique(pairs, axis=0).astype(np.int64)
    middle = (nodes[pairs[:, 0]] + nodes[pairs[:, 1]]) / 2
    nearest, _ = cKDTree(nodes).query(middle)
    kept: Edges = pairs[nearest >= 0.5 * _length(nodes, pairs) - 1e-9]
    return kept


def _thin(nodes: Points, edges: Edges, rng: np.random.Generator, connect: bool) -> Edges:
    """Build a part of the streets; those of a random spanning tree always."""
    chance = rng.random(len(edges))
    built = chance < (KEPT if connect else KEPT_ISLANDS)
    if connect:
        tree = minimum_spanning_tree(csr_array((chance + 1e-6, edges.T), shape=(len(nodes),) * 2))
        where = {(int(a), int(b)): i for i, (a, b) in enumerate(edges)}
        built[[where[(min(a, b), max(a, b))] for a, b in zip(*tree.nonzero(), strict=True)]] = True
    return edges[built]


def _rank(nodes: Points, edges: Edges, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rank streets by how many shortest paths use them: the busiest 8 % primary, 22 % secondary."""
    length = np.round(_length(nodes, edges) * 1024)  # whole numbers add up the same everywhere
    graph = csr_array((length, edges.T), shape=(len(nodes),) * 2)
    sources = rng.choice(len(nodes), min(SOURCES, len(nodes)), replace=False)
    far, before = dijkstra(graph, directed=False, indices=sources, return_predecessors=True)
    use: dict[tuple[int, int], int] = {}
    for distance, parent in zip(far, before, strict=True):
        below = np.ones(len(nodes), np.int64)
        for node in np.argsort(-np.where(np.isfinite(distance), distance, -1), kind="stable"):
            p = int(parent[node])
            if p >= 0:
                below[p] += below[node]
                key = (min(p, int(node)), max(p, int(node)))
                use[key] = use.get(key, 0) + int(below[node])
    busy = np.array([use.get((int(a), int(b)), 0) for a, b in edges])
    place = np.empty(len(edges), np.int64)
    place[np.argsort(-busy, kind="stable")] = np.arange(len(edges))
    rank: NDArray[np.int64] = (place < 0.30 * len(edges)).astype(np.int64) + (
        place < 0.08 * len(edges)
    )
    return rank


def _subdivide(nodes: Points, edges: Edges, rank: NDArray[np.int64]) -> tuple[Points, Edges, Edges]:
    """Cut every street into pieces of about 6 px; vertices, pieces, and the pieces' ranks."""
    points, pieces, ranks = [nodes], [], []
    count = len(nodes)
    for (a, b), r, length in zip(edges, rank, _length(nodes, edges), strict=True):
        n = max(1, round(length / PIECE))
        share = (np.arange(1, n) / n)[:, None]
        points.append(nodes[a] + share * (nodes[b] - nodes[a]))
        chain = np.r_[a, np.arange(count, count + n - 1), b]
        pieces.append(np.stack([chain[:-1], chain[1:]], 1))
        ranks.append(np.full(n, r))
        count += n - 1
    return np.concatenate(points), np.concatenate(pieces), np.concatenate(ranks)


def _warp(xy: Points, rng: np.random.Generator, pitch: float) -> Points:
    """Bend all streets smoothly: a sum of waves of 3 to 9.3 blocks, never steeper than `STEEPEST`.

    The displacement's gradient stays below 1 along each axis, so the map is one to one.
    """
    scale = pitch / PITCH
    moved = xy.copy()
    for axis in (0, 1):
        amplitude = rng.uniform(10, 26, 3) * scale
        wavelength = rng.uniform(450, 1400, 3) * scale
        steepness = float((8 * amplitude / wavelength).sum())  # a parabola wave's slope is 8 a / l
        amplitude *= min(1.0, STEEPEST / 2 / steepness)
        for a, w, phase in zip(amplitude, wavelength, rng.random(3), strict=True):
            along = (xy[:, 0] * rng.uniform(0.3, 1) + xy[:, 1] * rng.uniform(0.3, 1)) / w
            moved[:, axis] += a * wave(along + phase)
    return moved


def wave(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """A sine made of parabolas: period 1, range [-1, 1], smooth, and exact in floating point."""
    u = 2 * (t - np.floor(t)) - 1  # in [-1, 1)
    parabola: NDArray[np.float64] = 4 * u * (1 - np.abs(u))
    return parabola


def _inside(
    xy: Points, edges: Edges, rank: Edges, height: int, width: int, connect: bool
) -> Streets:
    """What lies in the image; vertices numbered anew, components by size."""
    seen = np.asarray(((xy >= 0) & (xy <= (width - 1, height - 1))).all(1))
    kept = np.asarray(seen[edges].all(1))
    used, flat = np.unique(edges[kept], return_inverse=True)
    xy, edges, rank = xy[used], flat.reshape(-1, 2).astype(np.int64), rank[kept]
    n, label = connected_components(
        csr_array((np.ones(len(edges)), edges.T), shape=(len(xy),) * 2), directed=False
    )
    order = np.argsort(-np.bincount(label, minlength=n), kind="stable")
    component = np.argsort(order, kind="stable")[label].astype(np.int64)
    if connect:
        main = component == 0
        kept = main[edges].all(1)
        number = np.cumsum(main) - 1
        xy, edges, rank = xy[main], number[edges[kept]], rank[kept]
        component = component[main]
    return Streets(xy, edges, _length(xy, edges), rank, component)


def _length(xy: Points, edges: Edges) -> NDArray[np.float64]:
    step = xy[edges[:, 0]] - xy[edges[:, 1]]
    length: NDArray[np.float64] = np.sqrt((step * step).sum(1))  # two terms: one order only
    return length
