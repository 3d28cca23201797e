"""The same fixed point and adjoint in plain torch: any device, no compiler, whole maps at a time.

Slow on large maps (one pass per cell of the longest path); what is used where numba is missing, and
the reference that cpu.py and gpu.py are tested against. Names and formulas are those of cpu.py.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

DIAGONAL = 1 / math.sqrt(2)  # e at which the diagonal neighbour alone decides


def update(T: Float[Tensor, "N H+2 W+2"], q: Float[Tensor, "N H W"], stencil: int) -> Tensor:
    """The value that every inner cell would take from its neighbours: N H W. q may be inf."""
    west, east = T[:, 1:-1, :-2], T[:, 1:-1, 2:]
    north, south = T[:, :-2, 1:-1], T[:, 2:, 1:-1]
    if stencil == 4:
        a, b = torch.minimum(west, east), torch.minimum(north, south)
        d = torch.minimum(_nan_to_inf((a - b).abs()), q)
        return _nan_to_inf(torch.minimum(a, b) + 0.5 * (d + (2 * q * q - d * d).sqrt()))
    nw, ne, sw, se = T[:, :-2, :-2], T[:, :-2, 2:], T[:, 2:, :-2], T[:, 2:, 2:]
    beside = [(west, nw, sw), (east, ne, se), (north, nw, ne), (south, sw, se)]
    return torch.stack([_triangle(a, torch.minimum(d, e), q)[0] for a, d, e in beside]).amin(0)


def _triangle(axis: Tensor, corner: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """A cell's value from one axis neighbour and the lower corner beside it; and e, clipped."""
    e = ((axis - corner) / q).nan_to_num(0.0, math.inf, -math.inf).clamp(0, DIAGONAL)
    inside = axis + q * (1 - e * e).sqrt()
    return _nan_to_inf(torch.where(e >= DIAGONAL, corner + math.sqrt(2) * q, inside)), e


def _nan_to_inf(x: Tensor) -> Tensor:
    """Inf - inf and its like: there is nothing on either side."""
    return torch.where(x.isnan(), math.inf, x)


def place(q: Float[Tensor, "B H W"], sources: list[Tensor], margin: int = 1) -> Tensor:
    """T before the first pass, with a border: 0 at the sources that are not in walls, else inf."""
    T = torch.full_like(q, math.inf)
    for field, cells, walls in zip(T, sources, q, strict=True):
        cells = cells[walls[cells[:, 0], cells[:, 1]] < math.inf]
        field[cells[:, 0], cells[:, 1]] = 0
    return F.pad(T, (margin,) * 4, value=math.inf)


def solve(
    q: Float[Tensor, "B H W"], sources: list[Tensor], stencil: int
) -> tuple[Float[Tensor, "B H+2 W+2"], int]:
    """T with its border of inf, and the number of passes; q = h*cost, inf in walls."""
    T, passes = place(q, sources), 0
    inner = T[:, 1:-1, 1:-1]
    while True:
        new = torch.minimum(inner, update(T, q, stencil))
        passes += 1
        if torch.equal(new, inner):
            return T, passes
        inner.copy_(new)


class Upwind(NamedTuple):
    """What some cells depend on, as places in the flat bordered T: each N."""

    first: Tensor
    second: Tensor  # the same as first where a cell depends on one
    weight: Tensor  # of second
    slope: Tensor  # dT/dq


def upwind(
    T: Float[Tensor, " M"], q: Float[Tensor, " N"], at: Tensor, w: int, stencil: int
) -> Upwind:
    """The upwind cells of the cells `at`; w is the row length of the flat T. As in adjoint.py."""
    west, east, north, south = at - 1, at + 1, at - w, at + w
    if stencil == 4:
        x = torch.where(T[west] <= T[east], west, east)
        y = torch.where(T[north] <= T[south], north, south)
        low, high = torch.where(T[x] <= T[y], x, y), torch.where(T[x] <= T[y], y, x)
        d = T[high] - T[low]
        both = (d < q) & (T[high] < T[at])
        r = (2 * q * q - torch.where(both, d, 0) ** 2).sqrt()
        return Upwind(
            low,
            torch.where(both, high, low),
            torch.where(both, 0.5 * (r - d) / r, 0),
            torch.where(both, q / r, 1),
        )
    found: list[tuple[Tensor, ...]] = []
    for axis, aside in ((west, w), (east, w), (north, 1), (south, 1)):
        one, two = axis - aside, axis + aside
        corner = torch.where(T[one] <= T[two], one, two)
        value, e = _triangle(T[axis], T[corner], q)
        root = (1 - e * e).sqrt()
        alone = e >= DIAGONAL
        first = torch.where(alone, corner, axis)
        second = torch.where(e > 0, corner, axis)
        found.append((value, first, second, torch.where(alone, 0, e / root), 1 / root))
    value, first, second, weight, slope = (torch.stack(x) for x in zip(*found, strict=True))
    best = value.argmin(0, keepdim=True)
    return Upwind(*(x.gather(0, best)[0] for x in (first, second, weight, slope)))


def pull(
    T: Float[Tensor, "B H+2 W+2"], q: Float[Tensor, "B H W"], upstream: Tensor, stencil: int
) -> Float[Tensor, "B H W"]:
    """dL/dq where dL/dT is `upstream` (B H W): what arrives is handed on until nothing is left.

    A round touches only the cells that still have something to hand on.
    """
    w, flat = T.shape[2], T.flatten()
    costs = F.pad(q, (1, 1, 1, 1), value=math.inf).flatten()
    grad = torch.zeros_like(flat)
    left = F.pad(upstream, (1, 1, 1, 1)).flatten().to(flat.dtype)
    at = left.nonzero()[:, 0]
    lam = left[at]
    while len(at):
        moves = (flat[at] > 0) & (flat[at] < math.inf)  # neither a source nor unreached
        at, lam = at[moves], lam[moves]
        up = upwind(flat, costs[at], at, w, stencil)
        grad.index_add_(0, at, lam * up.slope)
        to = torch.cat([up.first, up.second])
        given = torch.cat([lam * (1 - up.weight), lam * up.weight])
        lower = (flat[to] < flat[torch.cat([at, at])]) & (given != 0)
        at, where = to[lower].unique(return_inverse=True)
        lam = torch.zeros_like(flat[at]).index_add_(0, where, given[lower])
    return grad.view_as(T)[:, 1:-1, 1:-1]
