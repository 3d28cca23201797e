from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.contract import Absent, Budget
from core.errors import AssayError
from core.events import series
from core.kit.io import read_rgb
from tasks.lightmap import losses, metrics, task, tools, work
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import name, read
from tests.lightmap.conftest import MakeRun, config


def weights_after(cfg: LightmapConfig, make_run: MakeRun, name: str, **spec: Any) -> dict[str, Any]:
    run = make_run(cfg, name, **spec)
    return work.train(cfg, work.data(cfg, run), run).state_dict()


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


VARIANTS = [v.name for v in task.variants]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains_evaluates_draws_and_infers(
    variant: str, make_run: MakeRun, tmp_path: Path
) -> None:
    cfg = config(**task.variant(variant).set)
    run = make_run(cfg)
    data = work.data(cfg, run)
    work.train(cfg, data, run)
    model = work.load(cfg, run.judged(), "cpu")
    measured = work.evaluate(cfg, model, data, run)
    assert set(measured) == {m.name for m in task.metrics}
    for value in measured.values():
        assert isinstance(value, Absent) or math.isfinite(value)
    assert isinstance(measured["ssim"], Absent) == (cfg.blend != "none" and not cfg.basis_k)
    assert not isinstance(measured["interp_ssim"], Absent)
    made = work.visualise(cfg, model, data, tmp_path / "pictures", run)
    assert {p.suffix for p in made} >= {".png", ".csv", ".md", ".gif"}
    frames = work.infer(cfg, model, tmp_path / "frames", run)
    assert [p.name for p in frames] == [f"recon_{h}.png" for h in range(24)]
    assert read_rgb(frames[0]).shape == (33, 40, 3)


OFF = {
    "encoder": {"be_channels": 5, "be_downsample": 2, "be_input": "replace", "be_every": 4},
    "patches": {"loss_ssim_w": 0.7, "patch_mix": 0.5, "lpips_freq": 3, "ssim_min_std": 0.1},
    "lpips": {"loss_lpips_w": 0.4, "lpips_patch": 64},
    "lpips of patches": {"lpips_patch": 40},
    "choosing": {"early_stop_patience": 50, "num_workers": 0, "embed_baseline": True},
    "blend": {"blend_base": True},
    "sines": {"w0": 3.0},
    "gaussian": {"ff_dim": 3, "ff_sigma": 2.0},
    "hash grid": {"hash_levels": 3, "hash_features": 1, "hash_top": 99, "hash_log2_size": 9},
    "bundled street": {"city_seed": 0, "infer_hours": [1.5]},
}


@pytest.mark.parametrize("over", OFF.values(), ids=OFF.keys())
def test_options_of_a_switched_off_feature_change_nothing(
    over: dict[str, Any], make_run: MakeRun
) -> None:
    plain, changed = config(), config(**over)
    assert equal(weights_after(plain, make_run, "a"), weights_after(changed, make_run, "b"))


ON = {
    "encoder": {"use_baseline_encoder": True},
    "patches": {"patch_size": 16},
    "blend": {"blend": "linear", "blend_base": True},
    "schedule": {"lr_schedule": "none"},
    "residual": {"residual_mode": False},
    "encoder at rest": {"use_baseline_encoder": True, "be_every": 2},
    "half precision": {"amp": "bf16"},
    "clipping": {"grad_clip": 1e-3},
    "linear light": {"color_space": "linear"},
    "extra times": {"train_extra_times": True},
    "film": {"film": True},
    "hash grid": {"hash_grid": True, "hash_log2_size": 10},
    "sines": {"activation": "sine"},
    "gaussian": {"xy_mapping": "gaussian"},
}


@pytest.mark.parametrize("over", ON.values(), ids=ON.keys())
def test_switches_do_something(over: dict[str, Any], make_run: MakeRun) -> None:
    plain, changed = config(), config(**over)
    assert not equal(weights_after(plain, make_run, "a"), weights_after(changed, make_run, "b"))


@pytest.mark.parametrize("over", [{}, {"patch_size": 16, "use_baseline_encoder": True}])
def test_a_resumed_run_ends_with_the_same_bits(over: dict[str, Any], make_run: MakeRun) -> None:
    cfg = config(epochs=4, **over)
    whole = weights_after(cfg, make_run, "whole")
    cut = make_run(cfg, "cut", budget=Budget(steps=cfg.steps_per_epoch * 2))
    work.train(cfg, work.data(cfg, cut), cut)
    torch.rand(7)  # the generators have moved on
    assert equal(whole, weights_after(cfg, make_run, "cut", attempt=2))
    losses_of = {n: series(make_run(cfg, n).dir / "events.jsonl") for n in ("whole", "cut")}
    assert losses_of["whole"]["loss/epoch"] == losses_of["cut"]["loss/epoch"]


def test_a_budget_below_an_epoch_is_still_validated_and_saved(make_run: MakeRun) -> None:
    cfg = config()
    run = make_run(cfg, budget=Budget(steps=2))
    data = work.data(cfg, run)
    work.train(cfg, data, run)
    measured = work.evaluate(cfg, work.load(cfg, run.judged(), "cpu"), data, run)
    assert run.last_step == 2
    assert measured["loss_rise"] == 1.0


def test_training_lowers_the_error(make_run: MakeRun) -> None:
    cfg = config(epochs=6, samples_per_epoch=20_000, lr=3e-3)
    run = make_run(cfg)
    work.train(cfg, work.data(cfg, run), run)
    psnr = [v for _, v in series(run.dir / "events.jsonl")["val/psnr"]]
    assert psnr[-1] is not None
    assert psnr[0] is not None
    assert psnr[-1] > psnr[0] + 1


