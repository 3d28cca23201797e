from __future__ import annotations

import cv2
import numpy as np
import pytest

from tasks.circuitnet import resize


@pytest.mark.parametrize(
    "shape", [(259, 259), (278, 300), (256, 256), (512, 512), (40, 50), (300, 200), (64, 31)]
)
@pytest.mark.parametrize("size", [256, 64])
def test_area_is_opencvs_inter_area(shape: tuple[int, int], size: int) -> None:
    a = np.random.default_rng(0).random(shape)
    wanted = cv2.resize(a, (size, size), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(resize.area(a, size), wanted, rtol=0, atol=1e-6)


def test_area_keeps_the_mean_where_it_shrinks() -> None:
    a = np.random.default_rng(1).random((259, 283))
    assert resize.area(a, 64).mean() == pytest.approx(a.mean(), abs=1e-12)


def test_nearest_keeps_a_mask_a_mask() -> None:
    a = (np.random.default_rng(2).random((37, 53)) > 0.5).astype(float)
    assert set(np.unique(resize.nearest(a, 24))) == {0.0, 1.0}
    assert np.array_equal(resize.nearest(np.arange(16.0).reshape(4, 4), 2), [[5, 7], [13, 15]])


def test_stretch_of_odd_maps() -> None:
    half, span = resize.stretch(np.array([[1.0, 3.0]]))
    assert half.tolist() == [[0.0, 1.0]]
    assert span == (1.0, 3.0)
    zeros, span = resize.stretch(np.zeros((2, 2)))
    assert not zeros.any()
    constant, span = resize.stretch(np.full((2, 2), 5.0))
    assert not constant.any()
    assert span == (5.0, 5.0)
