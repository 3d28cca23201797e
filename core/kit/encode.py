"""Encodings of coordinates and times for small networks. None of them holds parameters."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def harmonics(x: Tensor, n: int, include_input: bool) -> Tensor:
    """Sines and cosines of pi, 2 pi, 4 pi, ... times each coordinate: N D to N D(2n [+ 1]).

    Columns: the input, all sines, all cosines; within each, octave by octave, and the D coordinates
    side by side. So column j belongs to coordinate j % D, whatever the options.
    """
    octaves = math.pi * 2.0 ** torch.arange(n, device=x.device, dtype=x.dtype)
    angles = (x[:, None, :] * octaves[:, None]).flatten(1)  # N n*D
    return torch.cat([*([x] if include_input else []), angles.sin(), angles.cos()], dim=1)


def cyclic(t: Tensor, n: int, period: float) -> Tensor:
    """The first n Fourier pairs of a time that repeats: N -> N 2n, all sines, then all cosines.

    Exactly periodic: `t` and `t + period` give the same bits when both are representable.
    """
    base = (t % period) * (2 * math.pi / period)
    angles = base[:, None] * torch.arange(1, n + 1, device=t.device, dtype=t.dtype)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
