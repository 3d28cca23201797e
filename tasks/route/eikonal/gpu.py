"""The solve on a GPU: the block fast iterative method (Jeong and Whitaker 2008) in torch.

The map is cut into tiles of SIDE x SIDE cells; a round takes all active tiles of all maps with a
border of one cell, makes INNER passes over each at once, and writes them back. A tile is active in
the next round when it or one of its eight neighbours changed, and the work ends when none is: the
fixed point of torch_ref.py, without passes over parts where nothing happens.

Runs on the CPU too, which is how it is tested where there is no GPU. Small maps are quicker by way
of the CPU's march, a copy there and back: see `solve` in __init__.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tasks.route.eikonal.torch_ref import place, update

SIDE = 16  # cells
INNER = 16  # passes a visit: a front can cross the tile


def solve(
    q: Float[Tensor, "B H W"], sources: list[Tensor], stencil: int
) -> tuple[Float[Tensor, "B H+2 W+2"], int]:
    """T with its border of inf, and the number of rounds; q = h*cost, inf in walls."""
    height, width = q.shape[1:]
    q = F.pad(q, (0, -width % SIDE, 0, -height % SIDE), value=math.inf)
    T = place(q, sources)
    rows, cols = q.shape[1] // SIDE, q.shape[2] // SIDE
    # views of all tiles, B rows cols SIDE SIDE: T's overlap by their borders
    tiles = T.unfold(1, SIDE + 2, SIDE).unfold(2, SIDE + 2, SIDE)
    inner = T[:, 1:-1, 1:-1].unflatten(2, (cols, SIDE)).unflatten(1, (rows, SIDE)).transpose(2, 3)
    costs = q.unflatten(2, (cols, SIDE)).unflatten(1, (rows, SIDE)).transpose(2, 3)
    active = _beside((inner == 0).flatten(3).any(3))
    rounds = 0
    while active.any():
        b, y, x = active.nonzero(as_tuple=True)
        block, cost = tiles[b, y, x], costs[b, y, x]
        middle = block[:, 1:-1, 1:-1]
        before = middle.clone()
        for _ in range(INNER):
            middle.copy_(torch.minimum(middle, update(block, cost, stencil)))
        changed = torch.zeros_like(active)
        changed[b, y, x] = (middle < before).flatten(1).any(1)
        inner[b, y, x] = middle
        active = _beside(changed)
        rounds += 1
    return T[:, : height + 2, : width + 2], rounds


def _beside(tiles: Tensor) -> Tensor:
    """The tiles given and their eight neighbours: B rows cols."""
    return F.max_pool2d(tiles.float()[:, None], 3, stride=1, padding=1)[:, 0] > 0
