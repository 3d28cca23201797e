"""Coarse solve, tube around the coarse paths, fine solve inside it; and a certificate.

With the exact solver the coarse T only places the tube: a march needs no warm start. A tube can
only lengthen distances, and mostly is not needed (an early stop visits less); it is the seed's
feature, kept with a certificate. With the sweep solver the coarse T is also the start, and the
sweeps have floors.

The certificate. Let U be the times on the whole grid and V those in the tube, Z the tube's cells
with a neighbour (of 8) outside it, and kappa such that U(x) >= U(p) + kappa |x - p| for every cell
x and every cell p that it depends on. Say a cell is touched if it is outside, or depends, over any
number of steps, on a cell outside. Claim: U(x) >= m(x) = min over Z of V(z) + kappa |x - z| for
touched x. By induction in the order of U: if x depends on a touched p, U(x) >= U(p) + kappa |x - p|
>= m(p) + kappa |x - p| >= m(x). Else x is outside and depends on untouched cells inside, which lie
in Z and where U = V: the same. So V(x) <= m(x), since U <= V, leaves x untouched (or U(x) = V(x)),
and then V(x) = U(x): exact. Stencil 8: kappa = h min(c)/sqrt(2), since a diagonal neighbour is at
least h c below, an axis one at least h c/sqrt(2). Stencil 4: the higher of two neighbours may be
arbitrarily near, kappa = 0.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tasks.route.eikonal import Options, distances, solve, trace
from tasks.route.eikonal.sweep import SweepOptions, sweep

MIN_COARSE = 8  # cells; a smaller coarse grid says nothing


@dataclass(frozen=True)
class Multigrid:
    """The coarse grid; what begins with iters, detach, interp, fine is for the sweep solver."""

    factor: int = 4  # fine cells of a coarse one
    iters_coarse: int = 0  # 0: a quarter of the sweep's iterations, at least 20
    iters_fine: int = 0  # 0: four fifths of them
    detach_coarse: bool = False  # no gradient through the coarse T
    interp: Literal["bilinear", "nearest"] = "bilinear"
    fine_monotone: bool = False  # with it an up-sampled T below the true one never recovers


@dataclass(frozen=True)
class Tube:
    """Where the fine solve takes place. Lengths end in _c where they count coarse cells."""

    shape: Literal["bbox", "corridor"] = "bbox"
    radius_c: int = 8
    pad_c: int = 4
    min_pc: int = 256  # fine cells: a grid without a side that long gets no tube
    max_area_ratio: float = 0.9
    min_side: int = 16  # fine cells
    iters_floor_full: bool = True  # sweep: iterations for the whole grid, not for the tube
    fallback: Literal["full", "none"] = "full"  # valid targets left out of the tube
    verify: bool = False  # solve the whole grid too and report the gap


@dataclass(frozen=True)
class TubeMeta:
    """What was done for one image; times in s."""

    use_tube: bool
    reason_if_not: str
    Hf: int
    Wf: int
    Hc: int
    Wc: int
    ds: int
    mg_factor: int
    y0: int
    x0: int
    tube_h: int
    tube_w: int
    area_ratio: float  # cells of the tube / cells of the grid
    shape: str
    iters_coarse: int | None  # sweeps; None with the exact solver
    iters_fine: int | None
    visited_ratio: float  # cells marched / cells of the grid, fine solve
    oob_count: int  # valid targets outside the tube
    tube_exact: Literal["exact", "unknown"]  # by the certificate, for all valid targets
    gap: float | None  # verify: greatest relative excess over the whole grid's distances
    t_coarse: float
    t_fine: float

    def json(self) -> dict[str, Any]:
        """As the reports write it."""
        return asdict(self)


class Box(NamedTuple):
    """A tube: a rectangle of the fine grid, and which of its cells are free (None: all)."""

    y0: int
    x0: int
    height: int
    width: int
    free: NDArray[np.bool_] | None = None

    @property
    def cells(self) -> int:
        """Number of cells in the tube."""
        return self.height * self.width if self.free is None else int(self.free.sum())

    def shift(self, points: Int[Tensor, "N 2"]) -> Int[Tensor, "N 2"]:
        """Points of the grid in the box; (-1, -1) for those outside the tube, none is moved."""
        at = points - torch.tensor([self.y0, self.x0], device=points.device)
        size = torch.tensor([self.height, self.width], device=points.device)
        inside = (points >= 0).all(1) & (at >= 0).all(1) & (at < size).all(1)
        if self.free is not None:
            y, x = at.clamp_min(0).unbind(1)
            free = torch.from_numpy(self.free).to(points.device)
            inside &= free[y.clamp_max(self.height - 1), x.clamp_max(self.width - 1)]
        return torch.where(inside[:, None], at, -1)


class Tubed(NamedTuple):
    """Times at the targets and what is known of them."""

    at: Float[Tensor, "B K"]  # differentiable; inf: not valid, unreached, or outside the tube
    meta: list[TubeMeta]


def tube_around(
    paths: list[NDArray[np.floating]], grid: tuple[int, int], factor: int, tube: Tube
) -> Box:
    """The tube around coarse paths (points N 2 in coarse cells) on a fine grid of Hf x Wf cells."""
    height, width = grid
    cells = np.rint(np.concatenate(paths)).astype(int)
    room = tube.radius_c + tube.pad_c
    low, high = cells.min(0) - room, cells.max(0) + room + 1
    y0, y1 = _span(low[0] * factor, high[0] * factor, height, tube.min_side)
    x0, x1 = _span(low[1] * factor, high[1] * factor, width, tube.min_side)
    if tube.shape == "bbox":
        return Box(y0, x0, y1 - y0, x1 - x0)
    coarse = torch.zeros(1, 1, -(-height // factor), -(-width // factor))
    dense = np.concatenate([_dense(path) for path in paths])
    coarse[0, 0, dense[:, 0], dense[:, 1]] = 1
    wide = F.max_pool2d(coarse, 2 * room + 1, 1, room)[0, 0].numpy() > 0
    fine = np.kron(wide, np.ones((factor, factor), bool))[y0:y1, x0:x1]
    return Box(y0, x0, y1 - y0, x1 - x0, fine.astype(bool))


def _span(low: int, high: int, limit: int, least: int) -> tuple[int, int]:
    """low..high cut to 0..limit, and made at least `least` long where the grid has room."""
    low, high = max(low, 0), min(high, limit)
    lacks = max(min(least, limit) - (high - low), 0)
    low = max(low - -(-lacks // 2), 0)
    return min(low, limit - min(least, limit)), min(max(high, low + min(least, limit)), limit)


def _dense(path: NDArray[np.floating]) -> NDArray[np.int_]:
    """Cells along a polyline, none left out."""
    parts = [path[:1]]
    for a, b in pairwise(path):
        n = max(1, math.ceil(2 * np.abs(b - a).max()))
        parts.append(a + (np.arange(1, n + 1) / n)[:, None] * (b - a))
    return np.rint(np.concatenate(parts)).astype(int)


def certified(
    T: Float[np.ndarray, "h w"],
    box: Box,
    grid: tuple[int, int],
    targets: Int[np.ndarray, "K 2"],
    kappa: float,
) -> bool:
    """Whether the times V in a tube are those of the whole grid at all targets (cells in the box).

    kappa is per cell: h min(c)/sqrt(2) for stencil 8, 0 for stencil 4. See above for the proof.
    """
    inside = np.ones((box.height, box.width), bool) if box.free is None else box.free
    # a border of cells outside, where the grid goes on; no cell where it ends
    around = np.pad(inside, 1)
    ys, xs = np.arange(-1, box.height + 1) + box.y0, np.arange(-1, box.width + 1) + box.x0
    on_grid = ((ys >= 0) & (ys < grid[0]))[:, None] & ((xs >= 0) & (xs < grid[1]))
    outside = torch.from_numpy(on_grid & ~around).float()[None, None]
    near = F.max_pool2d(outside, 3, 1)[0, 0].numpy() > 0
    edge = np.argwhere(inside & near & np.isfinite(T))  # what is inf came after the targets
    at = T[tuple(targets.T)]
    if (targets < 0).any() or not np.isfinite(at).all():  # a target outside, or unreached
        return False
    if not len(edge):
        return True
    away = np.linalg.norm(targets[:, None] - edge[None], axis=2)
    least = (T[tuple(edge.T)][None] + kappa * away).min(1)
    return bool((at <= least).all())


def kappa(cost: Tensor, options: Options) -> float:
    """What a cell's time exceeds that of any cell it depends on by, at least, per cell apart."""
    return options.h * float(cost.detach().min()) / math.sqrt(2) if options.stencil == 8 else 0.0


