"""From pixels to cells of the routing grid and back.

A cell is ds x ds pixels; cell i holds pixels i ds ... i ds + ds - 1, so that its centre lies at
pixel (i + 1/2) ds - 1/2. The last row and column are filled up with probability 0. Points are (y,
x).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from core.errors import AssayError
from tasks.route.eikonal.path import Path, to_pixels

Pool = Literal["max", "mean", "min_cost"]


def grid_shape(height: int, width: int, ds: int) -> tuple[int, int]:
    """Rows and columns of cells. Raises AssayError for cells larger than the image."""
    if not 1 <= ds <= min(height, width):
        raise AssayError(
            f"downsample {ds} does not fit an image of {height} x {width} pixels",
            f"Choose 1 to {min(height, width)}",
        )
    return -(-height // ds), -(-width // ds)


def pool(prob: Float[Tensor, "B H W"], ds: int, how: Literal["max", "mean"]) -> Tensor:
    """Probability of each cell: the greatest or the mean of its pixels; B Hf Wf."""
    padded = F.pad(prob, _missing(prob, ds))
    out = (F.max_pool2d if how == "max" else F.avg_pool2d)(padded[:, None], ds)
    return out[:, 0]


def pool_cost(cost: Float[Tensor, "B H W"], ds: int) -> Tensor:
    """The cheapest pixel of each cell: B Hf Wf; what lies beyond the image is never it."""
    padded = F.pad(cost, _missing(cost, ds), value=torch.inf)
    return -F.max_pool2d(-padded[:, None], ds)[:, 0]


def _missing(image: Tensor, ds: int) -> tuple[int, int, int, int]:
    height, width = image.shape[1:]
    rows, cols = grid_shape(height, width, ds)
    return 0, cols * ds - width, 0, rows * ds - height


def to_cells(points: Int[Tensor, "*N 2"], ds: int) -> Int[Tensor, "*N 2"]:
    """The cells that hold pixels; negative coordinates (no point) stay negative."""
    return points.div(ds, rounding_mode="floor")


def path_pixels(
    path: Path, ds: int, target: tuple[int, int], source: tuple[int, int]
) -> Float[np.ndarray, "N 2"]:
    """A path in pixels of the image, from the target's own pixel to the source's.

    Only the ends are moved, from their cells' centres to the pixels that were asked for.
    """
    pixels = to_pixels(path.points, ds)
    ends = np.array([target, source], dtype=float)
    if len(pixels) == 1:  # both in one cell
        return ends
    pixels[[0, -1]] = ends
    return pixels


def endpoint_offset(path: Path, ds: int, target: tuple[int, int], cost: float) -> float:
    """What the time to the target's pixel differs from that to its cell's centre, to first order.

    cost times the signed distance from centre to pixel along the direction in which the path
    arrives: for reports alone (R4.1, endpoint=offset), for it is not what the gradient belongs to.
    """
    if len(path.points) < 2:
        return 0.0
    arrives = path.points[0] - path.points[1]
    arrives /= np.hypot(*arrives)
    return float(cost * arrives @ (np.array(target) - to_pixels(path.points[:1], ds)[0]))
