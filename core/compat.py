"""Lets torchvision be imported where its native part does not load (CPU torch, CUDA torchvision).

PyPI's torchvision is linked against CUDA. Beside a CPU torch its library fails to load, and its
import then dies, because it registers fake kernels for two operators that nobody defined. That
takes lpips, diffusers and transformers down with it. `install` costs nothing until someone imports
torchvision: only then the two operators are defined in plain torch, if they are missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.library import Library

_kept: list[Library] = []  # an operator lives as long as the Library that defined it
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class _Torchvision:  # importlib.abc would be 10 ms of every start
    """Steps in once, before torchvision is looked up by the ordinary finders."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            found = PathFinder.find_spec(name)
            if found is not None and found.origin is not None:
                complete(Path(found.origin).parent)
        return None


def install() -> None:
    """Watch for the first import of torchvision."""
    watching = any(isinstance(finder, _Torchvision) for finder in sys.meta_path)
    if "torchvision" not in sys.modules and not watching:
        sys.meta_path.insert(0, _Torchvision())


def complete(package: Path) -> None:
    """Define torchvision's `nms` and `qnms`, unless the library in `package` loads and does it."""
    import torch

    for library in [*package.glob("_C*.so"), *package.glob("_C*.pyd")]:
        try:
            torch.ops.load_library(str(library))
            return
        except OSError:
            continue
    own = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        own.define(name + _SCHEMA)
        own.impl(name, nms, "CompositeExplicitAutograd")
    _kept.append(own)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes that no better-scored kept box overlaps by more than the threshold.

    `boxes` are N x 4 corners (x1, y1, x2, y2); the result is sorted by falling score.
    """
    import torch

    order = scores.argsort(descending=True, stable=True)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while order.numel():
        best, order = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[order, :2])
        high = torch.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = (high - low).clamp(min=0).prod(1)
        order = order[shared <= iou_threshold * (area[best] + area[order] - shared)]
    return torch.stack(kept) if kept else order
