"""The compact network that trains here in minutes: a U-Net at half resolution, 338k parameters."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

MEAN = (123.675, 116.28, 103.53)  # of ImageNet, on 0..255, as SAM takes it
STD = (58.395, 57.12, 57.375)


class Normalise(nn.Module):
    """0..255 RGB to about zero mean and unit spread; holds no state."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[:, None, None], persistent=False)

    def forward(self, rgb: Shaped[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """(rgb - mean) / std of each channel."""
        return (rgb.float() - self.mean) / self.std


def conv(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Road logits of an image, B H W, at full resolution. Sides must be multiples of 16.

    Widths w, 2w, 4w, 6w at strides 2, 4, 8, 16; the head makes 2x2 pixels of each half-size one.

    state_dict: stem.*, down.{0,1,2}.*, up.{0,1,2}.*, head.{weight,bias}.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        w = [width, 2 * width, 4 * width, 6 * width]
        self.normalise = Normalise()
        self.stem = nn.Sequential(conv(3, w[0], 2), conv(w[0], w[0]))
        self.down = nn.ModuleList(
            nn.Sequential(conv(a, b, 2), conv(b, b)) for a, b in itertools.pairwise(w)
        )
        self.up = nn.ModuleList(conv(w[i + 1] + w[i], w[i]) for i in (2, 1, 0))
        self.head = nn.Conv2d(w[0], 4, 3, 1, 1)
        self.wider = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, rgb: Shaped[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W"]:
        """Road logits."""
        levels = [self.stem(self.normalise(rgb))]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up in self.up:
            x = up(torch.cat([self.wider(x), levels.pop()], 1))
        return nn.functional.pixel_shuffle(self.head(x), 2)[:, 0]
