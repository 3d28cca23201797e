"""Splits of generated designs. A design is made when it is first asked for, and then remembered."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from typing import NamedTuple

from tasks.circuitnet import preprocess, synth
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.preprocess import Recipe
from tasks.circuitnet.resize import Range
from tasks.circuitnet.split import Maps, Seen, Split, channels_first

KEPT = 512  # designs that a process remembers
RAW_TASK = {"congestion_gpdl": "congestion", "drc_routenet": "DRC"}


class Made(NamedTuple):
    """One design, and what its label spanned before it was brought to [0, 1]."""

    maps: Maps
    span: Range


def splits(cfg: CircuitnetConfig) -> tuple[Split, Split]:
    """Training and test designs; the first ones are for the test, so that more never change it.

    Training maps are of `train_mode`. Test maps are of `mode`, whatever a network was trained on.
    """
    measured, seen = (
        functools.partial(
            design,
            Recipe(RAW_TASK[cfg.task], mode, cfg.synth_grid),
            cfg.synth_seed,
            cfg.synth_cells,
            cfg.synth_raw or cfg.synth_grid,
        )
        for mode in (cfg.mode, cfg.seen_mode)
    )

    def view(i: int) -> Seen:
        return Seen(seen(i).maps[0], seen(i).span, measured(i).span)

    def names(first: int, last: int) -> list[str]:
        return [f"design {i}" for i in range(first, last)]

    first = cfg.synth_test
    train = Split(names(first, cfg.synth_designs), lambda i: seen(first + i).maps)
    test = Split(names(0, first), lambda i: measured(i).maps)
    return train, test if cfg.seen_mode == cfg.mode else dataclasses.replace(test, seen=view)


@functools.lru_cache(KEPT)
def design(recipe: Recipe, seed: int, cells: int, grid: int, index: int) -> Made:
    """Feature and label of a generated layout of grid x grid gcells."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a design without overflow is no accident
        packed = preprocess.pack(synth.layout(seed, index, grid, cells).maps, recipe)
    return Made(channels_first(packed.feature, packed.label), packed.ranges["label"])