def multigrid(
    cost: Float[Tensor, "B Hf Wf"],
    coarse: Float[Tensor, "B Hc Wc"],
    src: Int[Tensor, "B 1 2"],
    tgt: Int[Tensor, "B K 2"],
    valid: Bool[Tensor, "B K"],
    options: Options,
    grid: Multigrid = Multigrid(),
    tube: Tube | None = None,
    sweeps: SweepOptions | None = None,
) -> Tubed:
    """Times from src to the valid targets (fine cells), each image in its own tube.

    `coarse` is the cost on cells `grid.factor` times as wide. With `sweeps` the origin's solver is
    used, whose h is options.h; it needs the coarse T as its start even without a tube.
    """
    found = [
        _one(cost[b], coarse[b], src[b], tgt[b], valid[b], options, grid, tube, sweeps)
        for b in range(len(cost))
    ]
    return Tubed(torch.stack([at for at, _ in found]), [meta for _, meta in found])


def _one(
    cost: Tensor,
    coarse: Tensor,
    src: Tensor,
    tgt: Tensor,
    valid: Tensor,
    options: Options,
    grid: Multigrid,
    tube: Tube | None,
    sweeps: SweepOptions | None,
) -> tuple[Tensor, TubeMeta]:
    whole = (int(cost.shape[0]), int(cost.shape[1]))
    targets = torch.where(valid[:, None], tgt, -1)
    began = time.perf_counter()
    reason = _no_coarse(coarse, cost, grid)
    T_c, n_c = None, None
    if not reason:
        T_c, n_c = _coarse(coarse, src, targets, options, grid, sweeps)
    box, reason = _place(T_c, coarse, targets, whole, options, grid, tube, reason)
    t_coarse, began = time.perf_counter() - began, time.perf_counter()
    if sweeps is None:
        at, T, visited = _exact(cost, src, targets, options, box)
        n_f = None
        exact = T is not None and certified(
            T, box, whole, _numbers(box.shift(targets[valid])), kappa(cost, options)
        )
    else:
        at, n_f = _swept(cost, src, targets, options, grid, tube, sweeps, box, T_c)
        visited, exact = box.cells / cost.numel(), False
    out = int((valid & (box.shift(targets) < 0).any(1)).sum())
    missing = valid & ~(at.detach() < torch.inf)
    if (
        missing.any()
        and tube is not None
        and tube.fallback == "full"
        and not reason
        and sweeps is None
    ):
        again = distances(cost[None], src[None], targets[None], options).at[0]
        at = torch.where(missing, again, at)
    gap = None
    if tube is not None and tube.verify and not reason:
        gap = _gap(at, cost, src, targets, options)
    meta = TubeMeta(
        use_tube=not reason,
        reason_if_not=reason,
        Hf=whole[0],
        Wf=whole[1],
        Hc=int(coarse.shape[0]),
        Wc=int(coarse.shape[1]),
        ds=round(options.h),
        mg_factor=grid.factor,
        y0=box.y0,
        x0=box.x0,
        tube_h=box.height,
        tube_w=box.width,
        area_ratio=box.cells / cost.numel(),
        shape=tube.shape if tube and not reason else "whole",
        iters_coarse=n_c,
        iters_fine=n_f,
        visited_ratio=visited,
        oob_count=out,
        tube_exact="exact" if exact else "unknown",
        gap=gap,
        t_coarse=t_coarse,
        t_fine=time.perf_counter() - began,
    )
    return at, meta


