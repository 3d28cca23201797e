"""The seed's commands: infer, batch_infer, eval."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import AssayError
from core.kit.io import read_rgb, write_png
from tasks.lightmap import synth, tools, work
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import enlarged, read
from tests.lightmap.conftest import MakeRun, config


def trained(cfg: LightmapConfig, make_run: MakeRun) -> tuple[Any, str]:
    """A run and the path of its judged checkpoint."""
    run = make_run(cfg)
    work.train(cfg, work.data(cfg, run), run)
    return run, str(run.judged())


def test_batch_infer_equals_single_infers_byte_for_byte(make_run: MakeRun, tmp_path: Path) -> None:
    cfg = config(use_baseline_encoder=True)
    run = make_run(cfg)
    work.train(cfg, work.data(cfg, run), run)
    ckpt = str(run.judged())
    batch = tools.batch_infer(
        config(), run, ckpt=ckpt, output_dir=str(tmp_path / "b"), start_hour=5, end_hour=7, step=0.5
    )
    assert [p.name for p in batch] == [f"recon_{t}.png" for t in ("5", "5.5", "6", "6.5", "7")]
    for path, time in zip(batch, (5, 5.5, 6, 6.5, 7 + 24), strict=True):
        out = str(tmp_path / f"one_{time}.png")
        (one,) = tools.infer(config(), run, ckpt=ckpt, time=time, out=out)
        assert one.read_bytes() == path.read_bytes()


def test_infer_without_a_time_writes_the_config_s_own(make_run: MakeRun, tmp_path: Path) -> None:
    cfg = config(infer_hours=[1.5, 20])
    run = make_run(cfg)
    work.train(cfg, work.data(cfg, run), run)
    made = tools.infer(cfg, run, ckpt=str(run.judged()), out=str(tmp_path / "two"))
    assert [p.name for p in made] == ["recon_1.5.png", "recon_20.png"]


def test_the_baseline_image_alone_is_enough_to_infer(make_run: MakeRun, tmp_path: Path) -> None:
    cfg = config()
    run = make_run(cfg)
    work.train(cfg, work.data(cfg, run), run)
    noon = write_png(tmp_path / "noon.png", synth.City(40, 33, 0).frame(12))
    options = {"ckpt": str(run.judged()), "time": 18.0}
    (whole,) = tools.infer(cfg, run, out=str(tmp_path / "a.png"), **options)
    (alone,) = tools.infer(
        cfg, run, out=str(tmp_path / "b.png"), baseline_path=str(noon), **options
    )
    assert whole.read_bytes() == alone.read_bytes()
    other = write_png(tmp_path / "other.png", synth.City(40, 33, 1).frame(12))
    with pytest.raises(AssayError, match="not the baseline image"):
        tools.infer(cfg, run, out=str(tmp_path / "c.png"), baseline_path=str(other), **options)


def test_any_time_is_taken_modulo_the_day(make_run: MakeRun, tmp_path: Path) -> None:
    run, ckpt = trained(config(), make_run)
    made = []
    for time in (-1.5, 22.5, 46.5):
        made += tools.infer(config(), run, ckpt=ckpt, time=time, out=str(tmp_path / f"{time}.png"))
    assert made[0].read_bytes() == made[1].read_bytes() == made[2].read_bytes()


def test_steps_of_tenths_end_where_they_should(make_run: MakeRun, tmp_path: Path) -> None:
    run, ckpt = trained(config(), make_run)
    made = tools.batch_infer(
        config(), run, ckpt=ckpt, output_dir=str(tmp_path), start_hour=6, end_hour=6.3, step=0.1
    )
    assert [p.name for p in made] == [f"recon_{t}.png" for t in ("6", "6.1", "6.2", "6.3")]
    with pytest.raises(AssayError, match="no hours from 6"):
        tools.batch_infer(config(), run, ckpt=ckpt, output_dir="x", start_hour=6, end_hour=5)


def test_the_seed_s_script_option_is_ignored_with_a_note(
    make_run: MakeRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, ckpt = trained(config(), make_run)
    options = {"ckpt": ckpt, "start_hour": 3, "end_hour": 3, "infer_script": "infer.py"}
    with caplog.at_level(logging.WARNING, "lightmap"):
        (made,) = tools.batch_infer(config(), run, output_dir=str(tmp_path), **options)
    assert made.name == "recon_3.png"
    assert "infer.py is not needed" in caplog.text


@pytest.mark.parametrize("over", [{}, {"use_baseline_encoder": True}, {"blend": "linear"}])
def test_a_frame_of_another_size_is_the_same_picture(
    over: dict[str, Any], make_run: MakeRun, tmp_path: Path
) -> None:
    run, ckpt = trained(config(**over), make_run)
    options = {"ckpt": ckpt, "time": 17.5}
    (same,) = tools.infer(config(), run, out=str(tmp_path / "a.png"), **options)
    (own,) = tools.infer(config(), run, out=str(tmp_path / "b.png"), size="40x33", **options)
    (large,) = tools.infer(config(), run, out=str(tmp_path / "c.png"), size="80x66", **options)
    a, b, c = (read_rgb(p).astype(int) for p in (same, own, large))
    assert np.abs(a - b).max() <= 1
    assert c.shape == (66, 80, 3)
    shrunk = c.reshape(33, 2, 40, 2, 3).mean((1, 3))
    flipped = np.abs(a[:, ::-1] - a).mean()  # what another picture would give
    assert np.abs(shrunk - a).mean() < flipped / 5  # bicubic overshoots at the city's edges
    with pytest.raises(AssayError, match="size '80' is not WxH"):
        tools.infer(config(), run, size="80", **options)


def test_enlarging_keeps_flat_colours_and_the_size_asked_for() -> None:
    day = read(config())
    day.frames[:] = 77
    large = enlarged(day, (50, 70))
    assert large.frames.shape == (24, 3, 70, 50)
    assert large.frames.unique().tolist() == [77]


def test_an_embedded_baseline_is_enough_to_infer(make_run: MakeRun, tmp_path: Path) -> None:
    cfg = config(embed_baseline=True)
    run, ckpt = trained(cfg, make_run)
    options = {"ckpt": ckpt, "time": 18.0}
    folder = tmp_path / "no data here"
    (alone,) = tools.infer(config(city_seed=5), run, out=str(tmp_path / "a.png"), **options)
    (whole,) = tools.infer(cfg, run, out=str(tmp_path / "b.png"), **options)
    assert alone.read_bytes() == whole.read_bytes()
    with pytest.raises(AssayError, match="no folder"):
        tools.infer(config(data_dir=folder), run, out=str(tmp_path / "c.png"), **options)


def test_another_baseline_can_be_forced_but_not_another_size(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run, ckpt = trained(config(), make_run)
    other = write_png(tmp_path / "other.png", synth.City(40, 33, 1).frame(12))
    small = write_png(tmp_path / "small.png", synth.City(20, 16, 0).frame(12))
    options = {"ckpt": ckpt, "time": 18.0, "out": str(tmp_path / "a.png"), "force_baseline": True}
    (made,) = tools.infer(config(), run, baseline_path=str(other), **options)
    assert read_rgb(made).shape == (33, 40, 3)
    with pytest.raises(AssayError, match="20x16, the training's were 40x33"):
        tools.infer(config(), run, baseline_path=str(small), **options)


def test_eval_gives_the_numbers_of_the_run(make_run: MakeRun) -> None:
    cfg = config(best_metric="psnr")
    run, ckpt = trained(cfg, make_run)
    model = work.load(cfg, run.judged(), "cpu")
    measured = work.evaluate(cfg, model, work.data(cfg, run), run)
    again = tools.evaluate(config(), make_run(cfg, "eval"), ckpt=ckpt)
    for name in ("psnr", "ssim", "lpips", "interp_psnr", "interp_gain", "choice"):
        assert again[name] == measured[name]
    half = tools.evaluate(config(val_downsample=2), make_run(cfg, "half"), ckpt=ckpt)
    assert half["psnr"] > measured["psnr"]  # an area mean hides errors


def test_eval_follows_what_is_given_even_where_that_is_the_default(make_run: MakeRun) -> None:
    run, ckpt = trained(config(val_downsample=2), make_run)
    plain, half, coarse = (
        tools.evaluate(LightmapConfig.model_validate(given), run, ckpt=ckpt)
        for given in ({"val_downsample": 1}, {}, {"val_downsample": 1, "quantize": "int8"})
    )
    assert half["psnr"] > plain["psnr"]  # an area mean hides errors
    assert coarse["psnr"] != plain["psnr"]
    assert coarse["model_bytes"] < plain["model_bytes"]


@pytest.mark.parametrize("given", [{"hidden": 8}, {"val_split": "holdout"}, {"lr": 0.1}])
def test_a_checkpoint_keeps_the_settings_of_its_training(
    given: dict[str, Any], make_run: MakeRun
) -> None:
    run, ckpt = trained(config(), make_run)
    (name,) = given
    with pytest.raises(AssayError, match=f"{name} cannot be given: .* trained with {name}="):
        tools.evaluate(LightmapConfig.model_validate(given), run, ckpt=ckpt)


def test_hours_are_held_out_by_training_alone(make_run: MakeRun) -> None:
    run, ckpt = trained(config(val_split="holdout"), make_run)
    with pytest.raises(AssayError, match="val_hours cannot be given"):
        tools.evaluate(LightmapConfig(val_hours=(1, 2)), run, ckpt=ckpt)


def test_eval_refuses_the_images_of_another_day(make_run: MakeRun) -> None:
    run, ckpt = trained(config(), make_run)
    other = LightmapConfig(city_seed=1)
    with pytest.raises(AssayError, match="not the baseline image"):
        tools.evaluate(other, run, ckpt=ckpt)
    assert tools.evaluate(other, run, ckpt=ckpt, force_baseline=True)["psnr"]
