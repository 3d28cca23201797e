"""A global router in the negotiated style: it makes the congestion label of a layout.

Nets become two-pin wires by a Manhattan minimum spanning tree. Every wire is laid along its
cheapest path at the moment; wires through overfull gcells are taken up and laid again, round by
round, while gcells that stay overfull grow dearer (McMurchie and Ebeling, "PathFinder", 1995).

Legend: maps are 2 X Y, layer 0 horizontal (along x), 1 vertical; a straight run of a wire uses one
track in every gcell from its first to its last, so a bend uses a track of both layers.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from core.errors import unknown
from tasks.circuitnet.rudy import Nets, gcells, histogram

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Router = Literal["l", "z", "maze"]  # one bend, two bends, any detour

ROUNDS = 5
MACRO_SHARE, MACRO_MORE = 0.45, 1  # of the tracks over a macro, and one more
CAPACITY = (2.6, 2.0)  # tracks over the mean demand, horizontal and vertical, before the draw
LEAST = 3  # tracks
PIN_TRACKS = 0.15  # of a track that getting at a pin uses, in both layers


class Routed(NamedTuple):
    """Tracks used, and there to be used: 2 X Y each; `early` is the demand after one round."""

    demand: Floats
    early: Floats
    capacity: Floats

    def overflow(self, early: bool = False) -> Floats:
        """Demand beyond the capacity, as a share of it, cut at 1."""
        used = self.early if early else self.demand
        share: Floats = np.clip((used - self.capacity) / self.capacity, 0, 1)
        return share

    def utilisation(self, early: bool = False) -> Floats:
        """Demand over capacity."""
        return (self.early if early else self.demand) / self.capacity


def wires(nets: Nets, shape: tuple[int, int]) -> Ints:
    """Two-pin wires of all nets: w 4, gcells x0 y0 x1 y1; nets within one gcell have none."""
    from tasks.circuitnet import route_kernels

    out = np.empty((len(nets.pins), 4), np.int64)
    return out[: route_kernels.trees(gcells(nets.pins, shape), nets.start, out)]


def local_demand(nets: Nets, shape: tuple[int, int]) -> Floats:
    """What the pins of a gcell use of each layer's tracks before any wire crosses it: X Y."""
    return PIN_TRACKS * histogram(gcells(nets.pins, shape), shape)


def tracks_for(wire: Ints, local: Floats, factor: float) -> tuple[int, int]:
    """Tracks of a free gcell, horizontal and vertical: `factor` x CAPACITY x the mean demand."""
    run = np.abs(wire[:, 2:] - wire[:, :2])
    mean = ((run + 1) * (run > 0)).sum(0) / local.size + local.mean()
    h, v = (max(LEAST, round(m * c * factor)) for m, c in zip(mean, CAPACITY, strict=True))
    return h, v


def capacity(tracks: tuple[int, int], taken: Floats) -> Floats:
    """Tracks of every gcell and layer, fewer over the macros (`taken`: X Y): 2 X Y."""
    free = np.array(tracks, np.float64)
    over_macro = np.floor(MACRO_SHARE * free) + MACRO_MORE
    return np.where(taken > 0, over_macro[:, None, None], free[:, None, None])


def route(
    wire: Ints, local: Floats, tracks: Floats, router: Router = "l", rounds: int = ROUNDS
) -> Routed:
    """Lay all wires on `tracks` (2 X Y), of which the pins use `local` (X Y) already.

    Raises:
        AssayError: no such router.
    """
    from tasks.circuitnet import route_kernels

    kinds = get_args(Router)
    if router not in kinds:
        raise unknown("router", router, kinds)
    demand = np.stack([local, local])
    early, history = demand, np.zeros_like(demand)
    paths, ends = np.empty(0, np.int64), np.zeros(len(wire), np.int64)
    for done in range(rounds):
        paths = route_kernels.one_round(
            wire, demand, tracks, history, kinds.index(router), paths, ends
        )
        if done == 0:
            early = demand.copy()
        history += 0.5 * np.maximum(0, demand / tracks - 1)
    return Routed(demand, early, tracks)
