"""The bundled real maps (`sample/`, with its NOTICE): two raw layouts of CircuitNet-N28."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.circuitnet import raw
from tasks.circuitnet.raw import Array

FOLDER = Path(__file__).parent / "sample"
LABELLED = "3-RISCY-a-1-c2-u0.7-m1-p3-f0"  # with overflow, without RUDY_pin
UNLABELLED = "10370-zero-riscy-b-3-c20-u0.9-m3-p7-f1"  # the features alone
PLACEMENTS = tuple(sorted(FOLDER.glob("*-c2-*.npz")))


def maps() -> dict[str, dict[str, Array]]:
    """Layout name -> kind -> map, as released: float64 or int64, C or Fortran order."""
    found: dict[str, dict[str, Array]] = {}
    with np.load(FOLDER / "n28_maps.npz", allow_pickle=False) as archive:
        for key in archive:
            name, _, kind = key.rpartition("/")
            found.setdefault(name, {})[kind] = archive[key]
    return found


def complete() -> dict[str, Array]:
    """The labelled layout with what it lacks: RUDY = long + short, which is exact, and RUDY_pin.

    RUDY_pin_long stands in for RUDY_pin (pins of short nets are missing from it).
    """
    found = maps()[LABELLED]
    return found | {
        "RUDY": found["RUDY_long"] + found["RUDY_short"],
        "RUDY_pin": found["RUDY_pin_long"],
    }


def write(root: Path) -> Path:
    """The completed labelled layout as a raw tree below `root`."""
    raw.write(root, LABELLED, complete())
    return root
