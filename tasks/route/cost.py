"""From road probability to travel cost: smooth, positive, learnable.

    add (length-preserving: 1 on a sure road):  c = 1 + alpha (1 - p)^gamma + b sigmoid(-k (p - th))
    exp (the origin's first form):              c = 100^((1 - p)^gamma) (1 + 9 sigmoid(-k (p - th)))
    with a residual network f:                  c <- c exp(s tanh(f(p)))

p is kept in [eps, 1 - eps]: 0^gamma has no gradient with regard to gamma. Forms, ranges and starts
are those of the seed's public origin (R4.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from core.errors import AssayError

PENALTY = 100.0  # exp: cost of no road
AMPLITUDE = 9.0  # exp: what the step adds, as a factor


@dataclass(frozen=True)
class CostOptions:
    """What the cost is like; learned values start here."""

    mode: Literal["add", "exp"] = "add"
    alpha: float = 20.0  # add: learned within 5..100
    gamma: float = 2.0  # add: learned within 0.5..4
    block: float = 0.0  # add: height b of the step, 0: none; learned within 5..200
    block_th: float = 0.05  # learned within 0.01..0.3
    block_k: float = 50.0
    learn: bool = True  # alpha and gamma
    learn_block: bool = False
    keep_block: bool = False  # in the state_dict though it is not learned: a file gave it
    bounds: Literal["smooth", "clamp"] = "smooth"  # clamp: as the origin; no gradient out of range
    net: Literal["none", "basic", "multiscale"] = "none"
    channels: int = 8
    scale: float = 0.75  # s: the network changes the cost by at most exp(s)
    use_edges: bool = False  # the network also sees |sobel p|
    use_coords: bool = False  # ... and y, x in [-1, 1]
    gated: bool = False  # ... and scales its output by a sigmoid that starts near 0.12
    eps: float = 1e-6


class Bounded(nn.Module):
    """A positive number within (low, high); `raw` is what is learned.

    smooth: low (high/low)^sigmoid(raw), whose gradient is nowhere 0; clamp: exp(raw) cut off.
    """

    def __init__(
        self, start: float, low: float, high: float, form: str, learn: bool, name: str
    ) -> None:
        super().__init__()
        self.low, self.high, self.form = math.log(low), math.log(high), form
        if not low < start < high and (learn or not low <= start <= high):
            raise AssayError(f"{name} is {start}", f"It must lie between {low:g} and {high:g}")
        raw = math.log(start)
        if form == "smooth" and learn:
            share = (raw - self.low) / (self.high - self.low)
            raw = math.log(share / (1 - share))
        self.form = form if learn else "clamp"  # what is not learned is kept as it was given
        self.raw = nn.Parameter(torch.tensor(raw, dtype=torch.float64), requires_grad=learn)

    def forward(self) -> Float[Tensor, ""]:
        """The number itself, float64."""
        if self.form == "smooth":
            return (self.low + (self.high - self.low) * self.raw.sigmoid()).exp()
        return self.raw.clamp(self.low, self.high).exp()


class Cost(nn.Module):
    """Cost of a probability map.

    state_dict: alpha.raw, gamma.raw, block.raw, block_th.raw, net.*, gate.*; each where it is used.
    """

    def __init__(self, options: CostOptions = CostOptions()) -> None:
        super().__init__()
        self.options = o = options
        bounds = o.bounds
        if o.mode == "add":
            self.alpha = Bounded(o.alpha, 5, 100, bounds, o.learn, "alpha")
            self.gamma = Bounded(o.gamma, 0.5, 4, bounds, o.learn, "gamma")
        self.block: Bounded | None = None
        self.block_th: Bounded | None = None
        if o.mode == "add" and (o.learn_block or o.keep_block):
            self.block = Bounded(o.block, 5, 200, bounds, o.learn_block, "block")
            self.block_th = Bounded(o.block_th, 0.01, 0.3, bounds, o.learn_block, "block_th")
        self.net: nn.Module | None = None
        self.gate: nn.Module | None = None
        if o.net != "none":
            inputs = 1 + o.use_edges + 2 * o.use_coords
            self.net = (Basic if o.net == "basic" else MultiScale)(inputs, o.channels)
            self.gate = Gate(inputs) if o.gated else None

    def forward(self, prob: Float[Tensor, "B H W"]) -> Float[Tensor, "B H W"]:
        """Finite and positive; at least 1 in mode add without a network."""
        o = self.options
        p = prob.clamp(o.eps, 1 - o.eps)
        if o.mode == "exp":
            step = torch.sigmoid(-o.block_k * (p - o.block_th))
            cost = (math.log(PENALTY) * (1 - p) ** o.gamma).exp() * (1 + AMPLITUDE * step)
        else:
            cost = 1 + self.alpha().to(p.dtype) * (1 - p) ** self.gamma().to(p.dtype)
            if self.block is not None and self.block_th is not None:
                th = self.block_th().to(p.dtype)
                cost = cost + self.block().to(p.dtype) * torch.sigmoid(-o.block_k * (p - th))
            elif o.block:
                cost = cost + o.block * torch.sigmoid(-o.block_k * (p - o.block_th))
        change = self.change(p)
        return cost if change is None else cost * change.exp()

    def change(self, prob: Float[Tensor, "B H W"]) -> Float[Tensor, "B H W"] | None:
        """The network's addition to log c, within (-s, s); None without a network."""
        if self.net is None:
            return None
        x = self._inputs(prob)
        out = self.options.scale * torch.tanh(self.net(x))
        if self.gate is not None:
            out = out * self.gate(x)
        return out[:, 0].to(prob.dtype)

    def _inputs(self, prob: Tensor) -> Float[Tensor, "B C H W"]:
        weight = next(self.net.parameters()) if self.net is not None else prob
        x = prob[:, None].to(weight.dtype)
        parts = [x]
        if self.options.use_edges:
            across = x.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
            gx, gy = F.conv2d(x, torch.stack([across, across.T])[:, None], padding=1).unbind(1)
            parts.append((gx * gx + gy * gy + 1e-8).sqrt()[:, None])
        if self.options.use_coords:
            y = torch.linspace(-1, 1, x.shape[2], dtype=x.dtype, device=x.device)
            z = torch.linspace(-1, 1, x.shape[3], dtype=x.dtype, device=x.device)
            parts += [g.expand_as(x) for g in torch.meshgrid(y, z, indexing="ij")]
        return torch.cat(parts, 1)


