"""The origin's solver, kept as an ablation: a fixed number of red-black sweeps, unrolled.

It does not solve the equation: sweeps reach one cell further each, so that a path of n cells needs
about n of them, and in the mode soft_train the smooth minimum lies below both its arguments, so
that T sinks with every sweep and has no fixed point. Formulas and defaults:
anonymous369163/eikonal_solver (facts only), `eikonal.py` and `model_multigrid.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

SMALL = 1e-8  # under the origin's square roots


@dataclass(frozen=True)
class SweepOptions:
    """The origin's knobs, with its defaults."""

    h: float = 1.0
    mode: Literal["soft_train", "ste_train", "hard_eval"] = "soft_train"
    iters: int = 200
    tau_min: float = 0.03
    tau_branch: float = 0.05
    tau_update: float = 0.03
    gate_alpha: float = 0.8  # T <- gate_alpha T_new + (1 - gate_alpha) T
    chunk: int = 10  # sweeps between activations kept for the backward pass
    large_val: float = 1e4  # T where no sweep has been
    monotone: bool = True  # T may only fall


def sweep(
    cost: Float[Tensor, "B H W"],
    src: Int[Tensor, "B S 2"],
    options: SweepOptions = SweepOptions(),
    start: Float[Tensor, "B H W"] | None = None,
) -> Float[Tensor, "B H W"]:
    """T after `options.iters` sweeps from `start` (default: large_val but at the sources)."""
    sources = _sources(cost, src)
    T = torch.full_like(cost, options.large_val) if start is None else start.to(cost.dtype)
    T = torch.where(sources, 0, T)
    y, x = torch.meshgrid(
        *(torch.arange(n, device=cost.device) for n in cost.shape[1:]), indexing="ij"
    )
    even = (y + x) % 2 == 0
    left = options.iters
    while left > 0:
        n = min(options.chunk, left)
        T = checkpoint(_some, T, cost, sources, even, n, options, use_reentrant=False)
        left -= n
    return T


def _sources(cost: Tensor, src: Tensor) -> Bool[Tensor, "B H W"]:
    mask = torch.zeros_like(cost, dtype=torch.bool)
    b, k = (src >= 0).all(2).nonzero(as_tuple=True)
    y, x = src[b, k].unbind(1)
    mask[b, y, x] = True
    return mask


def _some(
    T: Tensor, cost: Tensor, sources: Tensor, even: Tensor, n: int, o: SweepOptions
) -> Tensor:
    for _ in range(n):
        for half in (even, ~even):
            new = _update(T, cost, o)
            if o.monotone:
                new = _least(T, new, o.tau_update, o.mode)
            if o.gate_alpha < 1:
                new = o.gate_alpha * new + (1 - o.gate_alpha) * T
            T = torch.where(half & ~sources, new, T)
    return T


def _update(T: Tensor, cost: Tensor, o: SweepOptions) -> Tensor:
    padded = F.pad(T, (1, 1, 1, 1), value=o.large_val)
    a = _least(padded[:, 1:-1, :-2], padded[:, 1:-1, 2:], o.tau_min, o.mode)
    b = _least(padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], o.tau_min, o.mode)
    q, d = o.h * cost, (a - b).abs()
    one = _least(a, b, o.tau_min, o.mode) + q
    two = 0.5 * (a + b + ((2 * q * q - d * d).clamp_min(0) + SMALL).sqrt())
    share = torch.sigmoid((d - q) / o.tau_branch)
    return _mode(torch.where(d >= q, one, two), share * one + (1 - share) * two, o.mode)


def _least(x: Tensor, y: Tensor, tau: float, mode: str) -> Tensor:
    """min(x, y), or the smooth one below it: (x + y - sqrt((x - y)^2 + tau^2)) / 2."""
    if mode == "hard_eval":
        return torch.minimum(x, y)
    soft = 0.5 * (x + y - ((x - y) ** 2 + tau * tau + SMALL).sqrt())
    return _mode(torch.minimum(x, y), soft, mode)


def _mode(hard: Tensor, soft: Tensor, mode: str) -> Tensor:
    """soft_train and hard_eval take theirs; ste_train the hard value with the soft gradient."""
    if mode == "ste_train":
        return hard.detach() + (soft - soft.detach())
    return soft if mode == "soft_train" else hard
