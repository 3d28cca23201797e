from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.interpolate import make_interp_spline

from core.errors import AssayError
from tasks.circuitnet import preprocess, sample_maps
from tasks.circuitnet.preprocess import Recipe


def spline_zoom(a: np.ndarray, size: int) -> np.ndarray:
    """Cubic spline through the samples (whole-sample mirror at both ends), read at size points.

    Another construction than SciPy's filter: the samples are mirrored explicitly and interpolated
    by a B-spline over the extended axis.
    """
    for axis in (0, 1):
        a = np.moveaxis(a, axis, 0).astype(np.float64)
        n, pad = len(a), 40
        mirrored = np.concatenate([a[pad:0:-1], a, a[-2 : -pad - 2 : -1]])
        spline = make_interp_spline(np.arange(-pad, n + pad), mirrored, k=3)
        a = np.moveaxis(spline(np.linspace(0, n - 1, size)), 0, axis)
    return a


def scaled(a: np.ndarray) -> np.ndarray:
    return a if a.max() == 0 else (a - a.min()) / (a.max() - a.min())


def test_compat_is_the_official_formula_on_the_real_sample() -> None:
    maps = sample_maps.complete()
    packed = preprocess.pack(maps, Recipe())
    wanted = [scaled(spline_zoom(maps[k], 256)) for k in ("macro_region", "RUDY", "RUDY_pin")]
    label = sum(spline_zoom(maps[k], 256) for k in preprocess.TASKS["congestion"].label)
    assert packed.feature.dtype == packed.label.dtype == np.float64
    np.testing.assert_allclose(packed.feature, np.stack(wanted, 2), rtol=0, atol=1e-9)
    np.testing.assert_allclose(packed.label, scaled(label)[..., None], rtol=0, atol=1e-9)


def test_compat_keeps_the_known_quirks_and_clean_repairs_them() -> None:
    maps = sample_maps.complete()
    raw_label = sum(maps[k] for k in preprocess.TASKS["congestion"].label)
    assert (raw_label == 0).mean() == pytest.approx(0.69, abs=0.01)
    compat = preprocess.pack(maps, Recipe()).label
    assert np.median(compat) == pytest.approx(0.119, abs=0.002)  # the empty background
    clean = preprocess.pack(maps, Recipe(mode="clean"))
    assert np.median(clean.label) == 0
    assert clean.label.max() == 1
    assert set(np.unique(clean.feature[..., 0])) == {0.0, 1.0}


def test_drc_has_nine_channels_and_counts_up_to_200() -> None:
    maps = sample_maps.complete()
    count = np.zeros((259, 259))
    count[10, 20], count[30, 40] = 150, 900
    packed = preprocess.pack({**maps, "DRC_all": count}, Recipe("DRC"))
    assert packed.feature.shape == (256, 256, 9)
    egr = "congestion_eGR_vertical_overflow"
    np.testing.assert_allclose(
        packed.feature[..., 6], scaled(spline_zoom(maps[egr], 256)), rtol=0, atol=1e-9
    )
    area = cv2.resize(np.clip(count, 0, 200), (256, 256), interpolation=cv2.INTER_AREA) / 200
    np.testing.assert_allclose(packed.label[..., 0], area, rtol=0, atol=1e-6)


def test_ir_drop_has_24_channels_and_a_logarithmic_label() -> None:
    rng = np.random.default_rng(0)
    maps = {k: rng.random((70, 64, 1)) for k in ("power_i", "power_s", "power_sca", "power_all")}
    maps = {k: a[..., 0] for k, a in maps.items()}
    maps |= {"power_t": rng.random((20, 70, 64)), "IR_drop": 10 ** rng.uniform(-8, 3, (70, 64))}
    packed = preprocess.pack(maps, Recipe("IR_drop", size=64))
    assert packed.feature.shape == (64, 64, 24)

    def small(a: np.ndarray) -> np.ndarray:
        return cv2.resize(a, (64, 64), interpolation=cv2.INTER_AREA)

    np.testing.assert_allclose(
        packed.feature[..., 7], scaled(small(maps["power_t"][3])), rtol=0, atol=1e-6
    )
    drop = small(np.clip(maps["IR_drop"], 1e-6, 50))
    wanted = (np.log10(drop) + 6) / (np.log10(50) + 6)
    np.testing.assert_allclose(packed.label[..., 0], wanted, rtol=0, atol=1e-6)
    assert "power_t_19" in packed.ranges


def test_ranges_bring_tracks_back() -> None:
    maps = sample_maps.complete()
    packed = preprocess.pack(maps, Recipe())
    low, high = packed.ranges["label"]
    label = sum(spline_zoom(maps[k], 256) for k in preprocess.TASKS["congestion"].label)
    np.testing.assert_allclose(low + (high - low) * packed.label[..., 0], label, atol=1e-9)


def test_a_constant_map_becomes_zeros_with_a_warning() -> None:
    maps = sample_maps.complete() | {"RUDY": np.full((64, 64), 3.0)}
    with pytest.warns(UserWarning, match="RUDY is constant"):
        packed = preprocess.pack(maps, Recipe(size=64))
    assert not packed.feature[..., 1].any()
    assert np.isfinite(packed.feature).all()


def test_a_fixed_label_scale_keeps_layouts_comparable() -> None:
    maps = sample_maps.complete()
    whole = preprocess.overflow(maps, Recipe(mode="clean"))
    packed = preprocess.pack(maps, Recipe(mode="clean", label_scale=2.0))
    np.testing.assert_allclose(packed.label[..., 0], whole / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (Recipe("congestoin"), "no CircuitNet task 'congestoin'.*Did you mean 'congestion'"),
        (Recipe(mode="raw"), "no preprocess mode 'raw'"),  # type: ignore[arg-type]
        (Recipe(size=250), "multiple of 4"),
        (Recipe(label_scale=0.0), "above 0"),
    ],
)
def test_recipes_that_cannot_be(recipe: Recipe, said: str) -> None:
    with pytest.raises(AssayError, match=said):
        recipe.check()
