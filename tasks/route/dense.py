"""The dense loss (lambda_field): all of T against a teacher's, where the truth has road."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from tasks.route.config import RouteConfig
from tasks.route.cost import Cost, CostOptions
from tasks.route.eikonal import field, solve
from tasks.route.grid import pool, to_cells
from tasks.route.losses import capped
from tasks.route.routing import Router, loss_options, options, pooling

ROAD = 0.5  # probability of a cell from which on it is compared


def teacher_cost(cfg: RouteConfig) -> Cost:
    """The teacher's cost: its own alpha and gamma, the student's step; it never learns."""
    return Cost(
        CostOptions(
            mode=cfg.cost_mode,
            alpha=cfg.teacher_alpha,
            gamma=cfg.teacher_gamma,
            block=cfg.block,
            block_th=cfg.block_th,
            block_k=cfg.block_k,
            learn=False,
            eps=cfg.prob_eps,
        )
    )


def field_loss(
    cfg: RouteConfig,
    router: Router,
    prob: Float[Tensor, "H W"],
    truth: Float[Tensor, "H W"],
    src: Int[Tensor, " 2"],
) -> Float[Tensor, ""]:
    """Mean Huber of the capped T from src (a pixel), in norms; 0 without road to compare on.

    The teacher solves the true map on the student's grid and stencil. Off the road T says what the
    cost of no road is, not where roads are, so that only cells of true road count. Both fields are
    exact solves, whatever `solver` is.
    """
    ds, how = cfg.downsample, loss_options(cfg)
    way, cells = options(cfg, ds), to_cells(src, ds)[None, None].cpu()
    road = pool(truth[None], ds, pooling(cfg))
    with torch.no_grad():
        right = solve(teacher_cost(cfg).to(prob.device)(road), cells, way).T[0]
    found = field(router.grid_cost(cfg, prob, ds)[None], cells, way).T[0]
    counts = (road[0] >= ROAD) & right.isfinite() & found.isfinite()
    if not counts.any():
        none: Tensor = router.gate() * 0
        return none
    there = right[counts].to(found.dtype)
    return F.huber_loss(capped(found[counts], how), capped(there, how), delta=how.delta)
