"""Training samples: a function of seed and step alone, so that a resumed run sees the same ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from core.kit import seed as seeds
from tasks.lightmap.blend import Base, pick
from tasks.lightmap.config import LightmapConfig

Indices = tuple[Tensor, Tensor, Tensor]  # N each: number of the known hour, y, x


class Batch(NamedTuple):
    """N pixels. The first `patches` * side * side of them are whole patches, row by row."""

    xy: Tensor  # N 2
    t: Tensor  # N
    target: Tensor  # N 3
    base: Tensor  # N 3
    gain: Tensor  # N 1, factor on the network's output
    patches: int
    side: int
    corners: Tensor  # patches 2: top row and left column, on the CPU

    def images(self, colour: Tensor) -> Tensor:
        """The patches among N colours, as B 3 P P."""
        pixels = colour[: self.patches * self.side**2]
        return pixels.view(self.patches, self.side, self.side, 3).permute(0, 3, 1, 2)


def sample(cfg: LightmapConfig, base: Base, seed: int, step: int) -> Batch:
    """Draw a step's batch: pixels uniform over (hour, y, x), or patches with uniform corners."""
    random = torch.Generator().manual_seed(seeds.derive(seed, "batch", step))
    singles = int(cfg.batch_size * cfg.patch_mix) if cfg.patch_size else cfg.batch_size
    patches = max(1, (cfg.batch_size - singles) // cfg.patch_size**2) if cfg.patch_size else 0
    return _draw(base, patches, cfg.patch_size, singles, random)


def sample_large(cfg: LightmapConfig, base: Base, seed: int, step: int) -> Batch:
    """The patches of side `lpips_patch` that LPIPS has to itself, of as many pixels as a batch."""
    random = torch.Generator().manual_seed(seeds.derive(seed, "lpips", step))
    return _draw(base, max(1, cfg.batch_size // cfg.lpips_patch**2), cfg.lpips_patch, 0, random)


def _draw(base: Base, patches: int, side: int, singles: int, random: torch.Generator) -> Batch:
    """Patches, then single pixels, with all that the network and the losses need there."""
    whole, corners = _patches(patches, side, base, random)
    parts = [whole, _pixels(singles, base, random)]
    device = base.day.frames.device
    hour, y, x = (torch.cat(column).to(device) for column in zip(*parts, strict=True))
    return _at(base, hour, y, x)._replace(patches=patches, side=side, corners=corners)


def _pixels(n: int, base: Base, random: torch.Generator) -> Indices:
    """N independent pixels."""
    height, width = base.day.height, base.day.width
    flat = torch.randint(len(base.known) * height * width, (n,), generator=random)
    return flat // (height * width), flat // width % height, flat % width


def _patches(n: int, side: int, base: Base, random: torch.Generator) -> tuple[Indices, Tensor]:
    """All pixels of n square patches, patch by patch and row by row; and the corners n 2."""
    rounds = torch.rand(-(-n // len(base.known)), len(base.known), generator=random).argsort(1)
    hour = rounds.flatten()[:n].view(n, 1, 1)
    top = torch.randint(base.day.height - side + 1, (n, 1, 1), generator=random)
    left = torch.randint(base.day.width - side + 1, (n, 1, 1), generator=random)
    along = torch.arange(side)
    whole = (hour, top + along[:, None], left + along)  # n 1 1, n side 1, n 1 side
    hour, y, x = (index.expand(n, side, side).flatten() for index in whole)
    return (hour, y, x), torch.cat([top, left], dim=1)[..., 0]


def _at(base: Base, hour: Tensor, y: Tensor, x: Tensor) -> Batch:
    """Everything the network and the losses need at single pixels."""
    day = base.day
    under, gain = base.pixels(hour, y, x)
    frame = pick([day.hours.index(h) for h in base.known], hour)
    return Batch(
        xy=torch.stack([(x + 0.5) / day.width * 2 - 1, (y + 0.5) / day.height * 2 - 1], dim=1),
        t=pick([float(h) for h in base.known], hour),
        target=base.colours(frame, y, x),
        base=under,
        gain=gain,
        patches=0,
        side=0,
        corners=torch.empty(0, 2),
    )
