"""The CPU's machine code before the clock starts: compiling is no solver's time (R4.3)."""

from __future__ import annotations

import functools
import time

import numpy as np
import torch

from tasks.route import routing, sampling
from tasks.route.config import RouteConfig
from tasks.route.eikonal import solve, trace
from tasks.route.eikonal.jit import HAVE_NUMBA
from tasks.route.log import say

SIDE = 64  # cells
LONG_S = 5.0  # a wait that is explained


def ready(cfg: RouteConfig) -> None:
    """Solve, differentiate and trace a small map as the config will; once a process."""
    began = time.perf_counter()
    if HAVE_NUMBA:
        for stencil in sorted({cfg.stencil, cfg.teacher_stencil or cfg.stencil}):
            _once(stencil, cfg.tube_roi)
    if (took := time.perf_counter() - began) > LONG_S:
        say(f"the solver was made ready in {took:.0f} s: compiled once, then kept for further runs")


@functools.cache
def _once(stencil: int, tube: bool) -> None:
    cfg = RouteConfig.model_validate(
        {
            **{"stencil": stencil, "downsample": 1, "multigrid": tube, "tube_roi": tube},
            **{"mg_factor": 2, "tube_min_pc": 1, "tube_radius_c": 1, "tube_pad_c": 0},
        }
    )
    query = sampling.by_hand((32, 32), [(32, 50), (10, 30)], SIDE, SIDE)
    query = query._replace(gt=np.array([30.0, 40.0]))
    prob = torch.linspace(0.1, 0.9, SIDE * SIDE).view(SIDE, SIDE)
    found = routing.answer(cfg, routing.Router(cfg), prob, query)
    routing.judged(cfg, found, query).loss.backward()
    src, tgt = routing.points(query)
    way = routing.options(cfg, 1)
    T = solve(found.cost[None], src[None, None], way, until=tgt[None]).T[0].numpy()
    trace(T, found.cost.numpy(), (32, 50))
