"""Training batches: a function of seed and step alone, so that a resumed run sees the same ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from core.kit import seed as seeds
from tasks.circuitnet.split import Split


def sample(data: Split, size: int, augment: str, seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Features B C H W and labels B 1 H W of a step, float32, mirrored at random.

    Each epoch is a new permutation; the maps that do not fill a batch are dropped.
    """
    epoch, place = divmod(step - 1, len(data) // size)
    order = np.random.default_rng(seeds.derive(seed, "epoch", epoch)).permutation(len(data))
    feature, label = data.maps(order[place * size : (place + 1) * size])
    whole = torch.cat([torch.from_numpy(feature), torch.from_numpy(label)], dim=1)
    draws = np.random.default_rng(seeds.derive(seed, "augment", step)).random((size, 3))
    moved = torch.stack([_moved(m, augment, draw) for m, draw in zip(whole, draws, strict=True)])
    return moved[:, :-1], moved[:, -1:]


def _moved(maps: Tensor, augment: str, draw: np.ndarray) -> Tensor:
    """One sample's maps C H W under its own three draws in [0, 1)."""
    if augment == "d4":
        maps = maps.rot90(int(draw[2] * 4), (1, 2))
    if augment in ("hflip", "hvflip", "d4") and draw[0] < 0.5:
        maps = maps.flip(2)
    if augment == "hvflip" and draw[1] < 0.5:
        maps = maps.flip(1)
    return maps
