"""Less noise in a day: neighbouring pixels of all hours are nearly of low rank, noise is not.

Around every block the matrix (hours x pixels and colours), less its mean over hours, keeps only
what stands out of its own noise: singular values are shrunk towards a threshold at the edge of the
Marchenko-Pastur spectrum, whose scale is the median of the smaller ones. Overlapping blocks are
averaged. What moves through a block (a shadow's edge) is large there, and stays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]  # T H W 3

SIDE = 8
EDGE = 2.0  # threshold over the expected edge of pure noise


def denoised(frames: Frames) -> Frames:
    """The same T H W 3 frames with less noise; at least 4 frames and blocks of 8x8, else as is."""
    hours, height, width, _ = frames.shape
    if hours < 4 or min(height, width) < SIDE:
        return frames
    total, times = np.zeros(frames.shape), np.zeros((height, width, 1))
    for y in _starts(height):
        for x in _starts(width):
            at = np.s_[y : y + SIDE, x : x + SIDE]
            total[:, *at] += _shrunk(frames[:, *at].reshape(hours, -1)).reshape(
                hours, SIDE, SIDE, 3
            )
            times[at] += 1
    made: Frames = (total / times).astype(np.float32)
    return made


def _starts(length: int) -> list[int]:
    """Where blocks that overlap by half begin, the last one flush with the edge."""
    return sorted({*range(0, length - SIDE, SIDE // 2), length - SIDE})


def _shrunk(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    hours, columns = matrix.shape
    mean = matrix.mean(0, dtype=np.float64)
    left, values, right = np.linalg.svd(matrix - mean, full_matrices=False)
    noise = np.median(values[hours // 3 : -1]) / np.sqrt(columns)
    limit = EDGE * noise * (np.sqrt(columns) + np.sqrt(hours)) / 2
    kept = values * np.clip(1 - (limit / np.maximum(values, 1e-12)) ** 2, 0, None)
    out: NDArray[np.float64] = mean + (left * kept) @ right
    return out
