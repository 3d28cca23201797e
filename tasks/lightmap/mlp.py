"""The small network that every pixel passes through, its encodings, and how the hour steers it.

Letters: N pixels, D input columns, h hidden, L layers.
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.kit.encode import cyclic, harmonics
from tasks.lightmap.config import LightmapConfig

DAY_H = 24.0
FILM_HIDDEN = 32


class DeltaMLP(nn.Module):
    """Colour change at (x, y) for hour t. Output is linear and unclamped; the caller adds the base.

    The input is [position, time, features]; `widths` are their column counts. Position is absent
    (0) where features replace it, time is absent where it modulates the layers instead (FiLM).

    state_dict: net.{0,2,...}.{weight,bias}; film.net.{0,2}.{weight,bias} with film; waves (2 d)
    with gaussian position features. The other encodings hold no parameters.
    """

    waves: Tensor

    def __init__(self, cfg: LightmapConfig, features: int, *, located: bool) -> None:
        super().__init__()
        self.octaves, self.include_input = cfg.xy_harmonics, cfg.xy_include_input
        self.time_pairs = cfg.time_harmonics
        self.gaussian = cfg.xy_mapping == "gaussian" and located
        position = 2 * cfg.ff_dim if self.gaussian else 4 * cfg.xy_harmonics
        self.widths = [
            located * (position + 2 * cfg.xy_include_input),
            0 if cfg.film else 2 * cfg.time_harmonics,
            features,
        ]
        sizes = [sum(self.widths), *[cfg.hidden] * cfg.layers]
        bend = (lambda: Sine(cfg.w0)) if cfg.activation == "sine" else nn.ReLU
        body = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), bend())]
        self.net = nn.Sequential(*body, nn.Linear(cfg.hidden, 3))
        if cfg.activation == "sine":
            _siren(self.net, cfg.w0)
        self.film = Modulation(cfg) if cfg.film else None
        if self.gaussian:
            self.register_buffer("waves", cfg.ff_sigma * torch.randn(2, cfg.ff_dim))

    def forward(self, xy: Tensor, t: Tensor, features: Tensor | None) -> Tensor:
        """N 2, N and N C to N 3."""
        parts = [self.encode_place(xy)] if self.widths[0] else []
        parts += [self.encode_time(t)] if self.widths[1] else []
        parts += [features] if features is not None else []
        out = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        if self.film is None:
            return self.net(out)  # type: ignore[no-any-return]
        hours, which = t.unique(return_inverse=True)  # few in a batch: one row each is enough
        gains, shifts = self.film(self.encode_time(hours))
        for i in range(len(gains)):
            out = self.net[2 * i](out)
            out = self.net[2 * i + 1](_modulate(out, gains[i], shifts[i], which))
        return self.net[-1](out)  # type: ignore[no-any-return]

    def encode_place(self, xy: Tensor) -> Tensor:
        """N 2 to the position columns. Harmonics take any number of coordinates side by side."""
        if not self.gaussian:
            return harmonics(xy, self.octaves, self.include_input)
        angles = 2 * math.pi * (xy @ self.waves)
        return torch.cat([*([xy] if self.include_input else []), angles.sin(), angles.cos()], dim=1)

    def encode_time(self, t: Tensor) -> Tensor:
        """N to N 2m, periodic over the day."""
        return cyclic(t, self.time_pairs, DAY_H)

    def layers_at(self, t: float) -> list[tuple[Tensor, Tensor]]:
        """Weight and bias of every linear layer at hour t, modulation folded in.

        At one hour a modulated network is a plain one: ((Wx + b)(1 + g) + s) = (1 + g)W x + ...
        """
        plain: list[tuple[Tensor, Tensor]]
        plain = [(m.weight, m.bias) for m in self.net if isinstance(m, nn.Linear)]
        if self.film is None:
            return plain
        hour = plain[0][0].new_tensor([t])
        gains, shifts = self.film(self.encode_time(hour))
        folded = [
            (w * (1 + g).T, b * (1 + g[0]) + s[0])
            for (w, b), g, s in zip(plain[:-1], gains, shifts, strict=True)
        ]
        return [*folded, plain[-1]]


class Sine(nn.Module):
    """sin(w0 x), the activation of SIREN (Sitzmann et al. 2020)."""

    def __init__(self, w0: float) -> None:
        super().__init__()
        self.w0 = w0

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return (self.w0 * x).sin()


def _siren(net: nn.Sequential, w0: float) -> None:
    """SIREN's initial weights: inputs of every sine keep a spread of about 1."""
    layers = [m for m in net if isinstance(m, nn.Linear)]
    for i, layer in enumerate(layers):
        n = layer.in_features
        bound = 1 / n if i == 0 else math.sqrt(6 / n) / w0
        nn.init.uniform_(layer.weight, -bound, bound)


class Modulation(nn.Module):
    """FiLM (Perez et al. 2018): the hour scales and shifts every hidden layer.

    The last layer starts at zero, so that training begins with the plain network.
    """

    def __init__(self, cfg: LightmapConfig) -> None:
        super().__init__()
        self.shape = (2, cfg.layers, cfg.hidden)
        last = nn.Linear(FILM_HIDDEN, 2 * cfg.layers * cfg.hidden)
        self.net = nn.Sequential(nn.Linear(2 * cfg.time_harmonics, FILM_HIDDEN), nn.SiLU(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded times n 2m to gains and shifts, L n h each."""
        gains, shifts = self.net(time).view(-1, *self.shape).permute(1, 2, 0, 3)
        return gains, shifts


def _modulate(z: Tensor, gain: Tensor, shift: Tensor, which: Tensor) -> Tensor:
    """Scaled and shifted, z (1 + gain) + shift: N h, by gains and shifts n h of hours `which`."""
    if len(gain) > 1:
        gain, shift = F.embedding(which, gain), F.embedding(which, shift)
    return z * (1 + gain) + shift
