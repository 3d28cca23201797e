"""The terms of the training loss. Predictions are not clamped: a clamped pixel would not learn."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from core.kit.image import LPIPS_SIDE, lpips, ssim, ssim_loss
from tasks.lightmap.batch import Batch
from tasks.lightmap.config import LightmapConfig


def due(cfg: LightmapConfig, weights: Mapping[str, float], step: int) -> dict[str, float]:
    """The weights of one step. LPIPS counts in steps 1, 1 + lpips_freq, ... at its full weight."""
    on = bool(cfg.lpips_freq) and (step - 1) % cfg.lpips_freq == 0
    return {name: w if name != "lpips" or on else 0.0 for name, w in weights.items()}


def terms(
    pred: Tensor, batch: Batch, weights: Mapping[str, float], flattest: float = 0.0
) -> dict[str, Tensor]:
    """The weighted terms of predicted colours N 3, unweighted, but for LPIPS."""
    out = {"l2": F.mse_loss(pred, batch.target)}
    if weights["ssim"] and batch.patches:
        out["ssim"] = _ssim_loss(batch.images(pred), batch.images(batch.target), flattest)
    return out


def _ssim_loss(pred: Tensor, true: Tensor, flattest: float) -> Tensor:
    """1 - SSIM, mean over the patches whose true values vary more than `flattest` in space."""
    if not flattest:
        return ssim_loss(pred, true)
    counts = true.flatten(2).std(2).mean(1) > flattest
    return ((1 - ssim(pred, true)) * counts).sum() / counts.sum().clamp(min=1)


def perceptual(pred: Tensor, batch: Batch) -> dict[str, Tensor]:
    """The LPIPS of predicted patches; those below AlexNet's smallest input are enlarged to it."""
    seen, true = (_large(batch.images(colour)) for colour in (pred, batch.target))
    return {"lpips": lpips(device=str(pred.device))(seen, true).mean()}


def _large(images: Tensor) -> Tensor:
    """Patches below AlexNet's smallest input are enlarged to it."""
    if images.shape[-1] >= LPIPS_SIDE:
        return images
    return F.interpolate(images, size=LPIPS_SIDE, mode="bilinear", align_corners=False)
