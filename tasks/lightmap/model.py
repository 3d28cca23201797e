"""The networks: a coordinate MLP that gives a colour change, and a CNN that tells it where it is.

Letters: N pixels, H W image, C feature channels. Coordinates are in [-1, 1], x right and y down, at
pixel centres, as `grid_sample` with align_corners=False expects; times are hours, taken modulo 24.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.kit.encode import cyclic, harmonics
from tasks.lightmap.config import LightmapConfig

DAY_H = 24.0


class DeltaMLP(nn.Module):
    """Colour change at (x, y) for hour t. Output is linear and unclamped; the caller adds the base.

    The input is [position, time, features]; `widths` are their column counts.

    state_dict: net.{0,2,...}.{weight,bias}; the encodings hold no parameters.
    """

    def __init__(self, cfg: LightmapConfig, features: int) -> None:
        super().__init__()
        self.octaves, self.include_input = cfg.xy_harmonics, cfg.xy_include_input
        self.time_pairs = cfg.time_harmonics
        located = not (features and cfg.be_input == "replace")
        self.widths = [
            located * (4 * cfg.xy_harmonics + 2 * cfg.xy_include_input),
            2 * cfg.time_harmonics,
            features,
        ]
        sizes = [sum(self.widths), *[cfg.hidden] * cfg.layers]
        body = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
        self.net = nn.Sequential(*body, nn.Linear(cfg.hidden, 3))

    def forward(self, xy: Tensor, t: Tensor, features: Tensor | None) -> Tensor:
        """N 2, N and N C to N 3."""
        parts = [self.encode_place(xy)] if self.widths[0] else []
        parts.append(self.encode_time(t))
        if features is not None:
            parts.append(features)
        out: Tensor = self.net(torch.cat(parts, dim=1))
        return out

    def encode_place(self, xy: Tensor) -> Tensor:
        """Harmonics of any number of coordinates, side by side."""
        return harmonics(xy, self.octaves, self.include_input)

    def encode_time(self, t: Tensor) -> Tensor:
        """N to N 2m, periodic over the day."""
        return cyclic(t, self.time_pairs, DAY_H)


class BaselineEncoder(nn.Module):
    """Features of the baseline image: 3 H W to C H/d W/d, three 3x3 convolutions, zero padding."""

    def __init__(self, channels: int, downsample: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, stride=downsample),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """3 H W in [0, 1] to C H' W'."""
        out: Tensor = self.net(image[None])
        return out[0]


class Lightmap(nn.Module):
    """The whole trainable part: MLP, and the encoder where it is switched on."""

    def __init__(self, cfg: LightmapConfig) -> None:
        super().__init__()
        channels = cfg.be_channels if cfg.use_baseline_encoder else 0
        self.encoder = BaselineEncoder(channels, cfg.be_downsample) if channels else None
        self.mlp = DeltaMLP(cfg, channels)
        self.baseline_digest = ""  # of the image it was trained on, known once loaded

    def forward(self, xy: Tensor, t: Tensor, image: Tensor) -> Tensor:
        """Colour change at N points of the scene whose baseline image is given: N 3."""
        features = None if self.encoder is None else sample(self.encoder(image), xy)
        out: Tensor = self.mlp(xy, t, features)
        return out


def build(cfg: LightmapConfig) -> Lightmap:
    """The network of a config, freshly initialised from the global generator."""
    return Lightmap(cfg)


def sample(features: Tensor, xy: Tensor) -> Tensor:
    """Bilinear values of C H W at N points: N C. At the map's pixel centres, its own pixels."""
    at = F.grid_sample(
        features[None], xy[None, :, None], padding_mode="border", align_corners=False
    )  # 1 C N 1
    return at[0, :, :, 0].T


def centres(n: int, device: torch.device | str = "cpu") -> Tensor:
    """Coordinates of n pixel centres along one axis."""
    return (torch.arange(n, device=device) + 0.5) / n * 2 - 1


def grid(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """(x, y) of every pixel, row by row: H*W 2."""
    y, x = torch.meshgrid(centres(height, device), centres(width, device), indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1)
