from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from core.errors import AssayError
from tasks.circuitnet import raw, sample_maps
from tasks.circuitnet.names import listed, parse

FLAT = ("macro_region", "RUDY", "RUDY_pin")


def put(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, array)


def test_the_released_tree_and_a_flat_one_read_the_same(tmp_path: Path) -> None:
    maps = sample_maps.complete()
    sample_maps.write(tmp_path / "released")
    for kind, array in maps.items():
        put(tmp_path / "flat" / kind / sample_maps.LABELLED, array)  # without .npy, as found
    for place in ("released", "flat"):
        folders = raw.find(tmp_path / place, maps)
        (files,) = raw.layouts(folders).values()
        for kind, array in maps.items():
            found = raw.read(files[kind])
            assert found.dtype == array.dtype
            assert np.array_equal(found, array)
    assert (tmp_path / "released" / raw.ROUTABILITY / "RUDY" / "RUDY").is_dir()


def test_the_bundled_maps_are_of_every_kind_that_occurs() -> None:
    maps = sample_maps.maps()
    kinds = {(a.dtype.name, a.flags.f_contiguous) for m in maps.values() for a in m.values()}
    assert kinds == {("float64", False), ("float64", True), ("int64", True)}
    labelled = maps[sample_maps.LABELLED]
    assert labelled["congestion_GR_vertical_overflow"].shape == (259, 259)
    assert labelled["congestion_eGR_vertical_overflow"].shape == (278, 278)


def test_a_folder_that_occurs_twice_is_ambiguous(tmp_path: Path) -> None:
    for place in ("a", "b"):
        put(tmp_path / place / "RUDY" / "x.npy", np.ones((4, 4)))
    with pytest.raises(AssayError, match="2 folders 'RUDY': a/RUDY, b/RUDY"):
        raw.find(tmp_path, ["RUDY"])
    assert raw.find(tmp_path / "a", ["RUDY"])["RUDY"] == tmp_path / "a" / "RUDY"


def test_missing_folders_are_named(tmp_path: Path) -> None:
    put(tmp_path / "RUDY" / "x.npy", np.ones((4, 4)))
    with pytest.raises(AssayError, match="no folder with maps named macro_region, RUDY_pin"):
        raw.find(tmp_path, FLAT)
    with pytest.raises(AssayError, match="no folder"):
        raw.find(tmp_path / "nowhere", FLAT)


def test_different_sets_of_layouts_are_listed_each_way(tmp_path: Path) -> None:
    for kind, names in (("RUDY", "abc"), ("RUDY_pin", "bcd")):
        for name in names:
            put(tmp_path / kind / f"{name}.npy", np.ones((4, 4)))
    folders = raw.find(tmp_path, ["RUDY", "RUDY_pin"])
    with pytest.raises(AssayError, match=r"RUDY lacks 1 \(d\); RUDY_pin lacks 1 \(a\)"):
        raw.layouts(folders)
    assert list(raw.layouts(folders, allow_missing=True)) == ["b", "c"]


def test_long_lists_stop_after_ten() -> None:
    assert listed(f"n{i:02d}" for i in range(12)).endswith("n09, and 2 more)")


def test_one_layout_with_and_without_suffix_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "x", np.ones((4, 4)))
    put(tmp_path / "x.npy", np.ones((4, 4)))
    with pytest.raises(AssayError, match=r"both x and x\.npy"):
        raw.files(tmp_path)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones((2, 3, 4)), r"shape \(2, 3, 4\), expected 2 axes"),
        (np.ones((0, 4)), r"shape \(0, 4\)"),
        (np.array([[1.0, np.nan], [np.inf, 0]]), "2 values that are NaN or infinite"),
        (np.array([["a"]]), "no array of numbers"),
    ],
)
def test_maps_that_are_no_maps(tmp_path: Path, array: np.ndarray, said: str) -> None:
    put(tmp_path / "bad.npy", array)
    with pytest.raises(AssayError, match=said):
        raw.read(tmp_path / "bad.npy")


def test_axes_of_length_one_are_dropped(tmp_path: Path) -> None:
    put(tmp_path / "x.npy", np.ones((5, 6, 1)))
    assert raw.read(tmp_path / "x.npy").shape == (5, 6)
    put(tmp_path / "t.npy", np.ones((20, 5, 6)))
    assert raw.read(tmp_path / "t.npy", dims=3).shape == (20, 5, 6)


def test_a_file_cut_short_or_pickled_is_never_loaded(tmp_path: Path) -> None:
    put(tmp_path / "cut.npy", np.ones((8, 8)))
    whole = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-9])
    with pytest.raises(AssayError, match="not a readable"):
        raw.read(tmp_path / "cut.npy")

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    (tmp_path / "bare").write_bytes(pickle.dumps(Trap()))
    np.save(tmp_path / "inside.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    for name in ("bare", "inside.npy"):
        with pytest.raises(AssayError, match="Python objects, which are never loaded"):
            raw.read(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_names_of_both_generations() -> None:
    n28 = parse("10370-zero-riscy-b-3-c20-u0.9-m3-p7-f1")
    assert n28.design == "zero-riscy"
    assert n28.settings["flavour"] == "b"
    assert n28.settings["util"] == "0.9"
    n14 = parse("Vortex-small_freq_500_mp_2_fpu_60_fpa_1.0_p_7_fi_ap")
    assert n14.design == "Vortex-small"
    assert n14.settings["clock"] == "500"
    assert parse("mine").design == "mine"


def test_a_full_disk_leaves_no_partial_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: object, array: np.ndarray, **_: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(AssayError, match=r"cannot write .*x\.npy: No space left on device"):
        raw.save(tmp_path / "x.npy", np.ones((4, 4)))
    assert list(tmp_path.iterdir()) == []
