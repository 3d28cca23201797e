"""The encoder's features at the points of a training batch, by the cheapest way that is exact.

A pixel's features depend on its 7x7 neighbourhood alone. So patches that cover less than the image
are encoded as crops with a border of 3 pixels; everything else needs the whole image, in every step
or, with be_every, in every k-th: between those the encoder rests and its features are kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tasks.lightmap.batch import Batch
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.model import BaselineEncoder, sample

HALO = 3  # three 3x3 convolutions


class Features:
    """Features of one baseline image while its encoder is being trained."""

    def __init__(self, cfg: LightmapConfig, encoder: BaselineEncoder | None, image: Tensor) -> None:
        self.cfg, self.encoder, self.image = cfg, encoder, image
        self._kept: Tensor | None = None  # C H' W', valid while the encoder rests

    def __call__(self, batch: Batch, step: int) -> Tensor | None:
        """N C, or None without an encoder. Steps 1, 1 + k, 1 + 2k, ... have its gradient."""
        if self.encoder is None:
            return None
        if (step - 1) % self.cfg.be_every == 0:
            self._kept = None
            if self.crops(batch):
                return cropped(self.encoder, self.image, batch)
            return sample(self.encoder(self.image), batch.xy)
        if self._kept is None:
            with torch.no_grad():
                self._kept = self.encoder(self.image)
        return sample(self._kept, batch.xy)

    def crops(self, batch: Batch) -> bool:
        """Whether crops are exact and smaller than the image."""
        side, (height, width) = batch.side + 2 * HALO, self.image.shape[1:]
        whole_patches = batch.patches * batch.side**2 == len(batch.t)
        fits = self.cfg.be_downsample == 1 and whole_patches and side <= min(height, width)
        return fits and batch.patches * side**2 < height * width


def cropped(encoder: BaselineEncoder, image: Tensor, batch: Batch) -> Tensor:
    """Features of whole patches from crops around them: N C.

    A crop that would reach over the image's edge is moved inwards, so that the zeros which the
    convolutions put around a crop lie where they lie around the image, or too far away to matter.
    """
    side = batch.side + 2 * HALO
    limit = torch.tensor(image.shape[1:]) - side
    starts = (batch.corners - HALO).clamp(min=torch.zeros_like(limit), max=limit)
    windows = torch.stack([image[:, y : y + side, x : x + side] for y, x in starts.tolist()])
    features = encoder.net(windows)  # B C side side
    offsets = (batch.corners - starts).tolist()
    inner = [
        one[:, y : y + batch.side, x : x + batch.side]
        for one, (y, x) in zip(features, offsets, strict=True)
    ]
    return torch.stack(inner).permute(0, 2, 3, 1).flatten(0, 2)
