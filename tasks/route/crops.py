"""Training crops: a function of (seed, step), so that a resumed run sees the very same ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from core.errors import AssayError
from core.kit.seed import derive
from tasks.route.config import RouteConfig
from tasks.route.regions import Region


class Crops(NamedTuple):
    """A batch of image pieces and their road labels."""

    rgb: Float[Tensor, "B 3 S S"]  # 0..255
    road: Float[Tensor, "B S S"]  # 0..1


def draw(
    cfg: RouteConfig, regions: Sequence[Region], seed: int, step: int, device: str, side: int = 0
) -> Crops:
    """Crops of random regions and places, turned, mirrored, brightened; `side` in place of crop.

    Raises:
        AssayError: a region smaller than a crop.
    """
    rng = np.random.default_rng(derive(seed, "crops", step))
    made = [
        _one(side or cfg.crop, regions[int(rng.integers(len(regions)))], rng)
        for _ in range(cfg.seg_batch)
    ]
    rgb = torch.stack([m[0] for m in made]).float()
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, cfg.seg_batch)).float()[:, None, None, None]
    lift = torch.from_numpy(rng.uniform(-25.5, 25.5, cfg.seg_batch)).float()[:, None, None, None]
    road = torch.stack([m[1] for m in made]).float() / 255
    return Crops((rgb * gain + lift).clamp(0, 255).to(device), road.to(device))


def _one(
    side: int, region: Region, rng: np.random.Generator
) -> tuple[UInt8[Tensor, "3 S S"], UInt8[Tensor, "S S"]]:
    height, width = region.size
    if min(height, width) < side:
        raise AssayError(
            f"region {region.name} is {height}x{width}, smaller than a crop of {side}", "Lower crop"
        )
    assert region.mask is not None
    y, x = rng.integers(height - side + 1), rng.integers(width - side + 1)
    part = np.s_[y : y + side, x : x + side]
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    rgb, road = (np.rot90(a[part], turns) for a in (region.picture.rgb, region.mask))
    if mirror:
        rgb, road = rgb[:, ::-1], road[:, ::-1]
    return (
        torch.from_numpy(rgb.transpose(2, 0, 1).copy()),
        torch.from_numpy(road.copy()),
    )


def seg_loss(
    logits: Float[Tensor, "B H W"],
    road: Float[Tensor, "B H W"],
    pos_weight: float,
    dice: float,
) -> Float[Tensor, ""]:
    """(1 - dice) BCE + dice (1 - Dice overlap); road pixels count `pos_weight` times in BCE.

    Dice is taken over the whole batch, with one pixel added to both areas; in [0, 1].
    """
    weight = torch.tensor(pos_weight, device=logits.device)
    bce = F.binary_cross_entropy_with_logits(logits, road, pos_weight=weight)
    p = logits.sigmoid()
    overlap = (2 * (p * road).sum() + 1) / (p.sum() + road.sum() + 1)
    return (1 - dice) * bce + dice * (1 - overlap)