def test_held_out_hours_are_measured_under_their_own_names(make_run: MakeRun) -> None:
    cfg = config(val_split="holdout")
    run = make_run(cfg)
    data = work.data(cfg, run)
    work.train(cfg, data, run)
    assert not (run.checkpoints / "best.ckpt").exists()  # nothing may be chosen by held-out hours
    measured = work.evaluate(cfg, work.load(cfg, run.judged(), "cpu"), data, run)
    assert isinstance(measured["ssim"], Absent)
    assert isinstance(measured["held_ssim"], float)


def test_means_leave_the_given_hour_out(make_run: MakeRun) -> None:
    with_noon, without = config(val_hours=[3, 9, 12]), config(val_hours=[3, 9])
    run = make_run(with_noon)
    data = work.data(with_noon, run)
    work.train(with_noon, data, run)
    model = work.load(with_noon, run.judged(), "cpu")
    a, b = (work.evaluate(c, model, data, run) for c in (with_noon, without))
    assert a["ssim"] == b["ssim"]


def test_frames_too_small_for_lpips_leave_it_absent_with_a_reason(make_run: MakeRun) -> None:
    cfg = config(city_size="40x24")
    run = make_run(cfg)
    data = work.data(cfg, run)
    work.train(cfg, data, run)
    measured = work.evaluate(cfg, work.load(cfg, run.judged(), "cpu"), data, run)
    assert measured["lpips"] == Absent(reason="frames are smaller than LPIPS' 32 pixels")
    assert isinstance(measured["ssim"], float)


def test_missing_lpips_weights_leave_it_absent_but_stop_a_loss_that_needs_them(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(**_: object) -> None:
        raise AssayError("no LPIPS weights")

    monkeypatch.setattr(metrics.image, "lpips", gone)
    monkeypatch.setattr(losses, "lpips", gone)
    assert metrics.lpips_for(read(config()), 1) == Absent(reason="no LPIPS weights")
    with pytest.raises(AssayError, match="no LPIPS weights"):
        weights_after(config(patch_size=16, loss_lpips_w=0.1, lpips_freq=1), make_run, "a")


def test_a_checkpoint_of_another_architecture_is_refused_by_name(make_run: MakeRun) -> None:
    cfg = config()
    run = make_run(cfg)
    work.train(cfg, work.data(cfg, run), run)
    with pytest.raises(AssayError, match="hidden=16"):
        work.load(config(hidden=8), run.judged(), "cpu")
    work.load(config(be_channels=7), run.judged(), "cpu")  # an option that is switched off


def test_lpips_counts_in_every_nth_step_and_ssim_on_patches_alone() -> None:
    cfg = config(patch_size=16, loss_lpips_w=0.1, lpips_freq=3)
    weights = task.weights(cfg)
    assert weights == {"l2": 1.0, "ssim": 0.2, "lpips": 0.1}
    due = [losses.due(cfg, weights, step)["lpips"] for step in range(1, 7)]
    assert due == [0.1, 0, 0, 0.1, 0, 0]
    assert task.weights(config()) == {"l2": 1.0, "ssim": 0.0, "lpips": 0.0}


def test_a_step_with_lpips_has_its_gradient(make_run: MakeRun) -> None:
    often = config(patch_size=16, loss_lpips_w=0.5, lpips_freq=1)
    never = config(patch_size=16, loss_lpips_w=0.5, lpips_freq=0)
    assert not equal(weights_after(often, make_run, "a"), weights_after(never, make_run, "b"))


def test_the_table_of_hours_holds_the_scores_of_its_own_pictures(
    make_run: MakeRun, tmp_path: Path
) -> None:
    cfg = config()
    run = make_run(cfg)
    data = work.data(cfg, run)
    model = work.train(cfg, data, run)
    made = {p.name: p for p in work.visualise(cfg, model, data, tmp_path, run)}
    with made["by_hour.csv"].open() as file:
        rows = {row["time"]: row for row in csv.DictReader(file)}
    assert len(rows) == 36
    assert {t: rows[t]["kind"] for t in ("12:00", "3:00", "4:30")} == {
        "12:00": "given",
        "3:00": "trained",
        "4:30": "between",
    }
    assert float(rows["12:00"]["identity_psnr"]) == 60
    (frame,) = work.write_times(*reloaded(cfg, run), tmp_path, [3.0])
    error = (read_rgb(frame) / 255 - data.at(3).permute(1, 2, 0).numpy()) ** 2
    assert float(rows["3:00"]["model_psnr"]) == pytest.approx(
        -10 * np.log10(error.mean()), abs=0.05
    )
    text = made["methods.md"].read_text()
    assert all(f"| {method} |" in text for method in ("model", "identity", "nearest", "blend"))


def reloaded(cfg: LightmapConfig, run: Any) -> tuple[Any, ...]:
    return cfg, work.load(cfg, run.judged(), "cpu"), read(cfg)


def test_the_city_as_files_trains_like_the_city_itself(make_run: MakeRun, tmp_path: Path) -> None:
    cfg = config()
    made = tools.synth_city(cfg, make_run(cfg), output_dir=str(tmp_path / "city"), step=0.5)
    assert [p.name for p in made[:3]] == [name(t) for t in (0, 0.5, 1)]
    files = config(data_dir=tmp_path / "city")
    assert torch.equal(read(files).frames, read(cfg).frames)
    assert equal(weights_after(cfg, make_run, "a"), weights_after(files, make_run, "b"))
