from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import AssayError
from tasks.circuitnet import placements, sample_maps
from tasks.circuitnet.placements import Placement

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def riscy() -> Placement:
    return placements.read(sample_maps.PLACEMENTS[0])


def test_the_bundled_netlists_are_what_the_notice_says() -> None:
    found = {p.name: p for p in map(placements.read, sample_maps.PLACEMENTS)}
    assert set(found) == {
        "2017-RISCY-b-1-c2-u0.7-m1-p6-f0",
        "7157-zero-riscy-a-1-c2-u0.8-m1-p1-f0",
    }
    assert {len(p.box) for p in found.values()} == {31_599, 39_699}
    assert {int(p.is_macro.sum()) for p in found.values()} == {17, 3}
    for p in found.values():
        assert np.bincount(p.pin_net)[np.unique(p.pin_net)].min() >= 2
        assert 229 <= min(p.shape) <= max(p.shape) <= 260


def test_layout_0_is_the_placement_as_it_is(riscy: Placement) -> None:
    made = placements.layout(riscy, 0, 0)
    assert made.name == "20170000-RISCY-b-1-c2-u0.7-m1-p6-f0"
    macros = riscy.box[riscy.is_macro]
    wanted = np.zeros(riscy.shape)
    for x0, y0, x1, y1 in macros:
        wanted[x0:x1, y0:y1] = 1
    assert np.array_equal(made.maps["macro_region"], wanted)
    assert made.maps["cell_density"].sum() == (~riscy.is_macro).sum()
    assert np.array_equal(placements.layout(riscy, 0, 0).maps["RUDY"], made.maps["RUDY"])
    assert np.array_equal(
        placements.layout(riscy, 5, 3, perturb=False).maps["RUDY"], made.maps["RUDY"]
    )


def test_variations_differ_but_cells_stay_on_the_die_and_off_macros(riscy: Placement) -> None:
    moved = placements.moved(riscy, RNG(1))
    macro = riscy.is_macro
    assert np.array_equal(moved.centre[macro], riscy.centre[macro])
    shift = np.linalg.norm(moved.centre - riscy.centre, axis=1)[~macro]
    assert 1 < np.median(shift) < 10
    assert (moved.centre >= 0).all()
    assert (moved.centre < riscy.shape).all()
    taken = np.zeros(riscy.shape)
    for x0, y0, x1, y1 in riscy.box[macro]:
        taken[x0:x1, y0:y1] = 1
    at = np.floor(moved.centre).astype(int)
    was = np.floor(riscy.centre).astype(int)
    onto = (taken[at[:, 0], at[:, 1]] > 0) & (taken[was[:, 0], was[:, 1]] == 0) & ~macro
    assert not onto.any()


@pytest.mark.parametrize("seed", range(6))
def test_turning_keeps_every_distance_and_box(riscy: Placement, seed: int) -> None:
    turned = placements.turned(riscy, RNG(seed))
    assert sorted(turned.shape) == sorted(riscy.shape)
    pick = RNG(0).integers(len(riscy.centre), size=(200, 2))
    spread = [np.abs(p.centre[pick[:, 0]] - p.centre[pick[:, 1]]).sum(1) for p in (riscy, turned)]
    np.testing.assert_allclose(*spread)
    assert (turned.box[:, 2:] > turned.box[:, :2]).all()
    middle = (turned.box[:, :2] + turned.box[:, 2:]) / 2
    np.testing.assert_allclose(middle, turned.centre)
    areas = [np.sort((p.box[:, 2:] - p.box[:, :2]).prod(1)) for p in (riscy, turned)]
    assert np.array_equal(*areas)


def test_all_eight_ways_occur(riscy: Placement) -> None:
    corner = {tuple(placements.turned(riscy, RNG(s)).centre[0].round(3)) for s in range(80)}
    assert len(corner) == 8


def test_macro_pins_lie_beside_their_macro() -> None:
    box = np.array([[4, 4, 14, 14], [20, 8, 21, 9], [2, 20, 3, 21]])
    centre = (box[:, :2] + box[:, 2:]) / 2
    placed = Placement("x", (24, 24), centre, box, np.array([0, 0, 1, 1]), np.array([0, 1, 0, 2]))
    pins = placements._pins(placed, placed.is_macro, np.array([0, 2, 4]))
    assert pins[1].tolist() == [20.5, 8.5]
    assert pins[0].tolist() == [14.5, 8.75]  # to the right of the macro, half way to the cell
    assert pins[2][1] == 14.5
    assert not ((pins[[0, 2]] > 4) & (pins[[0, 2]] < 14)).all(1).any()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pin_inst": None}, "no placement"),
        ({"pin_inst": np.array([0, 9])}, "do not fit together"),
        ({"inst_bbox_gcell": np.array([[3, 0, 1, 1], [0, 0, 1, 1]])}, "do not fit together"),
        ({"pin_inst": np.array([0, 0])}, "no net joins two"),
        ({"inst_bbox_gcell": np.array([None, 1], dtype=object)}, "no placement"),
    ],
)
def test_files_that_are_no_placement(
    tmp_path: Path, change: dict[str, np.ndarray | None], said: str
) -> None:
    arrays: dict[str, np.ndarray | None] = {
        "inst_bbox_gcell": np.array([[0, 0, 1, 1], [4, 4, 4, 4]]),
        "pin_net": np.array([0, 0]),
        "pin_inst": np.array([0, 1]),
        "n_nets": np.array(1),
    }
    arrays |= change
    np.savez(tmp_path / "p.npz", **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(AssayError, match=said):
        placements.read(tmp_path / "p.npz")
    with pytest.raises(AssayError, match="no placement"):
        placements.read(tmp_path / "nowhere.npz")
