from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import AssayError
from tasks.circuitnet import floorplan, netlist, pool, preprocess, raw, rudy, synth


def test_a_layout_depends_on_seed_and_index_alone(tmp_path: Path) -> None:
    orders = [synth.Order(tmp_path / "two", 3, i, 32, 300, "l") for i in range(4)]
    list(pool.each(synth.write, orders, workers=2))
    alone = synth.layout(3, 2, 32, 300)
    folders = raw.find(tmp_path / "two", alone.maps)
    for kind, wanted in alone.maps.items():
        assert np.array_equal(raw.read(raw.files(folders[kind])[alone.name]), wanted)
    assert not np.array_equal(synth.layout(4, 2, 32, 300).maps["RUDY"], alone.maps["RUDY"])
    assert not np.array_equal(synth.layout(3, 1, 32, 300).maps["RUDY"], alone.maps["RUDY"])


@pytest.mark.parametrize(("grid", "cells", "count"), [(64, 2500, 12), (128, 6000, 6)])
def test_labels_are_as_crowded_as_the_real_sample(grid: int, cells: int, count: int) -> None:
    crowded, alike = [], []
    for index in range(count):
        maps = synth.layout(0, index, grid, cells).maps
        label = sum(maps[kind] for kind in preprocess.TASKS["congestion"].label)
        crowded.append(np.mean(label > 0))
        alike.append(np.corrcoef(maps["RUDY"].ravel(), np.ravel(label))[0, 1])
    assert 0.15 < np.mean(crowded) < 0.45  # real: 0.31
    assert 0.35 < np.mean(alike) < 0.70  # real: 0.455


@pytest.mark.parametrize("index", range(6))
def test_macros_keep_apart_and_leave_room(index: int) -> None:
    macros = floorplan.place(np.random.default_rng(index), 64)
    region = floorplan.region(macros, (64, 64))
    areas = (macros[:, 2:] - macros[:, :2]).prod(1)
    assert 1 <= len(macros) <= 6
    assert region.sum() == areas.sum()  # no overlap
    assert region.mean() <= 0.45
    touches = (macros[:, :2] == 0).any(1) | (macros[:, 2:] == 64).any(1)
    assert touches.all()


def test_cells_stay_off_macros_and_nets_join_different_cells() -> None:
    rng = np.random.default_rng(5)
    macros = floorplan.place(rng, 48)
    taken = floorplan.region(macros, (48, 48))
    cells = netlist.place_cells(rng, 700, 48, taken)
    at = rudy.gcells(cells, (48, 48))
    assert ((cells >= 0) & (cells < 48)).all()
    assert (taken[at[:, 0], at[:, 1]] == 0).all()
    nets = netlist.connect(rng, cells, macros, 48)
    degree = np.diff(nets.start)
    assert degree.min() >= 2
    assert degree.max() <= netlist.MAX_DEGREE
    for i in range(0, len(degree), 37):
        pins = nets.pins[nets.start[i] : nets.start[i + 1]]
        assert len(np.unique(pins, axis=0)) == len(pins)


def test_the_smallest_layout_there_is() -> None:
    maps = synth.layout(0, 0, 16, 10).maps
    assert all(np.isfinite(a).all() and a.shape == (16, 16) for a in maps.values())
    with pytest.raises(AssayError, match="grid >= 16"):
        synth.layout(0, 0, 15, 10)


def test_the_drawn_violations_have_hot_gcells_few_of_them_and_leave_other_maps_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [synth.layout(0, i, 64, 2500).maps for i in range(4)]
    hot = [np.mean(np.minimum(m["DRC_all"], preprocess.DRC_CAP) >= 20) for m in found]
    assert all(0.01 < share < 0.10 for share in hot)
    assert all(np.mean(m["DRC_all"] == 0) > 0.3 for m in found)
    monkeypatch.setattr(synth, "DRC_RATE", 1.0)
    again = synth.layout(0, 3, 64, 2500).maps
    assert all(np.array_equal(again[k], a) for k, a in found[3].items() if k != "DRC_all")
