"""Quantising a network: the seed's formulas, bit for bit, and a standard scheme beside them.

seed: every parameter (weights, biases, norms) with one scale a tensor; every module's output, the
containers' too, with the scale of the batch at hand, so a result depends on the batch size.
standard: weights of convolutions and linear layers, a scale a channel; inputs of those layers over
ranges that calibration fixed. Norms, gates and the network's output stay in float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from core.errors import unknown
from core.kit import quant
from core.kit.observe import Observer
from core.kit.quant import Format
from tasks.circuitnet.config import CircuitnetConfig

FORMATS: dict[str, Format] = {"INT8": "int8", "INT4": "int4", "FP8": "e4m3", "FP4": "e2m1"}
PARTS = ("encoder", "aspp", "decoder")

SEED_FP4 = (0.0, 0.0625, 0.125, 0.25, 0.5, 1.0, 1.5, 2.0)  # times amax; the last two are never used
MOVING = 0.01  # weight of a new batch in the ranges that fine-tuning follows
FOLLOWED = 0.3  # share of the fine-tuning after which ranges and batch statistics stand still

Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


def part(model: nn.Module, name: str) -> nn.Module:
    """The module that `quant_module` names; "all" is the whole network.

    Raises:
        AssayError: there is none of this name (the seed quantises everything then).
    """
    modules = dict(model.named_modules())
    if name == "all" or name in modules:
        chosen: nn.Module = modules["" if name == "all" else name]
        return chosen
    known = ["all", *(p for p in PARTS if p in modules), *leaves(model)]
    raise unknown("module", name, known, where="quant_module")


def leaves(model: nn.Module) -> list[str]:
    """Dotted names of the layers that have weights to quantise, in order of the forward pass."""
    return [n for n, m in model.named_modules() if isinstance(m, Layer)]


def seed_tensor(x: Tensor, precision: str) -> Tensor:
    """One tensor by the seed's formulas: one scale, none for FP8. Source: seed 002, test.py."""
    if precision == "FP8":
        return quant.cast(x, "e4m3")
    amax = x.abs().max()
    if precision == "FP4":
        return _seed_fp4(x, amax) if amax > 0 else x
    return quant.fake(x, FORMATS[precision], amax)


def _seed_fp4(x: Tensor, amax: Tensor) -> Tensor:
    """The nearest level; ties go to the first in the seed's order: positive ones, then negative."""
    best = torch.full_like(x, torch.inf)
    out = torch.zeros_like(x)
    for level in (*SEED_FP4, *(-v for v in SEED_FP4[1:])):
        value = x.new_tensor(level) * amax
        distance = (x - value).abs()
        out = torch.where(distance < best, value, out)
        best = torch.minimum(distance, best)
    return out


@torch.no_grad()
def seed_flavour(model: nn.Module, precision: str, target: str, name: str) -> nn.Module:
    """Quantise in place: parameters now, outputs in every later forward pass."""
    chosen = part(model, name)
    if target in ("weights", "both"):
        for parameter in chosen.parameters():
            parameter.copy_(seed_tensor(parameter, precision))
    if target in ("activations", "both"):

        def after(_module: nn.Module, _args: Any, out: Any) -> Any:
            if isinstance(out, tuple):
                return tuple(seed_tensor(x, precision) for x in out)
            return seed_tensor(out, precision)

        for module in chosen.modules():
            module.register_forward_hook(after)
    return model


