"""A page of layouts to look at: features and label side by side, as seen on the chip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.kit.figure import heat, sheet
from core.kit.io import write_png
from tasks.circuitnet import preprocess, raw
from tasks.circuitnet.preprocess import Recipe

ROWS = 4
SIDE = 192
CHARACTERS = 30  # of a label that fit above a cell


def draw(source: Path, names: Sequence[str], task: str, out: Path) -> Path:
    """A row for each of up to four layouts, spread over `names`: every channel, and the label."""
    channels = preprocess.TASKS[task]
    folders = raw.find(source, channels.kinds)
    files = {kind: raw.files(folder) for kind, folder in folders.items()}
    cells, labels = [], []
    for i in sorted({round(k) for k in np.linspace(0, len(names) - 1, ROWS)}):
        maps = {
            kind: raw.read(found[names[i]], preprocess.DEPTH.get(kind, 2))
            for kind, found in files.items()
        }
        packed = preprocess.pack(maps, Recipe(task, "clean", SIDE))
        shown = [*packed.feature.transpose(2, 0, 1)[: len(channels.feature)], packed.label[..., 0]]
        cells += [heat(np.rot90(m), 1.0) for m in shown]
        labels += [kind[:CHARACTERS] for kind in channels.feature]
        labels.append(f"label of {names[i].split('-c')[0]}"[:CHARACTERS])
    return write_png(out, sheet(cells, labels, len(channels.feature) + 1))
