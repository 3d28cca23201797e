"""Floorplans: where the macros of a made-up die lie.

Coordinates are in gcells, x (axis 0) before y (axis 1), as in CircuitNet's maps; a box is
x0, y0, x1, y1 with x1 and y1 outside.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Boxes = NDArray[np.int64]  # n 4

SIDE = (0.10, 0.33)  # of the die's side
AREA = 0.45  # of the die, all macros together
TRIES = 60


def place(rng: np.random.Generator, side: int) -> Boxes:
    """One to six macros that do not overlap, each on an edge or in a corner of a square die."""
    wanted = int(rng.integers(1, 7))
    boxes: list[tuple[int, int, int, int]] = []
    for _ in range(TRIES):
        if len(boxes) == wanted:
            break
        w, h = np.maximum(1, np.rint(rng.uniform(*SIDE, 2) * side)).astype(int)
        x, y = _against_the_edge(rng, side, w, h)
        new = (x, y, x + w, y + h)
        area = sum((b[2] - b[0]) * (b[3] - b[1]) for b in [*boxes, new])
        if area <= AREA * side**2 and not any(_overlap(new, b) for b in boxes):
            boxes.append(new)
    return np.array(boxes, np.int64).reshape(-1, 4)


def _against_the_edge(rng: np.random.Generator, side: int, w: int, h: int) -> tuple[int, int]:
    """The low corner of a w x h box: in a corner of the die, or along one of its edges."""
    x, y = rng.integers(0, [side - w + 1, side - h + 1])
    edge_x, edge_y = rng.choice([0, side - w]), rng.choice([0, side - h])
    kind = rng.random()
    if kind < 0.4:
        return int(edge_x), int(edge_y)
    return (int(edge_x), int(y)) if kind < 0.7 else (int(x), int(edge_y))


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def region(macros: Boxes, shape: tuple[int, int]) -> Floats:
    """The macro_region map: 1 where a macro lies, else 0."""
    taken = np.zeros(shape)
    for x0, y0, x1, y1 in macros:
        taken[x0:x1, y0:y1] = 1
    return taken