class Quantised(nn.Module):
    """A network in the standard flavour: it computes as with narrow weights and inputs of layers.

    Differentiable by the straight-through estimator, so it is also what is fine-tuned. The wrapped
    network keeps its own state dict; this module's adds `ranges` (layers x 2) and, with learned
    scales, `scales.<i>`.
    """

    def __init__(self, net: nn.Module, cfg: CircuitnetConfig) -> None:
        super().__init__()
        self.net, self.cfg, self.fmt = net, cfg, FORMATS[cfg.precision]
        chosen, modules = part(net, cfg.quant_module), dict(net.named_modules())
        inside = set(chosen.modules())
        self.names = [n for n in leaves(net) if modules[n] in inside]
        self.ranges: Tensor
        self.register_buffer("ranges", torch.zeros(len(self.names), 2))
        self.quantising, self.following, self._frozen = True, False, False
        self._watch: list[Observer] | None = None
        self.scales = nn.ParameterList()
        if cfg.qat_scales == "lsq" and cfg.qat_steps and self._weights:
            for _, w, dim in self._layers():
                self.scales.append(nn.Parameter(torch.ones_like(_amax(w, dim))))
        if cfg.quant_target in ("activations", "both"):
            for i, name in enumerate(self.names):
                modules[name].register_forward_pre_hook(partial(self._before, i))

    @property
    def _weights(self) -> bool:
        return self.cfg.quant_target in ("weights", "both")

    def _layers(self) -> Iterator[tuple[str, Tensor, int]]:
        """Each layer's weight by its name in the state dict, and the dimension of its channels."""
        modules = dict(self.net.named_modules())
        for name in self.names:
            layer = modules[name]
            weight: Tensor = layer.weight
            yield f"{name}.weight", weight, 1 if isinstance(layer, nn.ConvTranspose2d) else 0

    def forward(self, x: Tensor) -> Tensor:
        """What the network says in narrow numbers."""
        if not (self.quantising and self._weights) or self._frozen:
            out: Tensor = self.net(x)
            return out
        narrow = {name: self._narrow(i, w, dim) for i, (name, w, dim) in enumerate(self._layers())}
        out = functional_call(self.net, narrow, (x,))
        return out

    def _narrow(self, i: int, w: Tensor, dim: int) -> Tensor:
        if len(self.scales):
            return quant.learned(w, self.fmt, self.scales[i].clamp(min=1e-12))
        cfg = self.cfg
        return quant.straight_through(
            w,
            lambda v: quant.fake_weight(
                v, self.fmt, cfg.quant_granularity, dim=dim, group=cfg.quant_group
            ),
        )

    def _before(self, i: int, _layer: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        (x,) = args
        if self._watch is not None:
            self._watch[i].see(x)
        if not self.quantising:
            return args
        if self.following and self.training:
            with torch.no_grad():
                seen = torch.stack([x.min(), x.max()]).to(self.ranges)
                self.ranges[i].lerp_(seen, MOVING)
        low, high = self.ranges[i].to(x)
        inside = (x >= low.clamp(max=0)) & (x <= high.clamp(min=0))
        return (quant.straight_through(x, partial(self._cast, low, high), inside),)

    def _cast(self, low: Tensor, high: Tensor, x: Tensor) -> Tensor:
        return quant.fake_range(x, self.fmt, low, high)

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Set the ranges of activations from float32 passes, and learned scales from the weights.

        Raises:
            AssayError: activations are quantised and there are no calibration maps.
        """
        for scale, (_, w, dim) in zip(self.scales, self._layers(), strict=False):
            scale.copy_(_amax(w, dim) / quant.largest(self.fmt))
        if self.cfg.quant_target == "weights":
            return
        was, self.quantising = self.training, False
        self._watch = [Observer(self.cfg.quant_observer) for _ in self.names]
        self.eval()
        for x in batches:
            self(x)
        found = [o.range(self.fmt) for o in self._watch]
        self.ranges.copy_(torch.tensor(found))
        self._watch, self.quantising = None, True
        self.train(was)

    @torch.no_grad()
    def freeze(self) -> Quantised:
        """Write the narrow weights into the network once: evaluation needs no gradients."""
        if self._weights and not self._frozen:
            for i, (_, w, dim) in enumerate(list(self._layers())):
                w.copy_(self._narrow(i, w, dim))
        self._frozen = True
        return self


def _amax(w: Tensor, dim: int) -> Tensor:
    """The largest magnitude of each channel, shaped to broadcast over the weight."""
    others = [d for d in range(w.dim()) if d != dim]
    return w.detach().abs().amax(others, keepdim=True)


def bits(cfg: CircuitnetConfig, model: nn.Module) -> int:
    """Bits that the parameters would take as the config stores them; scales are not counted."""
    if cfg.precision == "FP32" or cfg.quant_target == "activations":
        return 32 * sum(p.numel() for p in model.parameters())
    inside = part(model, cfg.quant_module)
    if cfg.quant_flavour == "seed":
        narrow = sum(p.numel() for p in inside.parameters())
    else:
        layers = (m for m in inside.modules() if isinstance(m, Layer))
        narrow = sum(m.weight.numel() for m in layers)
    whole = sum(p.numel() for p in model.parameters())
    return narrow * quant.BITS[FORMATS[cfg.precision]] + (whole - narrow) * 32


def apply(cfg: CircuitnetConfig, model: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """The network as the config wants it evaluated. `batches`: features that calibrate.

    Raises:
        AssayError: the named module is not there, or there is nothing to calibrate with.
    """
    if cfg.precision == "FP32":
        return model
    if cfg.quant_flavour == "seed":
        return seed_flavour(model, cfg.precision, cfg.quant_target, cfg.quant_module)
    quantised = Quantised(model, cfg).eval()
    quantised.calibrate(batches)
    return quantised.freeze()
