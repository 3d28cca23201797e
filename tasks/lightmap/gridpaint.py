"""Whole frames from a hash grid on a CPU: what the hour fixes is worked out once a frame."""

from __future__ import annotations

import numba
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.lightmap import gridkernel
from tasks.lightmap.mlp import DAY_H
from tasks.lightmap.model import Lightmap


class GridRenderer:
    """Output of a network behind a hash grid, at the size of `image`, of which it uses no more."""

    @staticmethod
    def can(model: Lightmap) -> bool:
        """Whether it draws this network: a grid and ReLU layers on a CPU, without an encoder."""
        if model.grid is None or model.encoder is not None or model.grid.table.is_cuda:
            return False
        return isinstance(model.mlp.net[1], nn.ReLU)

    def __init__(self, model: Lightmap, image: Tensor) -> None:
        assert model.grid is not None
        self.mlp, grid = model.mlp, model.grid
        self.height, self.width = image.shape[1:]
        self.cells = grid.cells.numpy()
        self.tables = (grid.dense.numpy(), grid.primes.numpy(), grid.table.detach().numpy())
        rows = self.cells[:, 0] + 1
        self.first = np.cumsum(rows) - rows
        self.level_of = np.repeat(np.arange(len(rows)), rows)
        self.rows = np.empty((rows.sum(), grid.table.shape[2], self.width), np.float32)
        across = self.cells[:, :1]
        at = across * ((np.arange(self.width, dtype=np.float32) + np.float32(0.5)) / self.width)
        self.column = np.minimum(at.astype(np.int32), across - 1)
        self.right = (at - self.column).astype(np.float32)

    @torch.no_grad()
    def __call__(self, t: float) -> Tensor:
        """The network's output at hour t for every pixel: 3 H W."""
        (weight, bias), *inner, (last, shift) = self.mlp.layers_at(t)
        _, by_time, into = weight.split(self.mlp.widths, dim=1)
        if self.mlp.widths[1]:  # the hour as inputs that no pixel changes
            bias = bias + by_time @ self.mlp.encode_time(bias.new_tensor([t]))[0]
        biases = torch.stack([bias, *(b for _, b in inner)])
        square = weight.new_empty(0, len(bias), len(bias))
        middle = torch.stack([w for w, _ in inner]) if inner else square
        layers = (_whole(into, 2), _whole(biases, 1), _whole(middle, 2), _whole(last, 1))
        numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
        time, where = np.float32(t % DAY_H / DAY_H), (self.column, self.right)
        lying = self.level_of, self.first
        gridkernel.stretch(time, self.cells, *self.tables, *where, *lying, self.rows)
        out = np.empty((self.height, 3, self.width), np.float32)
        gridkernel.paint(self.rows, self.first, self.cells, *layers, shift.numpy(), out)
        return torch.from_numpy(out).transpose(0, 1)


def _whole(x: Tensor, axes: int) -> NDArray[np.float32]:
    """With zeros up to a multiple of UNROLL along the last axes."""
    missing = [-n % gridkernel.UNROLL for n in x.shape[::-1][:axes]]
    return F.pad(x, [m for n in missing for m in (0, n)]).contiguous().numpy()
