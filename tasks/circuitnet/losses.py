"""The terms of the training loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from core.kit.image import ssim_loss
from tasks.circuitnet.config import CircuitnetConfig

HOT = 0.1  # label above which `hotspot_weight` counts
POINTWISE: dict[str, Callable[..., Tensor]] = {
    "MSELoss": F.mse_loss,
    "L1Loss": F.l1_loss,
    "HuberLoss": F.huber_loss,
}

Maps = Float[Tensor, "B 1 H W"]


def terms(
    cfg: CircuitnetConfig, pred: Maps, target: Maps, weights: Mapping[str, float]
) -> dict[str, Tensor]:
    """Every weighted term, unweighted."""
    found = {"pixel": pixel(cfg, pred, target)}
    if weights["ssim"]:
        found["ssim"] = ssim_loss(pred, target)
    return found


def pixel(cfg: CircuitnetConfig, pred: Maps, target: Maps) -> Float[Tensor, ""]:
    """Mean pixel loss, weighted towards hot pixels where the config says so.

    The weighted mean is sum(w l) / (sum(w) + 1e-12) over the batch, or of each map by itself and
    then averaged (`sample_wise`). Source: utils/losses.py of CircuitNet.
    """
    each = POINTWISE[cfg.loss_type](pred, target, reduction="none")
    if not cfg.hotspot_weight:
        return each.mean()
    w = 1 + cfg.hotspot_weight * (target > HOT).to(each.dtype)
    over = (1, 2, 3) if cfg.sample_wise else (0, 1, 2, 3)
    return ((w * each).sum(over) / (w.sum(over) + 1e-12)).mean()