def residual_penalty(change: Float[Tensor, "B H W"]) -> Float[Tensor, ""]:
    """Mean d^2 + (mean d)^2: keeps the network's change small and without a bias."""
    return change.square().mean() + change.mean().square()


def total_variation(x: Float[Tensor, "B H W"]) -> Float[Tensor, ""]:
    """Mean absolute difference of neighbours, down plus across."""
    return x.diff(dim=1).abs().mean() + x.diff(dim=2).abs().mean()


class Gate(nn.Sequential):
    """A share in (0, 1) per cell that starts as sigmoid(-2) everywhere."""

    def __init__(self, inputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, 1, 1), nn.Sigmoid())
        head = self[0]
        assert isinstance(head, nn.Conv2d)
        assert head.bias is not None
        nn.init.zeros_(head.weight)
        nn.init.constant_(head.bias, -2.0)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1)


def _zero(channels: int) -> nn.Conv2d:
    """The last layer: 0 at the start, so that the cost begins as if there were no network."""
    last = nn.Conv2d(channels, 1, 1, bias=False)
    nn.init.zeros_(last.weight)
    return last


class Basic(nn.Sequential):
    """Two 3x3 convolutions: sees 5 cells."""

    def __init__(self, inputs: int, channels: int) -> None:
        body = [_conv(inputs, channels), nn.GELU(), _conv(channels, channels), nn.GELU()]
        super().__init__(*body, _zero(channels))


class MultiScale(nn.Module):
    """Two halvings and back, with shortcuts: sees about 30 cells."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        a, b, c = channels, 2 * channels, 3 * channels
        self.fine = nn.Sequential(_conv(inputs, a), nn.GELU(), _conv(a, a), nn.GELU())
        self.middle = nn.Sequential(_conv(a, b, 2), nn.GELU(), _conv(b, b), nn.GELU())
        self.quarter = nn.Sequential(_conv(b, c, 2), nn.GELU(), _conv(c, c), nn.GELU())
        self.to_middle, self.to_fine = _conv(c + b, b), _conv(b + a, a)
        self.out = _zero(a)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
        """Of any size from 1 cell on."""
        fine = self.fine(x)
        middle = self.middle(fine)
        up = _onto(self.quarter(middle), middle)
        up = F.gelu(self.to_middle(torch.cat([up, middle], 1)))
        up = F.gelu(self.to_fine(torch.cat([_onto(up, fine), fine], 1)))
        out: Tensor = self.out(up)
        return out


def _onto(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
