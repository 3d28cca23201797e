"""Whether a difference over the same maps can be told from none: paired bootstrap intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
INSIDE = 0.95


class Interval(NamedTuple):
    """A mean difference with its 95 % interval."""

    point: float
    low: float
    high: float

    @property
    def separable(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.point:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def paired(ours: NDArray[np.float64], theirs: NDArray[np.float64], seed: int = 0) -> Interval:
    """Mean of ours - theirs over maps, with a percentile interval over resampled maps.

    Maps in which either is NaN are left out. Source: Efron and Tibshirani 1993, 13.3.
    """
    apart = ours - theirs
    apart = apart[~np.isnan(apart)]
    if not len(apart):
        return Interval(float("nan"), float("nan"), float("nan"))
    draws = np.random.default_rng(seed).integers(len(apart), size=(RESAMPLES, len(apart)))
    means = apart[draws].mean(1)
    low, high = np.quantile(means, [(1 - INSIDE) / 2, (1 + INSIDE) / 2])
    return Interval(float(apart.mean()), float(low), float(high))
