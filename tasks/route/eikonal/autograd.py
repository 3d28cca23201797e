"""Eikonal distances as torch functions: the march forwards, the discrete adjoint backwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from core.errors import AssayError
from tasks.route.eikonal import adjoint, cpu, gpu, torch_ref
from tasks.route.eikonal.jit import HAVE_NUMBA

Backend = Literal["auto", "numba", "torch", "blocks"]
GPU_CELLS = 2**20  # below it a map on a GPU is solved by the CPU: two copies of 4 MB are nothing
Out = TypeVar("Out")


@dataclass(frozen=True)
class Options:
    """How to solve.

    backend: `numba` marches on the CPU, `torch` makes whole passes on the map's device, `blocks` is
    for large maps on a GPU; `auto` takes numba where it is installed and the map is on the CPU or
    small.
    """

    h: float = 1.0  # pixels a cell
    stencil: int = 8  # 4: Godunov upwind; 8: semi-Lagrangian on 8 triangles
    early_stop: bool = True  # end when the targets are final; T beyond them is inf
    backend: Backend = "auto"

    def __post_init__(self) -> None:
        if self.stencil not in (4, 8):
            raise AssayError(f"stencil {self.stencil} does not exist", "Use 4 or 8")
        if not 0 < self.h < float("inf"):
            raise AssayError(f"h is {self.h} pixels a cell; it must be positive", "Set downsample")

    def chosen(self, cost: Tensor) -> Backend:
        """The backend for a batch of maps."""
        if self.backend == "numba" and not HAVE_NUMBA:
            raise AssayError("numba is not installed", "pip install numba, or use backend torch")
        if self.backend != "auto":
            return self.backend
        if cost.device.type == "cpu" or cost.numel() <= GPU_CELLS:
            return "numba" if HAVE_NUMBA else "torch"
        return "blocks"


class Solved(NamedTuple):
    """The fields of a batch of maps. Do not write to T: the backward pass reads it."""

    T: Float[Tensor, "B H W"]  # pixels of cost 1; inf: unreached, or open at an early stop
    visited: list[float]  # share of the free cells, per map
    backend: str  # what was used, with the queue or the passes it took
    seconds: float


class _State(NamedTuple):
    """A solve as the adjoint needs it."""

    cost: Tensor  # B H W, of the type computed in
    fields: Any  # numba: a list of each map's T; torch: a tensor B H+2 W+2
    mask: Tensor | None


def solve(
    cost: Float[Tensor, "B H W"],
    src: Int[Tensor, "B S 2"],
    options: Options = Options(),
    *,
    until: Int[Tensor, "B K 2"] | None = None,
    mask: Bool[Tensor, "B H W"] | None = None,
) -> Solved:
    """Travel times from the nearest of S sources, without gradient; see `distances` and `field`.

    With `until` a map's march may end when these targets are final. Negative coordinates stand for
    no source or target. Cells where `mask` is False are walls.
    """
    return _solve(cost.detach(), src, until, mask, options)[0]


def _solve(
    cost: Tensor, src: Tensor, until: Tensor | None, mask: Tensor | None, options: Options
) -> tuple[Solved, _State]:
    began = time.perf_counter()
    check(cost, src, "source")
    if until is not None:
        check(cost, until, "target")
    if cost.dtype not in (torch.float32, torch.float64):
        cost = cost.float()  # half precision cannot hold the times
    backend = options.chosen(cost)
    if backend == "numba":
        solved, state = _march(cost, src, until if options.early_stop else None, mask, options)
    else:
        _refuse(cost, mask)
        q = cost * options.h if mask is None else torch.where(mask, cost * options.h, torch.inf)
        sources = [cells[(cells >= 0).all(1)].to(cost.device) for cells in src]
        way = gpu.solve if backend == "blocks" else torch_ref.solve
        T, passes = way(q, sources, options.stencil)
        T_inner = T[:, 1:-1, 1:-1]
        solved = Solved(T_inner, [1.0] * len(cost), f"{backend}, {passes} passes", 0.0)
        state = _State(cost, T, mask)
    return solved._replace(seconds=time.perf_counter() - began), state


def _march(
    cost: Tensor, src: Tensor, until: Tensor | None, mask: Tensor | None, options: Options
) -> tuple[Solved, _State]:
    costs = cost.cpu().numpy()
    walls = None if mask is None else mask.cpu().numpy()
    sources, targets = _cells(src), [None] * len(cost) if until is None else _cells(until)

    def one(b: int) -> tuple[Any, cpu.March]:
        free = None if walls is None else walls[b]
        return cpu.march(
            costs[b], sources[b], targets[b], h=options.h, stencil=options.stencil, mask=free
        )

    found = each(one, len(cost))
    fields = [T for T, _ in found]
    if len(fields) == 1:
        T = torch.from_numpy(fields[0])[None]
    else:
        T = torch.stack([torch.from_numpy(field) for field in fields])
    marches = [m for _, m in found]
    solved = Solved(
        T.to(cost.device), [m.visited for m in marches], f"numba, {marches[0].queue}", 0.0
    )
    return solved, _State(cost, fields, mask)


def each(call: Callable[[int], Out], n: int) -> list[Out]:
    """call(0), ..., call(n - 1), on as many threads as torch may use."""
    workers = min(n, torch.get_num_threads())
    if workers < 2:
        return [call(i) for i in range(n)]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(call, range(n)))


def _cells(points: Tensor) -> list[Any]:
    """Each map's points N 2 as int64 arrays, without the negative ones."""
    return [p[(p >= 0).all(1)] for p in points.detach().cpu().numpy().astype(np.int64)]


