"""From a probability map and a question to distances: pool, cost, solve, gate; timed part by part.

Names: prob H W (pixels), cost Hf Wf (cells of ds pixels), T in pixels of cost 1, K targets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tasks.route.clock import Clock
from tasks.route.config import RouteConfig
from tasks.route.cost import Cost, CostOptions
from tasks.route.eikonal import Options, distances
from tasks.route.eikonal.sweep import SweepOptions, sweep
from tasks.route.grid import pool, pool_cost, to_cells
from tasks.route.losses import Compared, Gate, LossOptions, compare, mix, straight
from tasks.route.multigrid import Multigrid, Tube, multigrid
from tasks.route.sampling import Query


class Router(nn.Module):
    """What is learned between probability and distance. state_dict: cost.*, gate.*."""

    def __init__(self, cfg: RouteConfig, scalars: Mapping[str, float] | None = None) -> None:
        super().__init__()
        start = _starts(cfg, scalars or {})
        self.cost = Cost(
            CostOptions(
                mode=cfg.cost_mode,
                alpha=start["alpha"],
                gamma=start["gamma"],
                block=start["block"],
                block_th=start["block_th"],
                block_k=cfg.block_k,
                learn=cfg.learn_cost,
                keep_block="block_log_alpha" in (scalars or {}),
                learn_block=cfg.learn_block,
                net=cfg.cost_net,
                use_edges=cfg.cost_net_edges,
                use_coords=cfg.cost_net_coords,
                gated=cfg.cost_net_gated,
                eps=cfg.prob_eps,
            )
        )
        self.gate = Gate(start["gate"], cfg.gate_form, cfg.learn_gate)

    def grid_cost(
        self, cfg: RouteConfig, prob: Float[Tensor, "H W"], ds: int, clock: Clock | None = None
    ) -> Tensor:
        """The cost of every cell, Hf Wf, where the router lies."""
        clock = clock or Clock()
        out: Tensor = prob[None].to(self.gate.raw.device)
        if cfg.pool != "min_cost":
            with clock.part("pool"):
                out = pool(out, ds, cfg.pool)
        with clock.part("cost"):
            out = self.cost(out)
        if cfg.pool == "min_cost":
            with clock.part("pool"):
                out = pool_cost(out, ds)
        return out[0]

    @torch.no_grad()
    def values(self) -> dict[str, float]:
        """alpha, gamma (cost_mode add) and the gate as they are now."""
        shown = {"gate": float(self.gate())}
        if self.cost.options.mode == "add":
            shown |= {"alpha": float(self.cost.alpha()), "gamma": float(self.cost.gamma())}
        if self.cost.block is not None and self.cost.block_th is not None:
            shown |= {"block": float(self.cost.block()), "block_th": float(self.cost.block_th())}
        return shown


def _starts(cfg: RouteConfig, scalars: Mapping[str, float]) -> dict[str, float]:
    """Values of the config, or those that a SAMRoute file has learned, inside our bounds."""
    start = {"alpha": cfg.alpha, "gamma": cfg.gamma, "gate": cfg.gate}
    start |= {"block": cfg.block, "block_th": cfg.block_th}
    if "cost_log_alpha" in scalars:
        start["alpha"] = min(max(math.exp(scalars["cost_log_alpha"]), 5.01), 99.9)
    if "cost_log_gamma" in scalars:
        start["gamma"] = min(max(math.exp(scalars["cost_log_gamma"]), 0.501), 3.99)
    if "eik_gate_logit" in scalars:
        start["gate"] = max(1 / (1 + math.exp(-scalars["eik_gate_logit"])), 0.3001)
    if "block_log_alpha" in scalars:
        start["block"] = min(max(math.exp(scalars["block_log_alpha"]), 5.01), 199.9)
    if "block_th_logit" in scalars:
        share = 1 / (1 + math.exp(-scalars["block_th_logit"]))
        start["block_th"] = 0.01 + 0.29 * min(max(share, 1e-3), 1 - 1e-3)
    return start


class Found(NamedTuple):
    """Distances to K targets, and how they were found."""

    pred: Float[Tensor, " K"]  # pixels, differentiable; large_val where not reached
    T: Float[Tensor, " K"]
    euclid: Float[Tensor, " K"]
    cost: Float[Tensor, "Hf Wf"]
    meta: dict[str, Any]  # visited_ratio, and tube_meta where there is a tube

    @property
    def reached(self) -> Bool[Tensor, " K"]:
        """Targets with a finite T."""
        return self.T.detach() < torch.inf


def points(query: Query) -> tuple[Int[Tensor, " 2"], Int[Tensor, "K 2"]]:
    """Source and targets of a question as tensors."""
    return torch.from_numpy(query.src), torch.from_numpy(query.tgt)


def pooling(cfg: RouteConfig) -> Literal["max", "mean"]:
    """How a probability map alone is pooled; min_cost takes the maximum here."""
    return "mean" if cfg.pool == "mean" else "max"


def options(cfg: RouteConfig, ds: int, *, early_stop: bool | None = None) -> Options:
    """How the exact solver is called."""
    stop = cfg.early_stop if early_stop is None else early_stop
    return Options(h=float(ds), stencil=cfg.stencil, early_stop=stop)


def answer(
    cfg: RouteConfig,
    router: Router,
    prob: Float[Tensor, "H W"],
    query: Query,
    clock: Clock | None = None,
) -> Found:
    """Distances of a question on the grid of the config; its seconds are added to the clock."""
    clock = clock or Clock()
    cost = router.grid_cost(cfg, prob, cfg.downsample, clock)
    src, tgt = points(query)
    cells, ends = (to_cells(p, cfg.downsample).to(cost.device) for p in (src, tgt))
    T, meta = _solve(cfg, router, prob, cost, cells, ends, clock)
    d = straight(src[None], tgt[None])[0].to(cost.device)
    pred = mix(T[None], d[None], router.gate(), cfg.large_val)[0]
    return Found(pred, T, d, cost.detach(), meta)


def _solve(
    cfg: RouteConfig,
    router: Router,
    prob: Float[Tensor, "H W"],
    cost: Float[Tensor, "Hf Wf"],
    src: Int[Tensor, " 2"],
    tgt: Int[Tensor, "K 2"],
    clock: Clock,
) -> tuple[Tensor, dict[str, Any]]:
    """T at the targets (inf: not reached), and what a report says of the solve."""
    way = options(cfg, cfg.downsample)
    if cfg.multigrid:
        wide = min(cfg.downsample * cfg.mg_factor, *prob.shape)  # one cell at most: no multigrid
        coarse = router.grid_cost(cfg, prob, wide, clock)
        valid = torch.ones(1, len(tgt), dtype=torch.bool, device=cost.device)
        swept = sweeps(cfg) if cfg.solver == "sweep" else None
        tube = tube_options(cfg) if cfg.tube_roi else None
        found = multigrid(
            cost[None], coarse[None], src[None, None], tgt[None], valid, way, grid(cfg), tube, swept
        )
        backend = "sweep" if swept else way.chosen(cost[None])
        meta = {"backend": backend, **found.meta[0].json()}
        clock.add("solve_coarse", meta["t_coarse"])
        clock.add("solve_fine", meta["t_fine"])
        return _within(cfg, found.at[0]), meta
    if cfg.solver == "sweep":
        with clock.part("solve_fine"):
            T = sweep(cost[None], src[None, None], sweeps(cfg))[0]
        meta = {"backend": f"sweep, {cfg.eik_iters} iterations", "visited_ratio": 1.0}
        return _within(cfg, T[tgt[:, 0], tgt[:, 1]]), meta
    with clock.part("solve_fine"):
        one = distances(cost[None], src[None, None], tgt[None], way)
    meta = {"backend": one.solved.backend, "visited_ratio": one.solved.visited[0]}
    return one.at[0], meta


def _within(cfg: RouteConfig, T: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    """Sweeps stand at large_val where they did not come: that is not reached."""
    return T if cfg.solver == "exact" else torch.where(0.999 * cfg.large_val > T, T, torch.inf)


def grid(cfg: RouteConfig) -> Multigrid:
    """The coarse grid of the config."""
    return Multigrid(
        factor=cfg.mg_factor,
        iters_coarse=cfg.mg_iters_coarse,
        iters_fine=cfg.mg_iters_fine,
        detach_coarse=cfg.mg_detach_coarse,
        interp=cfg.mg_interp,
        fine_monotone=cfg.mg_fine_monotone,
    )


def tube_options(cfg: RouteConfig) -> Tube:
    """The tube of the config."""
    return Tube(
        shape=cfg.tube_shape,
        radius_c=cfg.tube_radius_c,
        pad_c=cfg.tube_pad_c,
        min_pc=cfg.tube_min_pc,
        max_area_ratio=cfg.tube_max_area_ratio,
        min_side=cfg.tube_min_side,
        iters_floor_full=cfg.tube_iters_floor_full,
        fallback=cfg.tube_fallback,
        verify=cfg.tube_verify,
    )


def sweeps(cfg: RouteConfig) -> SweepOptions:
    """The origin's solver as the config has it."""
    return SweepOptions(
        h=float(cfg.downsample),
        mode=cfg.eik_mode,
        iters=cfg.eik_iters,
        gate_alpha=cfg.gate_alpha,
        chunk=cfg.ckpt_chunk,
        large_val=cfg.large_val,
    )


def loss_options(cfg: RouteConfig) -> LossOptions:
    """How distances are compared."""
    return LossOptions(cfg.cap_mode, cfg.cap_mult, cfg.cap_norm, cfg.cap_gt, cfg.huber_delta)


def judged(cfg: RouteConfig, found: Found, query: Query) -> Compared:
    """The distance loss of a question, over its valid targets with a truth."""
    gt = torch.from_numpy(query.gt).to(found.pred)[None]
    valid = torch.from_numpy(query.valid).to(found.pred.device)[None] & gt.isfinite()
    return compare(found.pred[None], gt.nan_to_num(0), valid, loss_options(cfg))
