"""Training crops and the segmentation loss, term by term against plain NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import AssayError
from tasks.route import crops, regions
from tests.route.conftest import config

PLAN = regions.Plan(size=160, pitch=48, width_scale=2)
LOGITS = torch.tensor([[[-2.0, 0.5], [1.5, 3.0]]], dtype=torch.float64)
ROAD = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]], dtype=torch.float64)
THIN = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]], dtype=torch.float64)


def by_hand(pos: float, dice: float, focal: float, boost: float, thin: bool) -> float:
    p, y, line = (t.numpy() for t in (LOGITS.sigmoid(), ROAD, THIN))
    right = np.where(y == 1, p, 1 - p)  # probability of the true class
    each = -np.where(y == 1, pos, 1.0) * (1 - right) ** focal * np.log(right)
    if thin:
        each = each * np.where(line == 1, boost, 1)
    t = line if thin else y
    overlap = (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
    return float((1 - dice) * each.mean() + dice * (1 - overlap))


@pytest.mark.parametrize("focal", [0.0, 2.0])
@pytest.mark.parametrize("thin", [False, True])
def test_the_segmentation_loss_by_hand(focal: float, thin: bool) -> None:
    cfg = config(pos_weight=3.0, dice=0.4, focal=focal, thin_target=thin, thin_boost=4.0)
    got = crops.seg_loss(cfg, LOGITS, ROAD, THIN if thin else None).item()
    assert got == pytest.approx(by_hand(3.0, 0.4, focal, 4.0, thin), rel=1e-9)


def test_sure_pixels_count_less_with_focal() -> None:
    logits = torch.tensor([[[6.0]]], requires_grad=True)
    grads = []
    for focal in (0.0, 2.0):
        cfg = config(focal=focal, dice=0.0)
        (grad,) = torch.autograd.grad(crops.seg_loss(cfg, logits, torch.ones(1, 1, 1)), logits)
        assert grad.isfinite().all()
        grads.append(abs(grad.item()))
    assert grads[1] < 1e-3 * grads[0]


def test_image_mask_and_centre_lines_are_cut_and_turned_alike() -> None:
    region, skeleton = regions.generate(PLAN, 3, "a/b")
    assert region.mask is not None
    marked = region.picture.rgb.copy()
    marked[..., 0], marked[..., 1] = region.mask, skeleton
    region = region._replace(picture=region.picture._replace(rgb=marked))
    cfg = config(thin_target=True, crop=64, seg_batch=6)
    batch = crops.draw(cfg, [region], 0, 1, "cpu")
    assert batch.thin is not None
    for rgb, road, thin in zip(batch.rgb, batch.road, batch.thin, strict=True):
        for channel, wanted in ((rgb[0], road), (rgb[1], thin)):
            on, off = channel[wanted == 1], channel[wanted == 0]
            assert on.numel() == 0 or off.numel() == 0 or on.min() >= off.max()
    assert crops.draw(config(crop=64), [region], 0, 1, "cpu").thin is None


def test_a_folder_needs_its_centre_lines_only_when_asked(tmp_path: Path) -> None:
    region, skeleton = regions.generate(PLAN, 3, "oslo/a")
    files = regions.write_region(region, skeleton, PLAN, 3, tmp_path)
    opened = regions.open_region(files[0], thin=True)
    assert opened.skeleton is not None
    assert np.array_equal(opened.skeleton, skeleton)
    files[2].unlink()
    assert regions.open_region(files[0]).skeleton is None
    with pytest.raises(AssayError, match=r"no .*roadnet_skeleton\*\.png"):
        regions.open_region(files[0], thin=True)
