"""The ways behind distances: traced once, then measured, compared with the roads, and reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.route import regions, routing
from tasks.route.config import RouteConfig
from tasks.route.eikonal import length_m, road_share, solve, to_pixels, trace
from tasks.route.grid import endpoint_offset, path_pixels, pool, to_cells
from tasks.route.metrics import THRESHOLD
from tasks.route.routing import Found
from tasks.route.scene import Scene

ON_MAP = 0.9  # of a way's length on the map's own road; below it the map has no such way


class Way(NamedTuple):
    """A way from the source to a target."""

    length_px: float
    length_m: float | None  # where the size of a pixel is known
    on_road: float | None  # share of its length on the true road, where that is known
    on_map: float  # share of its length on cells that the map takes for road
    cells: NDArray[np.intp]  # N 2, from the target on
    offset: float  # time to the target's pixel less that to its cell's centre (endpoint=offset)


def of(cfg: RouteConfig, found: Found, scene: Scene) -> list[Way | None]:
    """The way to every target on the cost that gave the distances; None: not reached."""
    ds, cost = cfg.downsample, found.cost.cpu()
    src, tgt = routing.points(scene.query)
    cells = to_cells(tgt, ds)
    way = routing.options(cfg, ds, early_stop=True)
    T = solve(cost[None], to_cells(src, ds)[None, None], way, until=cells[None]).T[0].numpy()
    seen = pool(torch.from_numpy(scene.prob)[None], ds, routing.pooling(cfg))[0].numpy()
    metres = regions.metres(scene.region.picture.geo, scene.region.cases)
    mask = scene.region.mask
    made: list[Way | None] = []
    for (y, x), target in zip(cells.tolist(), tgt.tolist(), strict=True):
        if not np.isfinite(T[y, x]):
            made.append(None)
            continue
        path = trace(T, cost.numpy(), (y, x), ds)
        pixels = path_pixels(path, ds, tuple(target), tuple(src.tolist()))
        on_road = None
        if mask is not None and len(path.points) > 1:
            on_road = road_share(to_pixels(path.points, ds), mask >= 128)
        made.append(
            Way(
                length_m(pixels, (1.0, 1.0)),
                length_m(pixels, metres) if metres else None,
                on_road,
                road_share(path.points, seen >= THRESHOLD),
                np.rint(path.points).astype(np.intp),
                endpoint_offset(path, ds, tuple(target), float(cost[y, x])),
            )
        )
    return made


def apls(ways: Sequence[Way | None], gt: NDArray[np.floating]) -> list[float]:
    """APLS of each known pair, one way only: 1 - min(1, |length - true| / true), in [0, 1].

    Average path length similarity after van Etten 2018 (arXiv 1807.01232), "lite": nodes are those
    of the distance file, and the map's graph is its own way, which counts as missing (0) where less
    than 0.9 of it runs on what the map takes for road. The other direction, from ways of the map
    to true ones, needs a graph of the map and is left out.
    """
    known = [(w, float(d)) for w, d in zip(ways, gt, strict=True) if np.isfinite(d) and d > 0]
    return [
        1 - min(1.0, abs(w.length_px - d) / d) if w is not None and w.on_map >= ON_MAP else 0.0
        for w, d in known
    ]
