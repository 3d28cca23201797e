"""Maps of any size to the network's size, and to [0, 1].

`cubic` and `stretch` are CircuitNet's own steps (`generate_training_set.py`), with their quirks;
`area` is what cv2.resize does under INTER_AREA; `nearest` keeps a mask a mask.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Range(NamedTuple):
    """What a map spanned before it was brought to [0, 1]: value = low + (high - low) * scaled."""

    low: float
    high: float


def cubic(a: Array, size: int) -> Array:
    """Cubic spline zoom to size x size. It overshoots: a mask leaves [0, 1], counts go below 0."""
    from scipy.ndimage import zoom

    out: Array = zoom(a, (size / a.shape[0], size / a.shape[1]), order=3)
    return out


def stretch(a: Array) -> tuple[Array, Range]:
    """(a - min) / (max - min), and a itself if its maximum is 0; a constant map becomes zeros."""
    low, high = a.min(), a.max()
    if high == 0:
        return a, Range(0.0, 1.0)
    if high == low:  # officially 0 / 0
        return np.zeros(a.shape), Range(float(low), float(low))
    return (a - low) / (high - low), Range(float(low), float(high))


def area(a: Array, size: int) -> Floats:
    """Mean over each new cell's area where the map shrinks, as cv2's INTER_AREA.

    Where either side grows, cv2 interpolates linearly between old cells instead; so does this.
    """
    x, y = (_area_weights(n, size, min(a.shape) >= size) for n in a.shape)
    out: Floats = (y @ (x @ a.astype(np.float64)).T).T
    return out


@functools.cache
def _area_weights(n: int, size: int, shrinks: bool) -> Any:
    """What each new cell takes of the old ones, as a sparse size x n matrix: it is a thin band."""
    from scipy.sparse import csr_array

    return csr_array(_mean_over(n, size) if shrinks else _linear(n, size))


def _mean_over(n: int, size: int) -> Floats:
    """Weights of n old cells in each of `size` new ones, which share the same length."""
    edge = np.arange(size + 1) * (n / size)
    old = np.arange(n)
    overlap = np.minimum(edge[1:, None], old + 1) - np.maximum(edge[:-1, None], old)
    weights: Floats = np.clip(overlap, 0, None) * (size / n)
    return weights


def _linear(n: int, size: int) -> Floats:
    """Weights when a side grows: an old value holds until the next one enters the new cell."""
    scale = n / size
    new = np.arange(size)
    low = np.minimum(np.floor(new * scale).astype(np.int64), n - 1)
    part = (new + 1) - (low + 1) / scale
    part = np.where(part <= 0, 0, part - np.floor(part))
    weights = np.zeros((size, n))
    weights[new, low] += 1 - part
    weights[new, np.minimum(low + 1, n - 1)] += part
    return weights


def nearest(a: Array, size: int) -> Floats:
    """The old cell under each new cell's centre."""
    x, y = (((np.arange(size) + 0.5) * n / size).astype(np.int64) for n in a.shape)
    out: Floats = a[np.ix_(x, y)].astype(np.float64)
    return out