def _no_coarse(coarse: Tensor, cost: Tensor, grid: Multigrid) -> str:
    """Why there is no use in a coarse solve, or nothing."""
    if min(coarse.shape) < MIN_COARSE:
        rows, cols = coarse.shape
        return f"the coarse grid of {rows} x {cols} cells is below {MIN_COARSE}: no multigrid"
    expected = tuple(-(-n // grid.factor) for n in cost.shape)
    if tuple(coarse.shape) != expected:
        raise ValueError(f"coarse cost {tuple(coarse.shape)}, expected {expected}")
    return ""


def _coarse(
    coarse: Tensor,
    src: Tensor,
    targets: Tensor,
    options: Options,
    grid: Multigrid,
    sweeps: SweepOptions | None,
) -> tuple[Tensor, int | None]:
    src_c, targets_c = _to_coarse(src, grid.factor), _to_coarse(targets, grid.factor)
    wide = replace(options, h=options.h * grid.factor)
    if sweeps is None:
        return solve(coarse[None], src_c[None], wide, until=targets_c[None]).T[0], None
    n = grid.iters_coarse or max(20, round(0.25 * sweeps.iters))
    n = max(n, math.ceil(1.5 * max(coarse.shape)))
    return sweep(coarse[None], src_c[None], replace(sweeps, h=wide.h, iters=n))[0], n


def _to_coarse(points: Tensor, factor: int) -> Tensor:
    return points.div(factor, rounding_mode="floor")


def _place(
    T_c: Tensor | None,
    coarse: Tensor,
    targets: Tensor,
    whole: tuple[int, int],
    options: Options,
    grid: Multigrid,
    tube: Tube | None,
    reason: str,
) -> tuple[Box, str]:
    """The tube, or the whole grid and why."""
    everything = Box(0, 0, *whole)
    if T_c is None or tube is None:
        return everything, reason or "tube off"
    if max(whole) < tube.min_pc:
        return everything, f"the longer side of {max(whole)} cells is below {tube.min_pc}"
    costs = coarse.detach().cpu().double().numpy()
    field = T_c.detach().cpu().double().numpy()
    ends = [tuple(c) for c in _numbers(_to_coarse(targets, grid.factor)) if (c >= 0).all()]
    reached = [c for c in ends if np.isfinite(field[c])]
    if not reached:
        return everything, "no valid target was reached on the coarse grid"
    paths = [
        trace(field, costs, (int(y), int(x)), options.h * grid.factor).points for y, x in reached
    ]
    box = tube_around(paths, whole, grid.factor, tube)
    share = box.cells / (whole[0] * whole[1])
    if share >= tube.max_area_ratio:
        return (
            everything,
            f"the tube would take {share:.2f} of the grid, limit {tube.max_area_ratio}",
        )
    return box, ""


def _numbers(points: Tensor) -> NDArray[np.int64]:
    out: NDArray[np.int64] = points.cpu().numpy().astype(np.int64)
    return out


def _cut(cost: Tensor, box: Box) -> tuple[Tensor, Tensor | None]:
    part = cost[box.y0 : box.y0 + box.height, box.x0 : box.x0 + box.width]
    return part, None if box.free is None else torch.from_numpy(box.free).to(cost.device)


def _exact(
    cost: Tensor, src: Tensor, targets: Tensor, options: Options, box: Box
) -> tuple[Tensor, NDArray[np.floating] | None, float]:
    """Times at the targets, the tube's T, and the share of the whole grid's cells marched."""
    part, free = _cut(cost, box)
    found = distances(
        part[None],
        box.shift(src)[None],
        box.shift(targets)[None],
        options,
        mask=None if free is None else free[None],
    )
    share = found.solved.visited[0] * box.cells / cost.numel()
    return found.at[0], found.solved.T[0].detach().cpu().numpy(), share


def _swept(
    cost: Tensor,
    src: Tensor,
    targets: Tensor,
    options: Options,
    grid: Multigrid,
    tube: Tube | None,
    sweeps: SweepOptions,
    box: Box,
    T_c: Tensor | None,
) -> tuple[Tensor, int]:
    """As _exact by the origin's sweeps, started from the coarse T; and their number."""
    part, free = _cut(cost, box)
    start = None
    n = sweeps.iters
    if T_c is not None:
        coarse = (T_c.detach() if grid.detach_coarse else T_c)[None, None]
        size = (coarse.shape[2] * grid.factor, coarse.shape[3] * grid.factor)
        if grid.interp == "bilinear":
            up = F.interpolate(coarse, size, mode="bilinear", align_corners=False)
        else:
            up = F.interpolate(coarse, size, mode="nearest")
        start = up[:, 0, box.y0 : box.y0 + box.height, box.x0 : box.x0 + box.width]
        n = grid.iters_fine or round(0.8 * sweeps.iters)
        full = tube is None or tube.iters_floor_full
        n = max(n, math.ceil(0.8 * max(cost.shape if full else part.shape)))
    o = replace(sweeps, h=options.h, iters=n, monotone=start is None or grid.fine_monotone)
    if free is not None:  # a corridor: walls of a cost that no path affords
        part = torch.where(free, part, sweeps.large_val)
    T = sweep(part[None], box.shift(src)[None], o, start)[0]
    at = box.shift(targets)
    y, x = at.clamp_min(0).unbind(1)
    return torch.where((at >= 0).all(1), T[y, x], torch.inf), n


def _gap(at: Tensor, cost: Tensor, src: Tensor, targets: Tensor, options: Options) -> float:
    """The greatest relative excess over the whole grid's exact times, where both are finite."""
    T = distances(cost.detach()[None], src[None], targets[None], options).at[0]
    both = (torch.inf > T) & (at.detach() < torch.inf) & (T > 0)
    excess = (at.detach() - T)[both] / T[both]
    return float(excess.max()) if both.any() else 0.0
