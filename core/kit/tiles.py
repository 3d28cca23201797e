"""Large images through small windows: where the windows lie, and one seamless map out of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from core.errors import AssayError

FLOOR = 1e-3  # of the blending weight: the outermost pixel of an image still has one


def starts(length: int, tile: int, stride: int) -> list[int]:
    """First pixels of the windows along one axis; the last window ends with the image."""
    if not 0 < stride <= tile:
        raise AssayError(
            f"stride {stride} must be 1..{tile}, the window's side: pixels would be missed"
        )
    last = max(0, length - tile)
    return [*range(0, last, stride), last]


def windows(height: int, width: int, tile: int, stride: int) -> list[tuple[int, int]]:
    """Top left corners (y, x) of all windows, row by row."""
    rows, columns = starts(height, tile, stride), starts(width, tile, stride)
    return [(y, x) for y in rows for x in columns]


def hann(tile: int) -> Tensor:
    """Blending weight of a window's pixels, tile tile: a Hann bell along each axis, floor 1e-3."""
    at = (torch.arange(tile, dtype=torch.float64) + 0.5) / tile
    bell = torch.sin(math.pi * at).square().clamp(min=FLOOR).float()
    return bell[:, None] * bell


def stitch(
    image: Tensor,
    predict: Callable[[Tensor], Tensor],
    *,
    tile: int,
    stride: int,
    batch: int = 4,
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """The map D H W (float32, on the CPU) of an image C H W, window by window.

    `predict` maps B C tile tile (the image's dtype) to B D tile tile; overlaps are averaged under
    `hann`: a predictor that gives every pixel its own value leaves it unchanged. An image smaller
    than a window is continued by reflection, and cut again.
    """
    height, width = image.shape[-2:]
    image = _at_least(image, tile)
    corners = windows(image.shape[-2], image.shape[-1], tile, stride)
    bell = hann(tile)
    total = weight = torch.empty(0)
    for first in range(0, len(corners), batch):
        part = corners[first : first + batch]
        views = [image[:, y : y + tile, x : x + tile] for y, x in part]
        made = predict(torch.stack(views).to(device)).float().cpu()
        if first == 0:
            total = torch.zeros(made.shape[1], *image.shape[-2:])
            weight = torch.zeros(image.shape[-2:])
        for (y, x), one in zip(part, made, strict=True):
            total[:, y : y + tile, x : x + tile] += one * bell
            weight[y : y + tile, x : x + tile] += bell
        progress(min(first + batch, len(corners)), len(corners))
    return (total / weight)[:, :height, :width]


def _at_least(image: Tensor, tile: int) -> Tensor:
    """The image, continued to the bottom right by reflection until it holds a window."""
    for axis in (-2, -1):
        while (n := image.shape[axis]) < tile:
            more = min(tile - n, n - 1) if n > 1 else tile - n
            index = torch.arange(n - 2, n - 2 - more, -1) if n > 1 else torch.zeros(more).long()
            image = torch.cat([image, image.index_select(axis, index.to(image.device))], axis)
    return image
