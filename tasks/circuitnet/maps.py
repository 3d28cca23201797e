"""Predictions as files: the map itself, a picture of it, and where it is hottest."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from core.contract import Run
from core.errors import AssayError
from core.kit.figure import heat
from core.kit.io import write_png
from tasks.circuitnet import dataset
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.network import Network
from tasks.circuitnet.split import Array

SCALE = 4  # screen pixels a gcell in the picture of a small map
LARGE = 256  # gcells from which a map is drawn as it is
COLUMNS = ("map", "x", "y", "peak", "gcells", "mean")


class Hotspot(NamedTuple):
    """A connected region above the threshold, by its hottest gcell."""

    x: int
    y: int
    peak: float
    gcells: int
    mean: float


def infer(cfg: CircuitnetConfig, network: Network, out: Path, run: Run) -> list[Path]:
    """NAME.npy (X Y float32), NAME.png (y upwards) of every input, and hotspots.csv of all."""
    out.mkdir(parents=True, exist_ok=True)
    made, spots = [], []
    todo = list(inputs(cfg))
    for done, (name, feature) in enumerate(todo, 1):
        (pred,) = network.predict(feature[None])
        np.save(out / f"{name}.npy", pred)
        made += [out / f"{name}.npy", write_png(out / f"{name}.png", picture(pred))]
        spots += [(name, *spot) for spot in hotspots(pred, cfg.threshold)]
        run.progress(done, len(todo), name)
    with (out / "hotspots.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *spots])
    return [*made, out / "hotspots.csv"]


def inputs(cfg: CircuitnetConfig) -> Iterator[tuple[str, Array]]:
    """Names and features C H W: of `infer_input`, else the first test maps.

    Raises:
        AssayError: the folder is empty, or a file is no feature of this task.
    """
    path = cfg.infer_input
    if path is None:
        test = dataset.read(cfg.model_copy(update={"cache": "off"})).test  # few: not worth a copy
        for i in range(min(cfg.infer_maps, len(test))):
            yield test.names[i].replace(" ", "_"), test.feature(i)
        return
    files = sorted(path.glob("*.npy")) if path.is_dir() else [path]
    if not files:
        raise AssayError(f"no .npy file in {path}", "Give a preprocessed feature, or a folder")
    for file in files:
        feature = dataset.read_map(file, cfg.channels)
        yield file.stem, np.ascontiguousarray(feature.transpose(2, 0, 1), dtype=np.float32)


def upright(a: np.ndarray) -> np.ndarray:
    """A map as people look at it: x to the right, y upwards, small maps enlarged."""
    factor = 1 if a.shape[0] >= LARGE else SCALE
    return np.rot90(a).repeat(factor, 0).repeat(factor, 1)


def picture(pred: Float[np.ndarray, "X Y"]) -> np.ndarray:
    """A prediction as colours, 0 to 1."""
    return heat(upright(pred), 1.0)


def hotspots(pred: Float[np.ndarray, "X Y"], threshold: float) -> list[Hotspot]:
    """Connected regions above the threshold (edges and corners connect), hottest first."""
    from scipy import ndimage

    regions, count = ndimage.label(pred > threshold, np.ones((3, 3)))
    index = range(1, count + 1)
    peaks = ndimage.maximum_position(pred, regions, index)
    sizes = ndimage.sum_labels(np.ones_like(pred), regions, index)
    means = ndimage.mean(pred, regions, index)
    found = [
        Hotspot(int(x), int(y), round(float(pred[x, y]), 4), int(size), round(float(mean), 4))
        for (x, y), size, mean in zip(peaks, sizes, means, strict=True)
    ]
    return sorted(found, key=lambda spot: -spot.peak)
