from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import AssayError
from core.kit.tiles import hann, starts, stitch, windows


def test_windows_of_a_3k_image() -> None:
    assert len(windows(3000, 3000, 512, 256)) == 121  # 11 x 11, the last flush with the border
    assert starts(3000, 512, 256)[-1] == 3000 - 512


@pytest.mark.parametrize(("length", "stride"), [(10, 3), (11, 8), (8, 8), (5, 2), (25, 1)])
def test_every_pixel_is_in_a_window(length: int, stride: int) -> None:
    covered = {p for s in starts(length, 8, stride) for p in range(s, s + 8)}
    assert set(range(length)) <= covered


def test_a_stride_beyond_the_window_would_miss_pixels() -> None:
    with pytest.raises(AssayError, match=r"stride 9 must be 1\.\.8"):
        starts(20, 8, 9)


def test_the_window_is_scipys_hann_with_a_floor() -> None:
    from scipy.signal.windows import hann as scipy_hann

    fine = scipy_hann(2 * 16 + 1)[1::2]  # scipy samples at the borders of our pixels, we between
    want = np.maximum(fine, 1e-3)
    np.testing.assert_allclose(hann(16).numpy(), np.outer(want, want), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(40, 57), (16, 16), (7, 30), (5, 3), (1, 20)])
def test_a_predictor_of_pixels_is_left_alone(height: int, width: int) -> None:
    image = torch.rand(3, height, width)
    got = stitch(image, lambda b: torch.stack([b[:, 0], b.sum(1)], 1), tile=16, stride=5, batch=3)
    want = torch.stack([image[0], image.sum(0)])
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6)


def test_a_constant_predictor_gives_a_constant_map() -> None:
    got = stitch(torch.rand(1, 33, 50), lambda b: torch.full_like(b, 0.3), tile=16, stride=8)
    torch.testing.assert_close(got, torch.full((1, 33, 50), 0.3), rtol=0, atol=1e-6)


def test_no_seams_between_windows_that_disagree() -> None:
    """A model that says where it stands inside its window: blended, neighbours differ little."""
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    got = stitch(
        torch.zeros(1, 32, 128), lambda b: ramp.expand(len(b), 1, 32, 32), tile=32, stride=16
    )
    steps = got[0, 0].diff().abs().max()
    hard = 0.5  # what cutting at the middle of overlaps would jump by
    assert steps < hard / 5


def test_progress_counts_windows() -> None:
    seen: list[tuple[int, int]] = []
    stitch(
        torch.zeros(1, 32, 32),
        lambda b: b,
        tile=16,
        stride=8,
        batch=4,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(4, 9), (8, 9), (9, 9)]
