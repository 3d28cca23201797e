"""SAM-Road: SAM's image encoder and a small up-sampling decoder, with the key names of its files.

A plain vision transformer (Li et al. 2022) with relative positions; four of its blocks see all of
the grid, the others windows. Shapes: g x g cells of 16 pixels, D channels, h heads.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.route.models.unet import Normalise

CELL = 16  # pixels of a token
NECK = 256


class Shape(NamedTuple):
    """What fixes an encoder; `models.samfile` reads it off a file."""

    dim: int = 768
    depth: int = 12
    heads: int = 12
    side: int = 32  # cells of a window of the image: 512 pixels
    window: int = 14  # cells of an attention window
    neck: int = NECK

    @property
    def everywhere(self) -> tuple[int, ...]:
        """Blocks that see the whole grid: the last of each quarter (2, 5, 8, 11 of 12)."""
        quarter = max(1, self.depth // 4)
        return tuple(range(quarter - 1, self.depth, quarter))

    def table(self, block: int) -> int:
        """Length of a block's relative position tables."""
        return 2 * (self.side if block in self.everywhere else self.window) - 1


VIT_B = Shape()


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of B C H W."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Zero mean and unit variance of each pixel's channels, scaled and shifted."""
        normed = F.layer_norm(x.movedim(1, -1), self.weight.shape, self.weight, self.bias, 1e-6)
        return normed.movedim(-1, 1)


class Attention(nn.Module):
    """Self-attention on a grid of H W tokens with decomposed relative positions.

    The score of query (y, x) and key (v, u) is scale q.k + q.Rh[y - v] + q.Rw[x - u].
    """

    def __init__(self, dim: int, heads: int, table: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.rel_pos_h = nn.Parameter(torch.zeros(table, dim // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(table, dim // heads))

    def forward(self, x: Float[Tensor, "B H W D"]) -> Float[Tensor, "B H W D"]:
        """Mix all tokens of each grid."""
        b, height, width, dim = x.shape
        n, d = height * width, dim // self.heads
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d).permute(2, 0, 3, 1, 4)  # b h n d
        grid = q.reshape(b, self.heads, height, width, d)
        rows = torch.einsum("bhyxd,yvd->bhyxv", grid, _between(self.rel_pos_h, height))
        columns = torch.einsum("bhyxd,xud->bhyxu", grid, _between(self.rel_pos_w, width))
        bias = (rows[..., :, None] + columns[..., None, :]).reshape(b, self.heads, n, n)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(b, height, width, dim))
        return out


def _between(table: Float[Tensor, "T d"], n: int) -> Float[Tensor, "n n d"]:
    """The table's entry of every query (first) and key: distance q - k, from -(n-1) to n-1."""
    at = torch.arange(n, device=table.device)
    return table[at[:, None] - at[None, :] + n - 1]


class Block(nn.Module):
    """Attention and an MLP, each beside a shortcut; in windows when `window` is given."""

    def __init__(self, dim: int, heads: int, table: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm1, self.norm2 = nn.LayerNorm(dim, 1e-6), nn.LayerNorm(dim, 1e-6)
        self.attn = Attention(dim, heads, table)
        self.mlp = nn.ModuleDict({"lin1": nn.Linear(dim, 4 * dim), "lin2": nn.Linear(4 * dim, dim)})

    def forward(self, x: Float[Tensor, "B H W D"]) -> Float[Tensor, "B H W D"]:
        """One layer."""
        x = x + (self._windowed(self.norm1(x)) if self.window else self.attn(self.norm1(x)))
        out: Tensor = x + self.mlp["lin2"](F.gelu(self.mlp["lin1"](self.norm2(x))))
        return out

    def _windowed(self, x: Tensor) -> Tensor:
        """Attention inside windows; the grid is continued by zeros to whole ones."""
        b, height, width, dim = x.shape
        w = self.window
        x = F.pad(x, (0, 0, 0, -width % w, 0, -height % w))
        rows, columns = x.shape[1] // w, x.shape[2] // w
        parts = x.view(b, rows, w, columns, w, dim).transpose(2, 3).reshape(-1, w, w, dim)
        back = self.attn(parts).view(b, rows, columns, w, w, dim).transpose(2, 3)
        whole: Tensor = back.reshape(b, rows * w, columns * w, dim)
        return whole[:, :height, :width]


class Encoder(nn.Module):
    """SAM's image encoder: B 3 S S normalised pixels to B 256 S/16 S/16."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        dim = shape.dim
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dim, CELL, CELL)})
        self.pos_embed = nn.Parameter(torch.zeros(1, shape.side, shape.side, dim))
        self.blocks = nn.ModuleList(
            Block(dim, shape.heads, shape.table(i), 0 if i in shape.everywhere else shape.window)
            for i in range(shape.depth)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(dim, shape.neck, 1, bias=False),
            LayerNorm2d(shape.neck),
            nn.Conv2d(shape.neck, shape.neck, 3, padding=1, bias=False),
            LayerNorm2d(shape.neck),
        )

    def forward(self, x: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B C g g"]:
        """Features of the cells."""
        x = self.patch_embed["proj"](x).movedim(1, -1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.neck(x.movedim(-1, 1))
        return out


class SamRoad(nn.Module):
    """Road logits B S S of image pieces of exactly S = `patch` pixels.

    state_dict: image_encoder.* and map_decoder.{0,1,3,5,7}.*, as SAM-Road's own files.
    """

    def __init__(self, shape: Shape = VIT_B) -> None:
        super().__init__()
        self.shape, self.patch = shape, CELL * shape.side
        self.normalise = Normalise()
        self.image_encoder = Encoder(shape)
        n = shape.neck
        self.map_decoder = nn.Sequential(
            nn.ConvTranspose2d(n, n // 2, 2, 2),
            LayerNorm2d(n // 2),
            nn.GELU(),
            nn.ConvTranspose2d(n // 2, n // 4, 2, 2),
            nn.GELU(),
            nn.ConvTranspose2d(n // 4, n // 8, 2, 2),
            nn.GELU(),
            nn.ConvTranspose2d(n // 8, 2, 2, 2),
        )

    def both(self, rgb: Shaped[Tensor, "B 3 S S"]) -> Float[Tensor, "B 2 S S"]:
        """Logits of key points (channel 0) and road (channel 1)."""
        out: Tensor = self.map_decoder(self.image_encoder(self.normalise(rgb)))
        return out

    def decode(self, features: Float[Tensor, "B C g k"]) -> Float[Tensor, "B 16*g 16*k"]:
        """Road logits of the encoder's features; no layer of the decoder looks beyond its cell."""
        out: Tensor = self.map_decoder(features)
        return out[:, 1]

    def forward(self, rgb: Shaped[Tensor, "B 3 S S"]) -> Float[Tensor, "B S S"]:
        """Road logits."""
        return self.both(rgb)[:, 1]
