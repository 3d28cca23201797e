"""One question about one image: the points, checked against the map, and their true distances."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from core.errors import AssayError
from tasks.route import sampling
from tasks.route.config import RouteConfig
from tasks.route.dense import teacher_cost
from tasks.route.grid import pool, to_cells
from tasks.route.log import say
from tasks.route.losses import teach
from tasks.route.regions import Region
from tasks.route.routing import options, points, pooling
from tasks.route.sampling import Query
from tasks.route.segment import Map

ROAD = 0.5  # probability that counts as road when a better point is named

once = functools.cache(say)  # a question is asked again for each part of a run


class Scene(NamedTuple):
    """An image's probability and a question about it."""

    region: Region
    prob: Map
    query: Query


def ask(cfg: RouteConfig, region: Region, prob: Map, seed: int) -> Scene:
    """The question of the config: points by hand or from the distance file, with their truth.

    Raises:
        AssayError: points outside the image or without data, no distance file, nothing reachable.
    """
    if not np.isfinite(prob).all():
        raise AssayError("the probability map holds NaN or infinite values")
    if prob.shape != region.size:
        raise AssayError(f"the probability map is {prob.shape}, the image {region.size}")
    if cfg.src:
        query = sampling.by_hand(cfg.src[0], cfg.tgt, *region.size)
    else:
        if region.cases is None:
            raise AssayError(
                f"no distance file of {region.name} for p_count {cfg.p_count}",
                "Give npz, or points by src and tgt",
            )
        query = sampling.draw(
            region.cases,
            cfg.case_idx,
            k=cfg.k_targets,
            mode=cfg.pair_mode,
            min_gt=cfg.min_gt_dist_px,
            seed=seed,
        )
    if cfg.snap:
        query = sampling.snap(query, prob, win=cfg.snap_win, threshold=cfg.snap_threshold)
    check_points(cfg, region, prob, query)
    if cfg.teacher_hard_eval:
        query = taught(cfg, prob, query)
    return Scene(region, prob, query)


def true_map(cfg: RouteConfig, asked: Scene) -> Map:
    """What the dense loss takes for true: the road mask; with a teacher the map as it was given.

    Raises:
        AssayError: neither.
    """
    if cfg.teacher_hard_eval:
        return asked.prob
    if asked.region.mask is None:
        raise AssayError(
            f"lambda_field needs the road mask of {asked.region.name}",
            "Give mask, or teacher_hard_eval=true, or lambda_field=0",
        )
    return (asked.region.mask / 255).astype(np.float32)


def check_points(cfg: RouteConfig, region: Region, prob: Map, query: Query) -> None:
    """Refuse points without data; name points off the road, with the nearest road.

    Raises:
        AssayError: a point without data, or off the road with strict_points.
    """
    off: list[str] = []
    for name, (y, x) in [("src", query.src), *(("tgt", t) for t in query.tgt)]:
        if region.picture.nodata is not None and region.picture.nodata[y, x]:
            raise AssayError(f"{name} {y},{x} lies where the image has no data")
        if prob[y, x] < cfg.min_point_prob:
            off.append(
                f"{name} {y},{x} is off the road (p = {prob[y, x]:.3f}{_nearest(prob, y, x)})"
            )
    if off and cfg.strict_points:
        raise AssayError("; ".join(off), "Move it, or snap=true, or strict_points=false")
    for line in off:
        once(line)


def _nearest(prob: Map, y: int, x: int) -> str:
    road = prob >= ROAD
    if not road.any():
        return "; the map has no road"
    distance, (rows, columns) = distance_transform_edt(~road, return_indices=True)
    return f"; nearest road {rows[y, x]},{columns[y, x]}, {distance[y, x]:.0f} px away"


def taught(cfg: RouteConfig, prob: Map, query: Query) -> Query:
    """The question with the teacher's times as truth.

    It is the exact solver with a cost of its own that never learns, on the student's grid and
    stencil unless the config names others.

    Raises:
        AssayError: no target can be reached.
    """
    ds = cfg.teacher_ds or cfg.downsample
    way = options(cfg, ds)
    if cfg.teacher_stencil:
        way = type(way)(h=way.h, stencil=cfg.teacher_stencil, early_stop=way.early_stop)
    src, tgt = points(query)
    with torch.no_grad():
        grid = teacher_cost(cfg)(pool(torch.from_numpy(prob)[None], ds, pooling(cfg)))
        gt, reached = teach(grid, to_cells(src, ds)[None, None], to_cells(tgt, ds)[None], way)
    found: NDArray[np.bool_] = reached[0].numpy()
    if not found.any():
        raise AssayError("the teacher reaches no target", "Look at the points and the mask")
    truth = np.where(found, gt[0].double().numpy(), np.nan)
    return query._replace(gt=truth, valid=query.valid & found)