def check(cost: Tensor, points: Tensor, what: str) -> None:
    """Refuse points outside the grid, and shapes that do not fit."""
    if cost.ndim != 3 or points.ndim != 3 or points.shape[0] != len(cost) or points.shape[2] != 2:
        raise AssayError(
            f"cost of shape {tuple(cost.shape)} with {what}s of shape {tuple(points.shape)}",
            "They are B H W and B N 2",
        )
    limit = torch.tensor(cost.shape[1:], device=points.device)
    outside = (points >= limit).any(2) & (points >= 0).all(2)
    if outside.any():
        y, x = points[outside][0].tolist()
        raise AssayError(
            f"{what} cell (y {y}, x {x}) lies outside the grid of {limit[0]} x {limit[1]}",
            "Points are (y, x) from the top left",
        )


def _refuse(cost: Tensor, mask: Tensor | None) -> None:
    """The check of costs that the march makes in passing."""
    low, high = cpu.RANGE
    bad = ~((cost >= low) & (cost <= high))
    if mask is not None:
        bad &= mask
    if bad.any():
        b, y, x = bad.nonzero()[0].tolist()
        raise AssayError(
            f"the cost of cell (y {y}, x {x}) is {cost[b, y, x]}; it must lie in {cpu.RANGE}",
            "Look at alpha, gamma and the probability map",
        )


def _pull(state: _State, upstream: Tensor, options: Options) -> Tensor:
    """dL/dcost for dL/dT = upstream B H W."""
    if isinstance(state.fields, Tensor):
        q = state.cost * options.h
        if state.mask is not None:
            q = torch.where(state.mask, q, torch.inf)
        return torch_ref.pull(state.fields, q, upstream, options.stencil) * options.h
    costs, given = state.cost.cpu().numpy(), upstream.cpu().numpy()

    def one(b: int) -> Any:
        cells = np.argwhere(given[b])
        values = given[b][cells[:, 0], cells[:, 1]]
        return adjoint.pull(
            state.fields[b], costs[b], cells, values, h=options.h, stencil=options.stencil
        )

    return _stacked(each(one, len(costs)), state.cost)


def _pull_points(state: _State, tgt: Tensor, upstream: Tensor, options: Options) -> Tensor:
    """dL/dcost for dL/dT = upstream B K at the targets B K 2."""
    here = (tgt >= 0).all(2)
    if isinstance(state.fields, Tensor):
        dense = torch.zeros_like(state.cost)
        b, k = here.nonzero(as_tuple=True)
        y, x = tgt[b, k].unbind(1)
        dense.index_put_((b, y, x), upstream[b, k].to(dense.dtype), accumulate=True)
        return _pull(state, dense, options)
    costs, given, cells = state.cost.cpu().numpy(), upstream.cpu().numpy(), tgt.cpu().numpy()
    used = here.cpu().numpy()

    def one(b: int) -> Any:
        values = given[b][used[b]].astype(np.float64)
        return adjoint.pull(
            state.fields[b],
            costs[b],
            cells[b][used[b]].astype(np.int64),
            values,
            h=options.h,
            stencil=options.stencil,
        )

    return _stacked(each(one, len(costs)), state.cost)


