"""Every row of the table of bad input, and the good ones beside it."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import AssayError
from core.kit.io import write_png
from tasks.lightmap import inputs
from tasks.lightmap.batch import sample
from tasks.lightmap.blend import Base
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import digest, name, read, trained_hours
from tests.kit.test_io import deep_png
from tests.lightmap.conftest import config

RNG = np.random.default_rng(0)


def picture(height: int = 20, width: int = 30, channels: int = 3) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """24 good images of 30x20."""
    for hour in range(24):
        write_png(tmp_path / f"tod_{hour}.png", picture())
    return tmp_path


def of(folder: Path, **over: object) -> LightmapConfig:
    return config(data_dir=folder, **over)


def complaint(cfg: LightmapConfig) -> str:
    with pytest.raises(AssayError) as error:
        read(cfg)
    return str(error.value)


def test_a_good_folder_is_read_hour_by_hour(folder: Path) -> None:
    (folder / "meta.json").write_text(json.dumps({"latitude": 38}))
    write_png(folder / "tod_6h30.png", picture())
    day = read(of(folder))
    assert (day.height, day.width, day.hours) == (20, 30, tuple(range(24)))
    assert day.times == (6.5,)
    assert day.meta == {"latitude": 38}
    for time in (*day.hours, 6.5):
        with Image.open(folder / name(time)) as image:
            want = np.asarray(image).transpose(2, 0, 1) / np.float32(255)
        np.testing.assert_array_equal(day.at(time).numpy(), want)


def test_missing_hours_are_all_named(folder: Path) -> None:
    for hour in (3, 17):
        (folder / f"tod_{hour}.png").unlink()
    assert "missing: tod_3.png, tod_17.png" in complaint(of(folder))
    assert len(read(of(folder, allow_missing=True)).hours) == 22


def test_allow_missing_still_needs_two_hours_and_the_baseline(folder: Path) -> None:
    for hour in set(range(24)) - {5, 6}:
        (folder / f"tod_{hour}.png").unlink()
    assert "baseline" in complaint(of(folder, allow_missing=True))
    assert len(read(of(folder, allow_missing=True, baseline_time=5, val_hours=[6])).hours) == 2
    (folder / "tod_6.png").unlink()
    assert "at least 2" in complaint(of(folder, allow_missing=True, baseline_time=5))


def test_a_leading_zero_is_an_alias_unless_both_are_there(folder: Path) -> None:
    (folder / "tod_7.png").rename(folder / "tod_07.png")
    assert 7 in read(of(folder)).hours
    write_png(folder / "tod_7.png", picture())
    assert "tod_07.png and tod_7.png are the same time" in complaint(of(folder))


@pytest.mark.parametrize("bad", ["tod_24.png", "tod_3h60.png", "tod_3h00.png", "tod_noon.png"])
def test_a_name_that_is_no_time_is_reported(folder: Path, bad: str) -> None:
    write_png(folder / bad, picture())
    assert bad in complaint(of(folder))


def test_other_files_are_ignored(folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    write_png(folder / "preview.png", picture(5, 5))
    assert len(read(of(folder)).hours) == 24


def test_a_size_that_differs_is_named_with_both_and_resize_mends_it(folder: Path) -> None:
    write_png(folder / "tod_9.png", picture(40, 60))
    assert "tod_9.png is 60x40, tod_0.png is 30x20" in complaint(of(folder))
    day = read(of(folder, resize="15x11"))
    assert day.frames.shape == (24, 3, 11, 15)


def test_resizing_is_the_mean_of_the_area(folder: Path) -> None:
    blocks = picture(12, 16)
    for hour in range(24):
        write_png(folder / f"tod_{hour}.png", blocks.repeat(2, 0).repeat(2, 1))
    day = read(of(folder, resize="16x12"))
    np.testing.assert_array_equal(day.frames[5].numpy(), blocks.transpose(2, 0, 1))


def test_unreadable_files_are_all_named_at_once(folder: Path) -> None:
    (folder / "tod_1.png").write_bytes(b"")
    (folder / "tod_2.png").write_bytes((folder / "tod_3.png").read_bytes()[:500])
    Image.fromarray(picture()).save(folder / "tod_4.png", format="JPEG")
    (folder / "tod_5.png").unlink()
    write_png(folder / "tod_6.png", picture(7, 9))
    text = complaint(of(folder))
    for bad in ("tod_1.png", "tod_2.png", "tod_4.png", "tod_5.png", "tod_6.png"):
        assert bad in text


def test_16_bits_are_rounded_to_8_and_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    deep = RNG.integers(0, 65536, (20, 30, 3))
    deep_png(folder / "tod_8.png", deep)
    with caplog.at_level(logging.WARNING, "lightmap"):
        day = read(of(folder))
    np.testing.assert_array_equal(day.frames[8].numpy(), np.rint(deep / 257).transpose(2, 0, 1))
    assert [r.getMessage().split()[0] for r in caplog.records] == ["tod_8.png"]


def test_transparency_needs_a_background(folder: Path) -> None:
    pixels = picture(channels=4)
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(folder / "tod_8.png")
    np.testing.assert_array_equal(
        read(of(folder)).frames[8].numpy(), pixels[..., :3].transpose(2, 0, 1)
    )
    pixels[0, 0] = 9, 9, 9, 0
    Image.fromarray(pixels).save(folder / "tod_8.png")
    assert "tod_8.png has transparent pixels" in complaint(of(folder))
    day = read(of(folder, alpha_background=(10, 20, 30)))
    assert day.frames[8, :, 0, 0].tolist() == [10, 20, 30]


def test_images_below_the_patch_or_the_window_are_refused(folder: Path) -> None:
    assert "30x20, below 24x24" in complaint(of(folder, patch_size=24))
    write_png(folder / "tod_8.png", picture(1, 1))
    assert "tod_8.png is 1x1, below 11x11" in complaint(of(folder))


def test_images_too_small_once_downsampled_are_refused(folder: Path) -> None:
    assert "30x20, below 22x22" in complaint(of(folder, val_downsample=2))
    assert "40x33, below 34x34" in complaint(config(patch_size=34))  # the city too


def test_a_patch_below_the_window_is_refused_before_any_image_is_read() -> None:
    with pytest.raises(ValueError, match="below SSIM's window"):
        config(patch_size=8)
    config(patch_size=8, loss_ssim_w=0)


@pytest.mark.parametrize(("same", "said"), [(range(24), "same image"), ([12], "one colour")])
def test_a_dull_day_is_warned_about_and_read(
    folder: Path, caplog: pytest.LogCaptureFixture, same: list[int], said: str
) -> None:
    for hour in same:
        write_png(folder / f"tod_{hour}.png", np.full((20, 30, 3), 99, np.uint8))
    with caplog.at_level(logging.WARNING, "lightmap"):
        read(of(folder))
    assert said in caplog.text


def test_a_folder_that_is_not_there_or_holds_nothing_is_named(tmp_path: Path) -> None:
    assert "no folder" in complaint(of(tmp_path / "none"))
    assert "no tod_<h>.png" in complaint(of(tmp_path, allow_missing=True))


def test_inputs_are_the_folder_the_street_or_nothing(tmp_path: Path) -> None:
    assert inputs(of(tmp_path)) == {"images": tmp_path}
    assert inputs(config()) == {}
    assert inputs(LightmapConfig())["images"].name == "street"


def test_the_bundled_street_is_whole() -> None:
    day = read(LightmapConfig(resize="48x27"))
    assert day.hours == tuple(range(24))
    assert day.times == tuple(h + 0.5 for h in range(0, 24, 2))
    assert set(day.meta["frames"]) == {name(t) for t in (*day.hours, *day.times)}


def test_the_digest_tells_images_and_their_shapes_apart() -> None:
    cfg = config()
    day = read(cfg)
    assert digest(cfg, day) == digest(cfg, read(cfg)) != digest(config(baseline_time=9), day)
    turned = day.frames.reshape(24, 3, 40, 33)  # the same bytes
    assert digest(cfg, day) != digest(cfg, replace(day, frames=turned))


def test_the_digest_of_a_blend_is_of_all_that_it_mixes() -> None:
    plain, blend = config(), config(blend="linear")
    day, changed = read(plain), read(plain)
    changed.frames[5, 0, 0, 0] += 1
    assert digest(plain, day) == digest(plain, changed)
    assert digest(blend, day) != digest(blend, changed)
    held = config(blend="linear", val_split="holdout", val_hours=[5])
    assert digest(held, day) == digest(held, changed)


def test_extra_times_are_trained_on_where_that_is_asked_for() -> None:
    cfg = config(train_extra_times=True)
    day, plain = read(cfg), read(config())
    assert (len(day.hours), day.times) == (36, ())
    assert day.hours[:4] == (0, 0.5, 1, 2)
    assert torch.equal(day.at(0.5), plain.at(0.5))
    assert torch.equal(day.at(23), plain.at(23))
    batch = sample(cfg, Base(cfg, day), 0, 1)
    assert set(batch.t.tolist()) == set(day.hours)


def test_lists_may_be_written_as_in_the_seed() -> None:
    cfg = LightmapConfig.model_validate({"val_hours": "0, 6,12", "alpha_background": "1,2,3"})
    assert cfg.val_hours == (0, 6, 12)
    assert cfg.alpha_background == (1, 2, 3)
    assert LightmapConfig.model_validate({"val_hours": ""}).val_hours == (
        0,
        3,
        6,
        9,
        12,
        15,
        18,
        21,
    )
    with pytest.raises(ValueError, match="val_hours"):
        LightmapConfig.model_validate({"val_hours": "0,six"})


def test_holding_out_keeps_the_given_hour() -> None:
    cfg = config(val_split="holdout", val_hours=[3, 12])
    day = read(cfg)
    assert set(range(24)) - set(trained_hours(cfg, day)) == {3}


@pytest.mark.parametrize("text", ["{", "[1]", "7"])
def test_a_meta_file_that_is_no_object_is_named(folder: Path, text: str) -> None:
    (folder / "meta.json").write_text(text)
    assert "meta.json is no JSON object" in complaint(of(folder))


def test_hours_that_are_measured_must_exist(folder: Path) -> None:
    (folder / "tod_3.png").unlink()
    assert "no image at any of val_hours [3, 12]" in complaint(
        of(folder, allow_missing=True, val_hours=[3, 12])
    )


def test_something_must_be_left_to_learn_from() -> None:
    most = list(range(1, 24))
    lone = config(val_split="holdout", val_hours=most, blend="linear")
    assert "fewer than 2 hours" in complaint(lone)
    assert read(config(val_split="holdout", val_hours=most)).hours  # noon is given, so two are left
