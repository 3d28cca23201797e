"""A feature of every (x, y, t) from tables of learned numbers, level by level from coarse to fine.

Level l cuts the image into r x r cells and the day into c of them; a point's feature is the
trilinear mean of its cell's eight corners. The clock is a circle: the last cell's far corners are
the first cell's near ones. A level whose corners fit into its table has one entry for each; a finer
one shares entries by a hash, and the network behind sorts the collisions out.

Source: Müller et al. 2022, Instant Neural Graphics Primitives (hash and primes); the periodic time
axis is ours. Letters: N points, L levels, F features, T entries a table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tasks.lightmap import hashkernel
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.mlp import DAY_H

PRIMES = (1, 2654435761 - 2**32, 805459861)  # of x, y, t; the second as int32
TIME_CELLS = (4, 24)  # fewest and most
SPREAD = 1e-4  # of the initial features


class Level(NamedTuple):
    """The cells of one level."""

    across: int  # r, of the longer and of the shorter side alike
    hours: int  # c
    dense: bool  # every corner has an entry of its own


def levels(cfg: LightmapConfig, longest: int) -> list[Level]:
    """Cells from `hash_base` to `hash_top` (0: the longer side of the image), growing evenly."""
    top = max(cfg.hash_base, cfg.hash_top or longest)
    growth = (top / cfg.hash_base) ** (1 / max(1, cfg.hash_levels - 1))
    made = []
    for number in range(cfg.hash_levels):
        across = round(cfg.hash_base * growth**number)
        hours = min(TIME_CELLS[1], max(TIME_CELLS[0], across))
        made.append(Level(across, hours, (across + 1) ** 2 * hours <= 2**cfg.hash_log2_size))
    return made


class HashGrid(nn.Module):
    """Features of N points: N L*F. `longest` is the longer side of the image in pixels.

    state_dict: table, L T F.
    """

    cells: Tensor  # L 3: x, y, t
    dense: Tensor  # L
    primes: Tensor  # 3

    def __init__(self, cfg: LightmapConfig, longest: int) -> None:
        super().__init__()
        made = levels(cfg, longest)
        shape = (len(made), 2**cfg.hash_log2_size, cfg.hash_features)
        self.table = nn.Parameter(torch.empty(shape).uniform_(-SPREAD, SPREAD))
        cells = torch.tensor([[at.across, at.across, at.hours] for at in made], dtype=torch.int32)
        self.register_buffer("cells", cells, persistent=False)
        self.register_buffer("dense", torch.tensor([at.dense for at in made]), persistent=False)
        self.register_buffer("primes", torch.tensor(PRIMES, dtype=torch.int32), persistent=False)

    def forward(self, xy: Tensor, t: Tensor) -> Tensor:
        """N 2 in [-1, 1] and N hours to N L*F."""
        place = torch.cat([(xy + 1) / 2, (t % DAY_H / DAY_H)[:, None]], dim=1)  # N 3 in [0, 1]
        if place.is_cuda:
            return self.by_torch(place)
        shape = (self.cells, self.dense, self.primes)
        out: Tensor = _Compiled.apply(self.table, place, *shape)  # type: ignore[no-untyped-call]
        return out.flatten(1)

    def by_torch(self, place: Tensor) -> Tensor:
        """The same from torch's own operations: for GPUs, and to check the compiled one by."""
        rows, weights = self.corners(place)
        return (self.table.flatten(0, 1)[rows] * weights[..., None]).sum(2).flatten(1)

    def corners(self, place: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the flat table and weights of the corners of every point's cells: N L 8 each."""
        scaled = place[:, None] * self.cells  # N L 3
        low = torch.minimum(scaled.int(), self.cells - 1)
        share = scaled - low
        weights = _outer(torch.stack([1 - share, share], dim=-1), torch.mul)
        pairs = torch.stack([low, low + 1], dim=-1)  # N L 3 2
        pairs[:, :, 2] %= self.cells[:, 2:]
        side = self.cells[:, 0] + 1
        strides = torch.stack([torch.ones_like(side), side, side * side], dim=1)
        own = _outer(pairs * strides[..., None], torch.add)
        entries = self.table.shape[1]
        shared = _outer(pairs * self.primes[:, None], torch.bitwise_xor) & (entries - 1)
        first = torch.arange(len(side), device=place.device)[:, None] * entries
        return torch.where(self.dense[:, None], own, shared) + first, weights


def _outer(pairs: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """All eight combinations of a pair for x, one for y, one for t: N L 3 2 to N L 8."""
    x, y, t = pairs.unbind(2)
    plane = combine(y[..., :, None], x[..., None, :])  # N L 2 2
    return combine(t[..., :, None, None], plane[:, :, None]).flatten(2)


class _Compiled(torch.autograd.Function):
    """The means by `hashkernel`: of the step's 8192 points in 2 ms, where torch's own take 15."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, place: Tensor, *shape: Tensor) -> Tensor:
        n, (levels, _, features) = len(place), table.shape
        out = table.new_empty(n, levels, features)
        rows = torch.empty(levels, n, 8, dtype=torch.int32)
        weights = place.new_empty(levels, n, 8)
        arguments = (place, *shape, table.detach(), out, rows, weights)
        hashkernel.gather(*(x.numpy() for x in arguments))
        ctx.save_for_backward(table, rows, weights)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        table, rows, weights = ctx.saved_tensors
        total = torch.zeros_like(table)
        arguments = (grads[0].contiguous(), rows, weights, total)
        hashkernel.scatter(*(x.numpy() for x in arguments))
        return total, None, None, None, None
