"""RUDY of 30,000 nets on 256 x 256 gcells, one core, CPU time.

The peer paints each net's overlap into the map, net by net with NumPy slices; both maps must agree.
"""

from __future__ import annotations

import json

import numpy as np

from benchmarks.circuitnet_data import SIDE, Map, seconds
from tasks.circuitnet import rudy

NETS = 30_000


def boxes() -> Map:
    """Bounding boxes like those of a placed design: most small, some across the die."""
    rng = np.random.default_rng(0)
    size = np.minimum(np.exp(rng.normal(1.0, 1.0, (NETS, 2))) + 0.25, SIDE / 2)
    low = rng.uniform(0, SIDE - size)
    return np.hstack([low, low + size])


def peer_rudy(box: Map) -> Map:
    """Net by net: the overlap with each gcell is an outer product."""
    out = np.zeros((SIDE, SIDE))
    for x0, y0, x1, y1 in box:
        i, j = np.arange(int(x0), int(np.ceil(x1))), np.arange(int(y0), int(np.ceil(y1)))
        wide = np.minimum(x1, i + 1) - np.maximum(x0, i)
        high = np.minimum(y1, j + 1) - np.maximum(y0, j)
        density = 1 / (x1 - x0) + 1 / (y1 - y0)
        out[i[0] : i[-1] + 1, j[0] : j[-1] + 1] += density * np.outer(wide, high)
    return out


def main() -> None:
    """Print one JSON line."""
    box = boxes()
    np.testing.assert_allclose(rudy.rudy(box, (SIDE, SIDE)), peer_rudy(box), atol=1e-8)
    ours, peer = seconds(lambda: rudy.rudy(box, (SIDE, SIDE))), seconds(lambda: peer_rudy(box), 1)
    result = {"benchmark": "circuitnet_rudy", "nets": NETS, "ours_s": ours, "peer_s": peer}
    print(json.dumps(result | {"ratio": peer / ours}))


if __name__ == "__main__":
    main()
