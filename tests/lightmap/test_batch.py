from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.lightmap.batch import Batch, sample
from tasks.lightmap.blend import Base
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import read
from tests.lightmap.conftest import config


def draw(cfg: LightmapConfig, seed: int = 0, step: int = 1) -> Batch:
    return sample(cfg, Base(cfg, read(cfg)), seed, step)


def place(batch: Batch, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of every pixel, back from its coordinates."""
    x, y = batch.xy.double().numpy().T
    column, row = (x + 1) / 2 * width - 0.5, (y + 1) / 2 * height - 0.5
    assert np.abs(column - column.round()).max() < 1e-4
    return row.round().astype(int), column.round().astype(int)


@pytest.mark.parametrize("over", [{}, {"patch_size": 12}, {"patch_size": 12, "patch_mix": 0.5}])
def test_a_batch_is_a_function_of_seed_and_step(over: dict[str, object]) -> None:
    cfg = config(**over)
    one, same, later, other = draw(cfg), draw(cfg), draw(cfg, step=2), draw(cfg, seed=1)
    for a, b, c, d in zip(one[:5], same[:5], later[:5], other[:5], strict=True):
        assert torch.equal(a, b)
        assert a.unique().numel() == 1 or not torch.equal(a, c)
        assert a.unique().numel() == 1 or not torch.equal(a, d)


def test_targets_are_the_pixels_at_their_coordinates() -> None:
    cfg = config(batch_size=4096)
    day, batch = read(cfg), draw(cfg)
    row, column = place(batch, day.height, day.width)
    frames, hour = day.frames.numpy(), batch.t.long().numpy()
    want = frames[hour, :, row, column] / np.float32(255)
    np.testing.assert_array_equal(batch.target.numpy(), want)
    np.testing.assert_array_equal(
        batch.base.numpy(), frames[12][:, row, column].T / np.float32(255)
    )


def test_single_pixels_cover_all_hours_rows_and_columns_evenly() -> None:
    cfg = config(batch_size=2**17)
    batch = draw(cfg)
    row, column = place(batch, 33, 40)
    for index, n in [(batch.t.long().numpy(), 24), (row, 33), (column, 40)]:
        seen = np.bincount(index, minlength=n)
        assert len(seen) == n
        assert np.abs(seen / (2**17 / n) - 1).max() < 0.1  # 5 sd of the rarest count is 0.09


def test_patches_are_crops_of_one_hour() -> None:
    cfg = config(patch_size=12, batch_size=1000)
    day, batch = read(cfg), draw(cfg)
    assert batch.patches == 1000 // 144
    row, column = place(batch, day.height, day.width)
    crops = batch.images(batch.target)
    for i, crop in enumerate(crops):
        at = slice(144 * i, 144 * (i + 1))
        top, left, (hour,) = row[at][0], column[at][0], set(batch.t[at].tolist())
        want = day.at(hour)[:, top : top + 12, left : left + 12]
        assert torch.equal(crop, want)


def test_a_mixed_batch_is_patches_first_and_then_single_pixels() -> None:
    batch = draw(config(patch_size=12, batch_size=1000, patch_mix=0.5))
    assert batch.patches == 500 // 144
    assert len(batch.t) == 3 * 144 + 500
    assert len(set(batch.t[3 * 144 :].tolist())) == 24


def test_a_batch_smaller_than_a_patch_still_has_one() -> None:
    assert draw(config(patch_size=16, batch_size=100)).patches == 1


def test_held_out_hours_never_appear() -> None:
    cfg = config(val_split="holdout", val_hours=[0, 3, 12], batch_size=2**14)
    seen = set(draw(cfg).t.long().tolist())
    assert seen == set(range(24)) - {0, 3}  # the baseline hour is given, so it stays


def test_a_held_out_image_changes_no_batch() -> None:
    cfg = config(val_split="holdout", val_hours=[3, 9], blend="linear", blend_base=True)
    day = read(cfg)
    before = sample(cfg, Base(cfg, day), 0, 1)
    day.frames[[3, 9]] = 77
    after = sample(cfg, Base(cfg, day), 0, 1)
    assert all(torch.equal(a, b) for a, b in zip(before[:5], after[:5], strict=True))