def _stacked(maps: list[Any], like: Tensor) -> Tensor:
    whole = torch.from_numpy(maps[0])[None] if len(maps) == 1 else torch.from_numpy(np.stack(maps))
    return whole.to(like.device)


def _first_only() -> None:
    """Grad mode is on in a backward pass only when that pass is to be differentiated in turn."""
    if torch.is_grad_enabled():
        raise RuntimeError("Eikonal times have first derivatives only: drop create_graph=True")


class EikonalDistance(torch.autograd.Function):
    """apply(cost B H W, src B S 2, tgt B K 2, mask, options, into) -> T at the targets B K.

    The backward pass visits only the cells that the targets depend on. Unreached targets are inf
    and pass nothing on. The whole solve is appended to `into`.
    """

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any,
        cost: Tensor,
        src: Tensor,
        tgt: Tensor,
        mask: Tensor | None,
        options: Options,
        into: list[Solved],
    ) -> Tensor:
        solved, ctx.state = _solve(cost, src, tgt, mask, options)
        into.append(solved)
        ctx.tgt, ctx.options, ctx.dtype = tgt.to(cost.device), options, cost.dtype
        return read(solved.T, ctx.tgt).to(cost.dtype)

    @staticmethod
    def backward(  # noqa: D102
        ctx: Any, upstream: Tensor
    ) -> tuple[Tensor, None, None, None, None, None]:
        _first_only()
        grad = _pull_points(ctx.state, ctx.tgt, upstream, ctx.options)
        return grad.to(ctx.dtype), None, None, None, None, None


class EikonalField(torch.autograd.Function):
    """apply(cost B H W, src B S 2, mask, options, into) -> T B H W, with a gradient at any cell."""

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any,
        cost: Tensor,
        src: Tensor,
        mask: Tensor | None,
        options: Options,
        into: list[Solved],
    ) -> Tensor:
        solved, ctx.state = _solve(cost, src, None, mask, options)
        into.append(solved)
        ctx.options, ctx.dtype = options, cost.dtype
        return solved.T.to(cost.dtype, copy=True)

    @staticmethod
    def backward(  # noqa: D102
        ctx: Any, upstream: Tensor
    ) -> tuple[Tensor, None, None, None, None]:
        _first_only()
        return _pull(ctx.state, upstream, ctx.options).to(ctx.dtype), None, None, None, None


def read(T: Float[Tensor, "B H W"], tgt: Int[Tensor, "B K 2"]) -> Float[Tensor, "B K"]:
    """T at the targets; inf at those with negative coordinates."""
    b = torch.arange(len(T), device=T.device)[:, None]
    y, x = tgt.to(T.device).clamp_min(0).unbind(2)
    return torch.where((tgt.to(T.device) >= 0).all(2), T[b, y, x], torch.inf)


class Distances(NamedTuple):
    """What `distances` gives."""

    at: Float[Tensor, "B K"]  # T at the targets, differentiable; inf: unreached or no target
    solved: Solved


def distances(
    cost: Float[Tensor, "B H W"],
    src: Int[Tensor, "B S 2"],
    tgt: Int[Tensor, "B K 2"],
    options: Options = Options(),
    *,
    mask: Bool[Tensor, "B H W"] | None = None,
) -> Distances:
    """Travel times from the nearest source to each target, differentiable in cost."""
    into: list[Solved] = []
    at: Tensor = EikonalDistance.apply(cost, src, tgt, mask, options, into)  # type: ignore[no-untyped-call]
    return Distances(at, into[0])


def field(
    cost: Float[Tensor, "B H W"],
    src: Int[Tensor, "B S 2"],
    options: Options = Options(),
    *,
    mask: Bool[Tensor, "B H W"] | None = None,
) -> Solved:
    """The whole field, T differentiable in cost."""
    into: list[Solved] = []
    T: Tensor = EikonalField.apply(cost, src, mask, options, into)  # type: ignore[no-untyped-call]
    return into[0]._replace(T=T)
