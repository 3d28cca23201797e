"""Training crops: a function of (seed, step), so that a resumed run sees the very same ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
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
    thin: Float[Tensor, "B S S"] | None  # 0..1, centre lines; with thin_target alone


def draw(
    cfg: RouteConfig, regions: Sequence[Region], seed: int, step: int, device: str, side: int = 0
) -> Crops:
    """Crops of random regions and places, turned, mirrored, brightened; `side` in place of crop.

    Raises:
        AssayError: a region smaller than a crop.
    """
    rng = np.random.default_rng(derive(seed, "crops", step))
    made = [
        _one(side or cfg.crop, regions[int(rng.integers(len(regions)))], rng, cfg.thin_target)
        for _ in range(cfg.seg_batch)
    ]
    rgb = torch.stack([m[0] for m in made]).float()
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, cfg.seg_batch)).float()[:, None, None, None]
    lift = torch.from_numpy(rng.uniform(-25.5, 25.5, cfg.seg_batch)).float()[:, None, None, None]
    road, *thin = (
        torch.stack(layer).float().to(device) / 255
        for layer in zip(*(m[1:] for m in made), strict=True)
    )
    return Crops((rgb * gain + lift).clamp(0, 255).to(device), road, thin[0] if thin else None)


def _one(side: int, region: Region, rng: np.random.Generator, thin: bool) -> list[Tensor]:
    """Image 3 S S, road S S, and centre lines S S if asked for; all cut and turned alike."""
    height, width = region.size
    if min(height, width) < side:
        raise AssayError(
            f"region {region.name} is {height}x{width}, smaller than a crop of {side}", "Lower crop"
        )
    assert region.mask is not None
    y, x = rng.integers(height - side + 1), rng.integers(width - side + 1)
    part = np.s_[y : y + side, x : x + side]
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    layers = [region.picture.rgb, region.mask]
    if thin:
        assert region.skeleton is not None
        layers.append(region.skeleton)
    turned = [np.rot90(a[part], turns) for a in layers]
    rgb, *flat = (a[:, ::-1] if mirror else a for a in turned)
    return [
        torch.from_numpy(rgb.transpose(2, 0, 1).copy()),
        *(torch.from_numpy(a.copy()) for a in flat),
    ]


def seg_loss(
    cfg: RouteConfig,
    logits: Float[Tensor, "B H W"],
    road: Float[Tensor, "B H W"],
    thin: Float[Tensor, "B H W"] | None = None,
) -> Float[Tensor, ""]:
    """(1 - dice) BCE + dice (1 - Dice overlap); road pixels count `pos_weight` times in BCE.

    `focal` scales each pixel's BCE by (1 - p of the true class)^focal (Lin et al. 2017, arXiv
    1708.02002). With centre lines Dice is taken against them, and they count `thin_boost` times in
    BCE. Dice is taken over the whole batch, with one pixel added to both areas; in [0, 1].
    """
    weight = torch.tensor(cfg.pos_weight, device=logits.device)
    each = F.binary_cross_entropy_with_logits(logits, road, pos_weight=weight, reduction="none")
    p = logits.sigmoid()
    if cfg.focal:
        each = each * (p - road).abs() ** cfg.focal
    if thin is not None:
        each = each * (1 + (cfg.thin_boost - 1) * thin)
    target = road if thin is None else thin
    overlap = (2 * (p * target).sum() + 1) / (p.sum() + target.sum() + 1)
    return (1 - cfg.dice) * each.mean() + cfg.dice * (1 - overlap)
