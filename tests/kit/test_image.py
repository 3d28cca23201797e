from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from core.errors import AssayError
from core.kit import image, io

DATA = Path(__file__).parent / "data"


def pair(height: int, width: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two related images, 1 3 H W: smooth structure plus noise of different strength."""
    rng = np.random.default_rng(seed)
    smooth = rng.random((3, 6, 6)).repeat(height // 6 + 1, 1).repeat(width // 6 + 1, 2)
    a = np.clip(smooth[:, :height, :width] + rng.normal(0, 0.05, (3, height, width)), 0, 1)
    b = np.clip(a + rng.normal(0, 0.1, a.shape), 0, 1)
    return torch.from_numpy(a)[None], torch.from_numpy(b)[None]


@pytest.mark.parametrize("seed", range(3))
def test_psnr_matches_skimage(seed: int) -> None:
    a, b = pair(31, 23, seed)
    want = peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=1.0)
    assert image.psnr(a, b).item() == pytest.approx(want, abs=1e-9)
    assert image.psnr_of(image.mse(a, b).item()) == pytest.approx(want, abs=1e-9)


def test_psnr_of_equal_images_is_the_cap() -> None:
    a, _ = pair(16, 16, 0)
    assert image.psnr(a, a).item() == image.psnr_of(0.0) == 60.0
    assert image.psnr_of(1e-9) == 60.0


@pytest.mark.parametrize(("height", "width"), [(31, 23), (11, 40)])
def test_ssim_matches_skimage(height: int, width: int) -> None:
    a, b = pair(height, width, 1)
    want = structural_similarity(
        a[0].numpy(),
        b[0].numpy(),
        channel_axis=0,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert image.ssim(a, b).item() == pytest.approx(want, abs=1e-6)
    assert image.ssim_loss(a, b).item() == pytest.approx(1 - want, abs=1e-6)


def test_ssim_of_a_smaller_image_than_its_window_is_refused() -> None:
    a, b = pair(10, 40, 1)
    with pytest.raises(AssayError, match="11x11"):
        image.ssim(a, b)


def test_ssim_loss_falls_when_followed() -> None:
    a, b = (x.float() for x in pair(24, 24, 2))
    b.requires_grad_()
    before = image.ssim_loss(b, a)
    (slope,) = torch.autograd.grad(before, b)
    assert image.ssim_loss(b - 0.05 * slope / slope.abs().max(), a) < before


def example(name: str) -> torch.Tensor:
    return torch.from_numpy(io.read_rgb(DATA / name)).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize(("name", "want"), [("ex_p0.png", 0.721881), ("ex_p1.png", 0.137566)])
def test_lpips_gives_its_published_answers(name: str, want: float) -> None:
    got = image.lpips()(example("ex_ref.png"), example(name))
    assert got.item() == pytest.approx(want, abs=2e-5)


def test_lpips_of_equal_images_is_zero_and_of_a_batch_one_value_each() -> None:
    ref, other = example("ex_ref.png"), example("ex_p0.png")
    both = image.lpips()(torch.cat([ref, ref]), torch.cat([ref, other]))
    assert both.shape == (2,)
    assert both[0] == 0
    assert both[1] > 0.5


def test_lpips_has_a_gradient_in_the_image_but_trains_nothing() -> None:
    ref, other = example("ex_ref.png"), example("ex_p1.png").requires_grad_()
    (slope,) = torch.autograd.grad(image.lpips()(other, ref).sum(), other)
    assert slope.abs().max() > 0


def test_loading_lpips_draws_no_random_numbers() -> None:
    image.lpips.cache_clear()
    torch.manual_seed(1)
    want = torch.rand(1)
    torch.manual_seed(1)
    image.lpips()
    assert torch.equal(torch.rand(1), want)


def test_changed_lpips_weights_are_refused(tmp_path: Path) -> None:
    content = bytearray(image.LPIPS_FILE.read_bytes())
    content[-1] ^= 1
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(AssayError, match="sha256"):
        image.lpips(tmp_path / "w.safetensors")
    with pytest.raises(AssayError, match="no LPIPS weights"):
        image.lpips(tmp_path / "none.safetensors")


def test_a_nan_image_has_a_nan_psnr_not_the_cap() -> None:
    assert math.isnan(image.psnr_of(math.nan))
    assert image.psnr_of(math.inf) == -math.inf
    assert image.psnr_of(0.0) == image.psnr_of(1e-9) == 60.0
