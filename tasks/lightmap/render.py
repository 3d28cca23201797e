"""Whole frames, fast: the first layer is linear in a concatenation, so most of it is tabulated.

W1 [place(x, y), time(t), features] = A[x] + B[y] + c(t) + Z[y, x]: a table over columns, one over
rows, a vector a frame, and with an encoder a map an image. No sine is left to do per pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tasks.lightmap import paths
from tasks.lightmap.basis import restored
from tasks.lightmap.blend import Base, Frame
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, trained_hours
from tasks.lightmap.model import Lightmap, centres, grid, sample

CPU_CHUNK = 2048  # pixels: two activations of 64 floats each stay in a core's own cache
CUDA_CHUNK = 2**18


class Renderer:
    """Output of one trained network at the size of `image`; what time does not change is kept."""

    chunk = CPU_CHUNK
    kind = torch.float32  # of the activations

    @torch.no_grad()
    def __init__(self, model: Lightmap, image: Tensor) -> None:
        mlp = self.mlp = model.mlp
        self.layers: list[nn.Linear] = [m for m in mlp.net if isinstance(m, nn.Linear)]
        self.height, self.width = image.shape[1:]
        place, self.by_time, rest = torch.split(self.layers[0].weight, mlp.widths, dim=1)
        self.across = _axis(model, place[:, 0::2], centres(self.width, image.device))
        self.down = _axis(model, place[:, 1::2], centres(self.height, image.device))
        self.static = None
        if model.encoder is not None:
            at = sample(model.encoder(image), grid(self.height, self.width, image.device))
            self.static = (at @ rest.T).view(self.height, self.width, -1)

    @torch.no_grad()
    def __call__(self, t: float) -> Tensor:
        """The network's output at hour t for every pixel: 3 H W."""
        first = self.layers[0]
        time = self.mlp.encode_time(self.across.new_tensor([t]))[0]
        down = self.down + (self.by_time @ time + first.bias)
        out = self.across.new_empty(self.height * self.width, 3)
        rows = max(1, (CUDA_CHUNK if out.is_cuda else self.chunk) // self.width)
        size = rows * self.width, first.out_features
        buffers = [out.new_empty(size, dtype=self.kind) for _ in range(2)]
        for y in range(0, self.height, rows):
            part = down[y : y + rows, None]  # r 1 hidden
            z = buffers[0][: len(part) * self.width]
            torch.add(self.across, part, out=z.view(len(part), self.width, -1))
            if self.static is not None:
                z += self.static[y : y + rows].flatten(0, 1)
            out[y * self.width :][: len(z)] = self._rest(z, buffers)
        return out.T.reshape(3, self.height, self.width)

    def _rest(self, z: Tensor, buffers: list[Tensor]) -> Tensor:
        """All layers but the first, each into the buffer that the one before does not use."""
        for i, layer in enumerate(self.layers[1:-1], start=1):
            into = buffers[i % 2][: len(z)]
            z = torch.addmm(layer.bias, z.relu_(), layer.weight.T, out=into)
        last = self.layers[-1]
        return torch.addmm(last.bias, z.relu_(), last.weight.T)


class Direct:
    """The same for any network, pixel by pixel through its own forward pass, and at any size."""

    @torch.no_grad()
    def __init__(self, model: Lightmap, image: Tensor, size: tuple[int, int] | None = None) -> None:
        self.model = model
        self.height, self.width = size or image.shape[1:]
        self.points = grid(self.height, self.width, image.device)
        self.seen = None
        if model.encoder is not None:
            self.seen = sample(model.encoder(image), self.points)

    @torch.no_grad()
    def __call__(self, t: float) -> Tensor:
        """The network's output at hour t for every pixel: 3 H W."""
        chunk = CUDA_CHUNK if self.points.is_cuda else CPU_CHUNK
        out = torch.empty_like(self.points[:, :1]).expand(-1, 3).contiguous()
        for i in range(0, len(out), chunk):
            xy = self.points[i : i + chunk]
            seen = None if self.seen is None else self.seen[i : i + chunk]
            out[i : i + chunk] = self.model.colour(xy, xy.new_full((len(xy),), t), seen)
        return out.T.reshape(3, self.height, self.width)


def renderer(model: Lightmap, image: Tensor) -> Callable[[float], Tensor]:
    """Whatever draws this network fastest: an hour to the output for every pixel, 3 H W."""
    if model.tabulated:
        return Renderer(model, image)
    if model.grid is None:
        return Direct(model, image)
    from tasks.lightmap.gridpaint import GridRenderer  # numba takes half a second

    return GridRenderer(model, image) if GridRenderer.can(model) else Direct(model, image)


def _axis(model: Lightmap, weight: Tensor, at: Tensor) -> Tensor:
    """One axis' share of the first layer: n hidden. Zero where the network sees no position."""
    if not model.mlp.widths[0]:
        return at.new_zeros(len(at), weight.shape[0])
    return model.mlp.encode_place(at[:, None]) @ weight.T


def known(cfg: LightmapConfig, model: Lightmap, day: Day) -> tuple[Tensor, list[float]]:
    """The images that a blend may use, T H W 3 in [0, 1], as the model keeps them; their hours."""
    kept, hours = restored(model.file, day) if cfg.basis_k else day, trained_hours(cfg, day)
    which = [day.hours.index(h) for h in hours]
    return kept.frames[which].permute(0, 2, 3, 1).float() / 255, list(hours)


def frames(cfg: LightmapConfig, model: Lightmap, day: Day) -> Frame:
    """The model's pictures of a day."""
    if model.mixer is not None:
        images, hours = known(cfg, model, day)
        prepared, mixer = paths.Day(images.cpu().numpy(), hours), model.mixer
        return lambda t: mixer.paint(prepared, t).to(images.device).clamp(0, 1)
    base = Base(cfg, restored(model.file, day) if cfg.basis_k else day)
    if not cfg.network:
        return lambda t: base.shown(base.image(t))
    draw = renderer(model, day.at(cfg.baseline_time))
    return lambda t: base.shown(base.image(t) + base.mix(t).gain * draw(t))
