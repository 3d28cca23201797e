from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import AssayError
from tasks.route import npz

H, W = 101, 201


def write(path: Path, **change: Any) -> Path:
    """Three nodes: bottom left, top left, and a quarter from the left, halfway up."""
    nodes = np.array([[[0.0, 0.0], [0.0, 1.0], [0.25, 0.5]]])
    dist = np.array([[[0, 1.0, 0.75], [1.0, 0, np.inf], [0.75, np.inf, 0]]])
    arrays = {
        "matched_node_norm": nodes,
        "undirected_dist_norm": dist,
        "meta_sat_height_px": np.array([H]),
        "meta_sat_width_px": np.array(W),  # scalar and [1] both occur
    }
    arrays |= change
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_bottom_left_becomes_top_left(tmp_path: Path) -> None:
    cases = npz.read(write(tmp_path / "d.npz"), H, W)
    assert cases.yx.tolist() == [[[100, 0], [0, 0], [50, 50]]]  # (y, x), worked out by hand


def test_distances_are_image_heights_and_no_pair_is_nan(tmp_path: Path) -> None:
    dist = npz.read(write(tmp_path / "d.npz"), H, W).dist[0]
    np.testing.assert_array_equal(dist, [[0, 101, 75.75], [101, 0, np.nan], [75.75, np.nan, 0]])


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0, np.inf])
def test_what_counts_as_no_pair(tmp_path: Path, bad: float) -> None:
    dist = np.array([[0, bad, 1], [bad, 0, 1], [1, 1, 0.0]])
    got = npz.read(write(tmp_path / "d.npz", undirected_dist_norm=dist[None]), H, W).dist[0]
    assert np.isnan(got[0, 1])
    assert np.isnan(got[1, 0])
    assert np.isfinite(got[0, 2])


def test_one_case_may_come_without_its_axis(tmp_path: Path) -> None:
    path = write(tmp_path / "d.npz", matched_node_norm=np.array([[0.0, 0], [1, 1], [0.5, 0.5]]))
    assert npz.read(path, H, W).yx.shape == (1, 3, 2)


def test_halves_round_to_even(tmp_path: Path) -> None:
    x = np.array([[0.5 / (W - 1), 1], [1.5 / (W - 1), 1], [2.5 / (W - 1), 1]])
    yx = npz.read(write(tmp_path / "d.npz", matched_node_norm=x[None]), H, W).yx[0]
    assert yx[:, 1].tolist() == [0, 2, 2]


def test_write_then_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    yx = rng.integers(0, (H, W), (2, 5, 2))
    dist = rng.uniform(300, 900, (2, 5, 5))
    dist = dist + dist.transpose(0, 2, 1)
    dist[:, np.eye(5, dtype=bool)] = 0
    path = npz.write(tmp_path / "d.npz", yx, dist, H, W, metres=0.3)
    got = npz.read(path, H, W)
    np.testing.assert_array_equal(got.yx, yx)
    np.testing.assert_allclose(got.dist, dist, rtol=1e-12)
    assert got.metres == pytest.approx(0.3)


NODES = np.array([[[0.0, 0.0], [0.0, 1.0], [0.25, 0.5]]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"undirected_dist_norm": None}, "lacks undirected_dist_norm"),
        ({"meta_sat_width_px": None}, "Found: matched_node_norm"),
        ({"matched_node_norm": NODES[..., :1]}, "is C N 2 or N 2"),
        ({"undirected_dist_norm": np.zeros((1, 2, 2))}, r"must be \(1, 3, 3\)"),
        ({"matched_node_norm": NODES * np.nan}, "NaN"),
        ({"matched_node_norm": NODES - 0.01}, r"-0.0100 lies outside \[0, 1\]"),
        ({"meta_sat_height_px": np.array([99])}, "made for 99x201, the image is 101x201"),
        ({"matched_node_norm": np.array([[{}]], dtype=object)}, "plain arrays"),
    ],
)
def test_refusals(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(AssayError, match=message):
        npz.read(write(tmp_path / "d.npz", **change), H, W)


def test_a_file_that_is_not_there_or_torn(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="no distance file"):
        npz.read(tmp_path / "d.npz", H, W)
    path = write(tmp_path / "d.npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(AssayError, match="cannot be read"):
        npz.read(path, H, W)


def test_a_hair_outside_is_rounded_but_half_a_pixel_is_not(tmp_path: Path) -> None:
    """Defect 9: the origin moved what lay outside into the grid."""
    size = 1001  # 0.0009 of the width is most of a pixel
    ones = {"meta_sat_height_px": np.array(size), "meta_sat_width_px": np.array(size)}
    hair = write(tmp_path / "a.npz", matched_node_norm=NODES - 4e-4 * (NODES == 0), **ones)
    assert npz.read(hair, size, size).yx.max() == 1000
    most = write(tmp_path / "b.npz", matched_node_norm=NODES - 9e-4 * (NODES == 0), **ones)
    with pytest.raises(AssayError, match=r"0.90 px outside"):
        npz.read(most, size, size)


def test_another_image_size_when_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "d.npz")
    got = npz.read(path, 2 * H, 2 * W, allow_size_mismatch=True)
    assert got.dist[0, 0, 1] == pytest.approx(2 * H)
    assert "made for 101x201" in got.notes[0]
    assert got.yx[0, 0].tolist() == [2 * H - 1, 0]


def test_notes_on_odd_distances(tmp_path: Path) -> None:
    dist = np.array([[[0, 1.0, 0.1], [1.1, 0, 2.0], [0.1, 2.0, 0]]])
    notes = npz.read(write(tmp_path / "d.npz", undirected_dist_norm=dist), H, W).notes
    assert any("1 distances differ by direction" in n for n in notes)
    assert any("1 distances are below the straight line" in n for n in notes)  # 0.1 for 0.56
