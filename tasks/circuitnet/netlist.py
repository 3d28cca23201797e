"""Made-up netlists: cells in clusters, nets of mostly near neighbours, a few long ones.

Coordinates are in gcells, x before y; lengths in the constants are shares of the die's side.
"""

from __future__ import annotations

import numpy as np

from tasks.circuitnet.floorplan import Boxes, Floats, Ints
from tasks.circuitnet.rudy import Nets

CLUSTERS = (6, 20)
SPREAD = (0.08, 0.25)  # standard deviation of a cluster
ANYWHERE = 0.6  # share of cells that belong to no cluster
NETS_PER_CELL = 1.05
GEOMETRIC = 0.45  # degrees are 2, 3, ... with this ratio
MAX_DEGREE = 20
SPAN, SPAN_SIGMA = 0.012, 0.8  # log-normal: median, and sigma of the logarithm
LONG_NETS = (0.02, 0.08)  # share of all nets
LONG_SPAN = (0.10, 0.45)
MACRO_NETS = 0.015  # share of all nets, if there is a macro


def place_cells(rng: np.random.Generator, count: int, side: int, taken: Floats) -> Floats:
    """Centres of `count` cells, n 2, outside the macros (`taken`: X Y, 1 inside)."""
    number = int(rng.integers(CLUSTERS[0], CLUSTERS[1] + 1))
    centres = rng.uniform(0, side, (number, 2))
    spread = rng.uniform(*SPREAD, number) * side
    share = rng.dirichlet(np.ones(number))
    member = rng.choice(number, count, p=share)
    loose = rng.random(count) < ANYWHERE
    cells = np.empty((count, 2))
    todo = np.arange(count)
    for attempt in range(20):
        near = centres[member[todo]] + rng.normal(size=(len(todo), 2)) * spread[member[todo], None]
        cells[todo] = np.where(loose[todo, None], rng.uniform(0, side, near.shape), near)
        inside = ((cells[todo] >= 0) & (cells[todo] < side)).all(1)
        at = np.clip(cells[todo].astype(np.int64), 0, side - 1)
        todo = todo[~inside | (taken[at[:, 0], at[:, 1]] > 0)]
        loose |= attempt == 9  # the cluster lies under a macro
    free = np.argwhere(taken == 0)
    cells[todo] = free[rng.integers(len(free), size=len(todo))] + rng.random((len(todo), 2))
    return cells


def connect(rng: np.random.Generator, cells: Floats, macros: Boxes, side: int) -> Nets:
    """Nets over the cells: each starts at a random cell and takes cells around it.

    No net meets a cell twice, and every net has at least two pins.
    """
    from scipy.spatial import cKDTree

    count = round(NETS_PER_CELL * len(cells))
    degree = np.minimum(rng.geometric(GEOMETRIC, count) + 1, MAX_DEGREE)
    span = side * SPAN * np.exp(SPAN_SIGMA * rng.normal(size=count))
    far = rng.random(count) < rng.uniform(*LONG_NETS)
    span[far] = side * rng.uniform(*LONG_SPAN, int(far.sum()))
    source = rng.integers(len(cells), size=count)
    net = np.repeat(np.arange(count), degree - 1)
    aim = cells[source[net]] + rng.normal(size=(len(net), 2)) * span[net, None] / 2
    nearest = cKDTree(cells).query(np.clip(aim, 0, side), k=2)[1]
    other = np.where(nearest[:, 0] == source[net], nearest[:, 1], nearest[:, 0])
    of_net = np.concatenate([np.arange(count), net])
    pair = np.unique(np.stack([of_net, np.concatenate([source, other])]), axis=1)
    return _join(pair[0], cells[pair[1]], *_macro_pins(rng, macros, count, cells, side))


def _macro_pins(
    rng: np.random.Generator, macros: Boxes, nets: int, cells: Floats, side: int
) -> tuple[Ints, Floats]:
    """Nets from a point on a macro's edge to a cell around it: net numbers after `nets`, points."""
    from scipy.spatial import cKDTree

    count = round(MACRO_NETS * nets) if len(macros) else 0
    box = macros[rng.integers(len(macros), size=count)] if count else np.zeros((0, 4), np.int64)
    point = box[:, :2] + rng.random((count, 2)) * (box[:, 2:] - box[:, :2])
    axis, end = rng.integers(2, size=count), rng.integers(2, size=count)
    row = np.arange(count)
    point[row, axis] = np.clip(box[row, axis + 2 * end] + end - 0.5, 0, side)  # just outside
    reach = side * rng.uniform(0.02, 0.2, (count, 1))
    aim = np.clip(point + rng.normal(size=point.shape) * reach, 0, side)
    cell = cells[cKDTree(cells).query(aim)[1]]
    return np.tile(nets + row, 2), np.concatenate([point, cell])


def _join(net: Ints, point: Floats, more_net: Ints, more_point: Floats) -> Nets:
    """Pins of all nets, net by net."""
    net = np.concatenate([net, more_net])
    order = np.argsort(net, kind="stable")
    start = np.concatenate([[0], np.bincount(net).cumsum()])
    return Nets(np.concatenate([point, more_point])[order], start)
