"""The network of a config: a coordinate MLP, and up to two parts that tell it where it is.

    network(x, y, t) = mlp([position(x, y), time(t), features])

- features: a CNN over the baseline image sampled at (x, y) (`encoder`, use_baseline_encoder), then
  a table looked up at (x, y, t) (`grid`, hash_grid); each, both or none.
- position (harmonics or gaussian waves) is left out where the grid is on, or be_input is replace.
- time is left out of the input where it modulates the layers instead (film).

The network always gives a change of colour: what it is added to, and by which factor, is
`blend.Base` alone (nothing, the baseline hour, or the blend of two hours), so every network works
on every base. To add one: a part here, its columns in `features`, its settings in
`LightmapConfig.architecture`.

Letters: N pixels, H W image, C feature channels. Coordinates are in [-1, 1], x right and y down, at
pixel centres, as `grid_sample` with align_corners=False expects; times are hours, taken modulo 24.
"""

from __future__ import annotations

import typing

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import AssayError
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.mlp import DAY_H, DeltaMLP

if typing.TYPE_CHECKING:
    from tasks.lightmap.hashgrid import HashGrid
    from tasks.lightmap.mixing import Mixer

__all__ = ["DAY_H", "BaselineEncoder", "DeltaMLP", "Lightmap", "build", "centres", "grid", "sample"]


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
    """The whole trainable part. `longest` is the longer side of its images in pixels."""

    def __init__(self, cfg: LightmapConfig, longest: int = 0) -> None:
        super().__init__()
        channels = cfg.be_channels if cfg.use_baseline_encoder else 0
        self.encoder = BaselineEncoder(channels, cfg.be_downsample) if channels else None
        in_grid = cfg.hash_levels * cfg.hash_features if cfg.hash_grid else 0
        replaced = bool(in_grid) or (bool(channels) and cfg.be_input == "replace")
        self.mlp = DeltaMLP(cfg, channels + in_grid, located=not replaced)
        self.grid = _hash_grid(cfg, longest) if in_grid else None
        self.mixer = _mixer() if cfg.blend == "learned" else None
        self.longest = longest
        self.baseline_digest = ""  # of the image it was trained on, known once loaded
        self.file = b""  # the coded basis images (basis_k)

    @property
    def tabulated(self) -> bool:
        """Whether the first layer splits by x, y, t and a static map, and a ReLU follows it."""
        plain = self.grid is None and self.mlp.film is None and not self.mlp.gaussian
        return plain and isinstance(self.mlp.net[1], nn.ReLU)

    def forward(self, xy: Tensor, t: Tensor, image: Tensor) -> Tensor:
        """Colour change at N points of the scene whose baseline image is given: N 3."""
        return self.colour(xy, t, None if self.encoder is None else sample(self.encoder(image), xy))

    def colour(self, xy: Tensor, t: Tensor, seen: Tensor | None) -> Tensor:
        """The same with the encoder's features at the points already known: N C."""
        parts = [] if seen is None else [seen]
        parts += [] if self.grid is None else [self.grid(xy, t)]
        features = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0] if parts else None
        out: Tensor = self.mlp(xy, t, features)
        return out


def _hash_grid(cfg: LightmapConfig, longest: int) -> HashGrid:
    from tasks.lightmap.hashgrid import HashGrid  # numba takes half a second: only where needed

    return HashGrid(cfg, longest)


def _mixer() -> Mixer:
    from tasks.lightmap.mixing import Mixer

    return Mixer()


def build(cfg: LightmapConfig, longest: int = 0) -> Lightmap:
    """The network of a config, freshly initialised from the global generator.

    Raises:
        AssayError: a hash grid whose finest level is left to the images, and no `longest` side.
    """
    if cfg.hash_grid and not (cfg.hash_top or longest):
        raise AssayError("the hash grid does not know how fine to be", "Set hash_top")
    return Lightmap(cfg, longest)


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
