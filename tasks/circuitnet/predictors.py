"""Predictors that learn nothing, or next to it: what every network has to beat.

On sparse labels a map of zeros scores a low NRMS; a table without these rows proves little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from core.errors import AssayError


class Predictor(Protocol):
    """Maps from features: N C X Y -> N 1 X Y."""

    def __call__(self, features: Tensor) -> Tensor:
        """Predictions in [0, 1]."""


def zero(features: Tensor) -> Tensor:
    """No overflow anywhere."""
    return torch.zeros_like(features[:, :1])


class MeanMap:
    """The mean of all labels of the training set, gcell by gcell."""

    def __init__(self, labels: Tensor) -> None:
        """`labels`: N 1 X Y, of the training set alone."""
        if not len(labels):
            raise AssayError("the mean map needs a training label")
        self.map = labels.double().mean(0, keepdim=True).float()

    def __call__(self, features: Tensor) -> Tensor:
        """The same map for every layout."""
        return self.map.to(features.device).expand(len(features), -1, -1, -1)


class Channel:
    """One feature as it is, taken for the label: RUDY is the classical estimate of congestion."""

    def __init__(self, index: int) -> None:
        """`index`: 1 for RUDY among the congestion features."""
        self.index = index

    def __call__(self, features: Tensor) -> Tensor:
        """That channel, cut to [0, 1]."""
        return features[:, self.index : self.index + 1].clamp(0, 1)


def trivial(train_labels: Tensor, rudy: int = 1) -> Mapping[str, Predictor]:
    """All of them by name; `rudy` is RUDY's place among the channels."""
    return {"zero map": zero, "mean map": MeanMap(train_labels), "RUDY": Channel(rudy)}
