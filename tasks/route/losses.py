"""From travel times to the distance loss: gate, caps, Huber, and what the reports say of them.

    pred = d + g (T - d), d the straight distance in pixels;  loss = mean Huber(cap(pred) - cap(gt))

in units of `norm` pixels. Form and defaults are the seed's; where they differ it is said (R4.6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from core.errors import AssayError
from tasks.route.eikonal import Options, distances

GATE_MIN = 0.3


class Gate(nn.Module):
    """g in [0.3, 1]: the share of T beside the straight distance. Its state_dict is `raw`.

    smooth: 0.3 + 0.7 sigmoid(raw), whose gradient never vanishes; clamp: sigmoid(raw) cut off below
    0.3, as the origin. A gate of 1 starts 1e-6 below it, or it could not move.
    """

    def __init__(self, start: float = 0.8, form: str = "smooth", learn: bool = True) -> None:
        super().__init__()
        if not GATE_MIN < start <= 1:
            raise AssayError(f"gate is {start}", f"It must lie above {GATE_MIN} and at most at 1")
        self.form = form
        low = GATE_MIN if form == "smooth" else 0.0
        share = min((start - low) / (1 - low), 1 - 1e-6)
        raw = torch.tensor(math.log(share / (1 - share)), dtype=torch.float64)
        self.raw = nn.Parameter(raw, requires_grad=learn)

    def forward(self) -> Float[Tensor, ""]:
        """The gate itself, float64."""
        share: Tensor = self.raw.sigmoid()
        if self.form == "smooth":
            return share * (1 - GATE_MIN) + GATE_MIN
        return share.clamp(GATE_MIN, 1.0)


def straight(src: Int[Tensor, "B 2"], tgt: Int[Tensor, "B K 2"]) -> Float[Tensor, "B K"]:
    """Straight distance in pixels between pixels (y, x), as float64."""
    away = (tgt - src[:, None]).double()  # B K 2
    return away.square().sum(2).sqrt()


def mix(
    T: Float[Tensor, "B K"],
    d: Float[Tensor, "B K"],
    gate: Float[Tensor, ""],
    large_val: float = 1e4,
) -> Float[Tensor, "B K"]:
    """Predicted distance in pixels. What was not reached (inf) is `large_val`, without gradient."""
    reached = torch.inf > T
    d = d.to(T.dtype)
    out = d + gate.to(T.dtype) * (torch.where(reached, T, 0) - d)
    return torch.where(reached, out, large_val)


@dataclass(frozen=True)
class LossOptions:
    """How predicted and true distances are compared."""

    cap: Literal["tanh", "clamp", "log", "none"] = "tanh"
    mult: float = 10.0  # the cap, in norms
    norm: float = 512.0  # pixels
    cap_gt: bool = True  # else a loss near the cap cannot be 0, as in the origin
    delta: float = 2.0  # where Huber turns linear, in norms


def capped(x: Tensor, o: LossOptions) -> Tensor:
    """Distances in pixels, capped and in norms. log has no cap: log(1 + x/norm)."""
    cap = o.norm * o.mult
    if o.cap == "tanh":
        return cap / o.norm * torch.tanh(x / cap)
    if o.cap == "clamp":
        return x.clamp(max=cap) / o.norm
    return torch.log1p(x / o.norm) if o.cap == "log" else x / o.norm


class Compared(NamedTuple):
    """The distance loss, and what the reports say of it."""

    loss: Float[Tensor, ""]
    sat_ratio: float  # share of valid predictions beyond the cap; nan when none is valid
    max_pred: float  # pixels; nan when none is valid
    n_valid: int


def compare(
    pred: Float[Tensor, "B K"],
    gt: Float[Tensor, "B K"],
    valid: Bool[Tensor, "B K"],
    options: LossOptions = LossOptions(),
) -> Compared:
    """The mean over valid pairs; without any it is 0 with a graph: gradients are 0, not absent.

    `valid` is its own mask: neither gt > 0 nor a finite prediction makes a pair valid.
    """
    n = int(valid.sum())
    if n == 0:
        return Compared((pred * 0.0).sum(), math.nan, math.nan, 0)
    seen, true = pred[valid], gt[valid].to(pred.dtype)
    true = capped(true, options) if options.cap_gt or options.cap == "log" else true / options.norm
    loss = F.huber_loss(capped(seen, options), true, delta=options.delta)
    beyond = (seen.detach() > options.norm * options.mult).double().mean()
    return Compared(loss, float(beyond), float(seen.detach().max()), n)


@torch.no_grad()
def teach(
    cost: Float[Tensor, "B H W"],
    src: Int[Tensor, "B S 2"],
    tgt: Int[Tensor, "B K 2"],
    options: Options,
) -> tuple[Float[Tensor, "B K"], Bool[Tensor, "B K"]]:
    """Distances by the exact solver in place of true ones, and which of them are reached.

    On the student's own grid and stencil an unchanged student with gate 1 starts at loss 0.
    """
    at = distances(cost, src, tgt, options).at
    reached = at < torch.inf
    return torch.where(reached, at, 0), reached
