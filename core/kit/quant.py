"""Fake quantisers: values rounded to what a narrow number format can hold, kept in float32.

Integers: s = amax / (2^(b-1) - 1), q = clamp(round(x / s), -2^(b-1), 2^(b-1) - 1), result q s.
Small floats: s = amax / largest, result cast(x / s) s. Rounding is half to even throughout.
Formats: OCP 8-bit floats E4M3 (no infinities) and E5M2, OCP MX E2M1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

Format = Literal["int8", "int4", "e4m3", "e5m2", "e2m1"]
Granularity = Literal["tensor", "channel", "group"]
ScaleFormat = Literal["float", "e4m3", "power of two"]

BITS = {"int8": 8, "int4": 4, "e4m3": 8, "e5m2": 8, "e2m1": 4}


class Small(NamedTuple):
    """A small float: its largest value, its bits of mantissa, its least normal exponent."""

    largest: float
    mantissa: int
    least: int


SMALL = {"e4m3": Small(448, 3, -6), "e5m2": Small(57344, 2, -14), "e2m1": Small(6, 1, 0)}


def largest(fmt: Format) -> float:
    """The largest value of a format, in units of its scale."""
    return SMALL[fmt].largest if fmt in SMALL else 2 ** (BITS[fmt] - 1) - 1


def cast(x: Tensor, fmt: Format) -> Tensor:
    """The nearest values of the format; beyond its range the largest one. NaN stays NaN.

    An integer format keeps its one extra negative value (-128, -8).
    """
    if fmt not in SMALL:
        top = largest(fmt)
        return x.round().clamp(-top - 1, top)
    small = SMALL[fmt]
    x = x.clamp(-small.largest, small.largest)
    exponent = torch.frexp(x).exponent - 1  # x = m 2^exponent, 1 <= |m| < 2
    step = torch.ldexp(torch.ones_like(x), exponent.clamp(min=small.least) - small.mantissa)
    return (x / step).round() * step


def fake(x: Tensor, fmt: Format, amax: Tensor) -> Tensor:
    """`x` in the format under the scale that maps `amax` (broadcast) to the largest value.

    Where amax is 0 there is nothing to scale, and `x` stays.
    """
    scale = amax / largest(fmt)
    safe = torch.where(scale > 0, scale, torch.ones_like(scale))
    return torch.where(scale > 0, cast(x / safe, fmt) * safe, x)


def fake_range(x: Tensor, fmt: Format, low: Tensor, high: Tensor) -> Tensor:
    """`x` in the format over [low, high]: integers with a zero point, floats symmetric.

    Zero is always representable, so the range is widened to hold it. Source of the zero point:
    Jacob et al. 2018.
    """
    low, high = low.clamp(max=0), high.clamp(min=0)
    if fmt in SMALL:
        return fake(x, fmt, torch.maximum(-low, high))
    levels = 2 ** BITS[fmt] - 1
    scale = (high - low) / levels
    safe = torch.where(scale > 0, scale, torch.ones_like(scale))
    zero = (-low / safe).round().clamp(0, levels)
    q = ((x / safe).round() + zero).clamp(0, levels)
    return torch.where(scale > 0, (q - zero) * safe, x)


def fake_weight(
    w: Tensor,
    fmt: Format,
    granularity: Granularity = "channel",
    *,
    dim: int = 0,
    group: int = 16,
    scales: ScaleFormat = "float",
) -> Tensor:
    """A weight in the format, with one scale a tensor, a channel `dim`, or `group` neighbours.

    Groups run along the flattened rest of each channel; the last of a channel may be shorter.
    `scales`: what the groups' scales are rounded to: E4M3 as in NVFP4, powers of two (upwards, so
    that nothing is cut off) as in MXFP4.
    """
    if granularity == "tensor":
        return fake(w, fmt, w.abs().amax())
    rows = w.movedim(dim, 0).flatten(1)
    if granularity == "channel":
        out = fake(rows, fmt, rows.abs().amax(1, keepdim=True))
    else:
        width = rows.shape[1]
        blocks = torch.nn.functional.pad(rows, (0, -width % group)).unflatten(1, (-1, group))
        amax = _rounded(blocks.abs().amax(2, keepdim=True) / largest(fmt), scales) * largest(fmt)
        out = fake(blocks, fmt, amax).flatten(1)[:, :width]
    return out.view(w.movedim(dim, 0).shape).movedim(0, dim)


def _rounded(scale: Tensor, kind: ScaleFormat) -> Tensor:
    if kind == "e4m3":  # one float32 scale a tensor brings the block scales into E4M3's range
        whole = scale.amax() / SMALL["e4m3"].largest
        return cast(scale / whole, "e4m3") * whole if whole > 0 else scale
    if kind == "power of two":
        return torch.where(scale > 0, scale.log2().ceil().exp2(), scale)
    return scale


class _Straight(torch.autograd.Function):
    """Forwards the quantised value; backwards the gradient where the input was in range."""

    @staticmethod
    def forward(ctx: Any, _x: Tensor, quantised: Tensor, inside: Tensor) -> Tensor:
        ctx.save_for_backward(inside)
        return quantised.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (inside,) = ctx.saved_tensors
        return grads[0] * inside, None, None


def straight_through(
    x: Tensor, quantise: Callable[[Tensor], Tensor], inside: Tensor | None = None
) -> Tensor:
    """`quantise(x)`, whose gradient is that of `x` where `inside`, else 0 (Bengio et al. 2013)."""
    with torch.no_grad():
        quantised = quantise(x)
        kept = torch.ones_like(x, dtype=torch.bool) if inside is None else inside
    out: Tensor = _Straight.apply(x, quantised, kept)  # type: ignore[no-untyped-call]
    return out


def learned(x: Tensor, fmt: Format, scale: Tensor) -> Tensor:
    """`x` in the format under a scale that is trained with the network (LSQ, Esser et al. 2020).

    `scale` is positive and broadcasts; its gradient is damped by 1 / sqrt(values of x times the
    format's largest value, over the number of scales), as in the paper.
    """
    damp = 1 / math.sqrt(x.numel() / scale.numel() * largest(fmt))
    scale = _Damped.apply(scale, damp)  # type: ignore[no-untyped-call]
    top = largest(fmt)
    ratio = (x / scale).clamp(-top - (fmt not in SMALL), top)
    return straight_through(ratio, lambda v: cast(v, fmt)) * scale


class _Damped(torch.autograd.Function):
    """The identity, with a smaller gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.factor, None
