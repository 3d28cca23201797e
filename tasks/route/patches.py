"""Distances inside image patches: one anchor in the middle, targets beside it, for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.kit.seed import derive
from tasks.route.config import RouteConfig
from tasks.route.regions import Region
from tasks.route.sampling import Query

LONGEST = 1.5  # of the patch's side: longer ways leave it and come back
DETOUR = 3.0  # of the straight line: such a way runs outside
MULTIPLE = 16  # of a patch's side, for the U-Net's halvings
TRIES = 40  # anchors looked at for one patch


class Patch(NamedTuple):
    """A square piece of a region and a question in its pixels."""

    rgb: NDArray[np.uint8]  # S S 3
    road: NDArray[np.uint8]  # S S
    query: Query  # padded to k targets: position -1, not valid
    roi: tuple[int, int, int, int]  # y0, x0, y1, x1 of the part that is solved
    truncated: bool  # the part would have left the patch


def draw(
    cfg: RouteConfig, regions: Sequence[Region], seed: int, step: int, side: int = 0
) -> list[Patch]:
    """The patches of a step, a function of (seed, step); fewer where no anchor fits.

    `side` in place of `roi_patch`, for a network of a fixed size; else as much of it as fits.
    """
    rng = np.random.default_rng(derive(seed, "patches", step))
    found = (_one(cfg, regions, rng, side) for _ in range(cfg.batch_size))
    return [patch for patch in found if patch is not None]


def _one(
    cfg: RouteConfig, regions: Sequence[Region], rng: np.random.Generator, fixed: int
) -> Patch | None:
    for _ in range(TRIES):
        region = regions[int(rng.integers(len(regions)))]
        assert region.cases is not None
        assert region.mask is not None
        case, anchor = (int(rng.integers(n)) for n in region.cases.yx.shape[:2])
        side = fixed or min(cfg.roi_patch, *region.size) // MULTIPLE * MULTIPLE
        if side > min(region.size):
            continue
        src = region.cases.yx[case, anchor]
        corner = np.clip(src - side // 2, 0, np.array(region.size) - side)
        query = within(cfg, region, case, anchor, corner, side)
        if query is None:
            continue
        y, x = (int(c) for c in corner)
        rgb = region.picture.rgb[y : y + side, x : x + side]
        road = region.mask[y : y + side, x : x + side]
        for axis in (0, 1):  # mirror up-down, left-right
            if rng.integers(2):
                rgb, road = np.flip(rgb, axis), np.flip(road, axis)
                query = mirrored(query, axis, side)
        bright = rgb * rng.uniform(0.8, 1.2) + rng.uniform(-25.5, 25.5)
        roi, truncated = around(query, cfg.roi_margin, side)
        return Patch(np.clip(bright, 0, 255).astype(np.uint8), road.copy(), query, roi, truncated)
    return None


def within(
    cfg: RouteConfig, region: Region, case: int, anchor: int, corner: NDArray[np.int64], side: int
) -> Query | None:
    """The nearest targets inside the patch, with ways that stay in it; None for too few."""
    cases = region.cases
    assert cases is not None
    yx, gt = cases.yx[case], cases.dist[case, anchor]
    inside = ((yx >= corner) & (yx < corner + side)).all(1) & (yx != yx[anchor]).any(1)
    if inside.sum() < cfg.min_in_patch:
        return None
    step = (yx - yx[anchor]).astype(np.float64)
    straight = np.sqrt((step * step).sum(1))
    with np.errstate(invalid="ignore"):
        stays = (gt <= LONGEST * side) & (gt <= DETOUR * straight) & (gt >= cfg.min_gt_dist_px)
    good = np.flatnonzero(inside & stays)
    good = good[np.argsort(straight[good], kind="stable")][: cfg.k_targets]
    if not len(good):
        return None
    more = cfg.k_targets - len(good)
    tgt = np.concatenate([yx[good] - corner, np.full((more, 2), -1)])
    far = np.concatenate([gt[good], np.full(more, np.nan)])
    return Query(yx[anchor] - corner, tgt, far, np.isfinite(far))


def mirrored(query: Query, axis: int, side: int) -> Query:
    """The question in the patch mirrored along an axis: coordinate side - 1 - c; -1 stays."""
    src, tgt = query.src.copy(), query.tgt.copy()
    src[axis] = side - 1 - src[axis]
    real = (query.tgt >= 0).all(1)
    tgt[real, axis] = side - 1 - tgt[real, axis]
    return query._replace(src=src, tgt=tgt)


def around(query: Query, margin: int, side: int) -> tuple[tuple[int, int, int, int], bool]:
    """A square of 2 (span + margin) + 1 around the source, cut to the patch (never padded)."""
    span = int(np.abs(query.tgt[query.valid] - query.src).max())
    low, high = query.src - span - margin, query.src + span + margin + 1
    truncated = bool((low < 0).any() or (high > side).any())
    (y0, x0), (y1, x1) = np.maximum(low, 0).tolist(), np.minimum(high, side).tolist()
    return (y0, x0, y1, x1), truncated
