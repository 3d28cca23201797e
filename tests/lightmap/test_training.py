"""Options of the training loop: precision, clipping, choosing, stopping, beginning, resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from core.contract import Budget
from core.errors import AssayError
from core.events import series
from core.kit import checkpoint
from core.kit.image import lpips, ssim
from tasks.lightmap import losses, training, work
from tasks.lightmap.batch import sample_large
from tasks.lightmap.blend import Base
from tasks.lightmap.data import read
from tasks.lightmap.history import History
from tasks.lightmap.metrics import Score, choice
from tasks.lightmap.model import build
from tests.lightmap.conftest import MakeRun, config
from tests.lightmap.test_work import equal, weights_after

ENCODED = {"use_baseline_encoder": True}


@pytest.mark.parametrize(
    "over",
    [
        {"hash_grid": True, "hash_log2_size": 10, "film": True},
        {"amp": "bf16", "grad_clip": 0.1, **ENCODED},
        {"be_every": 3, **ENCODED},
        {"patch_size": 16, "loss_lpips_w": 0.1, "lpips_freq": 2, "lpips_patch": 32},
        {"lr_schedule": "plateau", "early_stop_patience": 3},
        {"xy_mapping": "gaussian", "color_space": "linear", "blend": "linear", "blend_base": True},
    ],
)
def test_a_resumed_run_ends_with_the_same_bits(over: dict[str, Any], make_run: MakeRun) -> None:
    cfg = config(epochs=4, **over)
    whole = weights_after(cfg, make_run, "whole")
    middle = cfg.steps_per_epoch * 2 + 1  # be_every is at rest there
    cut = make_run(cfg, "cut", budget=Budget(steps=middle))
    work.train(cfg, work.data(cfg, cut), cut)
    torch.rand(7)  # the generators have moved on
    assert equal(whole, weights_after(cfg, make_run, "cut", attempt=2))


def test_threads_that_draw_ahead_change_no_bit(make_run: MakeRun) -> None:
    made = [weights_after(config(num_workers=n), make_run, str(n)) for n in (0, 1, 3)]
    assert equal(made[0], made[1])
    assert equal(made[0], made[2])


def test_half_precision_trains_nearly_the_same_network(make_run: MakeRun) -> None:
    curves = {}
    for amp in ("none", "bf16"):
        cfg = config(epochs=4, lr=3e-3, amp=amp, **ENCODED)
        weights_after(cfg, make_run, amp)
        found = series(make_run(cfg, amp).dir / "events.jsonl")["loss/epoch"]
        curves[amp] = [value for _, value in found]
    assert curves["none"] != curves["bf16"]
    assert curves["bf16"] == pytest.approx(curves["none"], rel=0.1)


def test_half_precision_of_gpus_is_refused_elsewhere(make_run: MakeRun) -> None:
    with pytest.raises(AssayError, match="needs CUDA"):
        weights_after(config(amp="fp16"), make_run, "a")


def test_a_clipped_gradient_has_the_given_norm() -> None:
    cfg = config(grad_clip=0.01)
    model = build(cfg)
    opt = training.Optimiser(cfg, model, "cpu")
    opt.step(1000 * sum(p.square().sum() for p in model.parameters()))
    norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    assert norm.item() == pytest.approx(0.01, rel=1e-3)


def test_the_checkpoint_is_chosen_by_what_the_config_says(make_run: MakeRun) -> None:
    mean = Score(psnr=30.0, ssim=0.8, lpips=0.1, mse=0.001)
    names = ("ssim", "psnr", "lpips", "mix")
    got = [choice(config(best_metric=n), mean, lpips()) for n in names]
    assert got == pytest.approx([0.8, 30.0, 0.9, (0.8 + 0.9 + 0.5) / 3])
    cfg = config(best_metric="psnr", epochs=3)
    weights_after(cfg, make_run, "a")
    run = make_run(cfg, "a")
    best = checkpoint.load(run.checkpoints / "best.ckpt")
    psnr = [v for _, v in series(run.dir / "events.jsonl")["val/psnr"]]
    assert best["metrics"]["choice"] == max(v for v in psnr if v is not None)


def test_choosing_by_lpips_where_there_is_none_says_so(make_run: MakeRun) -> None:
    with pytest.raises(AssayError, match="best_metric lpips needs LPIPS: frames are smaller"):
        weights_after(config(city_size="40x24", best_metric="lpips"), make_run, "a")


def test_training_ends_when_nothing_gets_better(make_run: MakeRun) -> None:
    still = config(epochs=9, lr=1e-12, lr_schedule="none", early_stop_patience=2)
    weights_after(still, make_run, "still")
    assert make_run(still, "still").last_step is None  # a fresh handle
    saved = checkpoint.load(make_run(still, "still").checkpoints / "last.ckpt")
    assert saved["step"] < still.total_steps
    past = History()
    past.load_state_dict(saved["state"]["history"])
    assert past.step - past.best_at == 2 * still.steps_per_epoch
    on = config(epochs=9, lr=1e-12, lr_schedule="none")
    weights_after(on, make_run, "on")
    assert checkpoint.load(make_run(on, "on").checkpoints / "last.ckpt")["step"] == on.total_steps


def test_stopping_early_needs_hours_that_may_choose() -> None:
    with pytest.raises(ValidationError, match="early_stop_patience"):
        config(early_stop_patience=2, val_split="holdout")
    config(early_stop_patience=2, blend="linear")  # nothing is trained


def test_training_can_begin_with_the_weights_of_another_run(
    make_run: MakeRun, tmp_path: Path
) -> None:
    first = config()
    weights = weights_after(first, make_run, "first")
    ckpt = make_run(first, "first").checkpoints / "last.ckpt"
    run = make_run(first, "second")
    begun = training.begin(config(init_from=ckpt), work.data(first, run), run)
    assert equal(weights, begun.state_dict())
    assert not equal(weights, training.begin(first, work.data(first, run), run).state_dict())
    with pytest.raises(AssayError, match="hidden=16"):
        training.begin(config(init_from=ckpt, hidden=8), work.data(first, run), run)


@pytest.mark.parametrize(
    ("blend", "names"), [("none", ("best.ckpt", "last.ckpt")), ("linear", ("last.ckpt",))]
)
def test_checkpoints_are_also_left_where_the_config_says(
    blend: str, names: tuple[str, ...], make_run: MakeRun, tmp_path: Path
) -> None:
    cfg = config(out_dir=tmp_path / "there", blend=blend)
    weights_after(cfg, make_run, "a")
    for name in names:
        own = make_run(cfg, "a").checkpoints / name
        assert (tmp_path / "there" / name).read_bytes() == own.read_bytes()


def test_lpips_may_have_larger_patches_of_its_own() -> None:
    cfg = config(city_size="80x70", patch_size=16, lpips_patch=64, batch_size=8192)
    base = Base(cfg, read(cfg))
    batch = sample_large(cfg, base, 0, 1)
    assert batch.images(batch.target).shape == (2, 3, 64, 64)
    want = lpips()(batch.images(batch.base), batch.images(batch.target)).mean()
    assert losses.perceptual(batch.base, batch)["lpips"] == want
    with pytest.raises(ValidationError, match="lpips_patch 16"):
        config(patch_size=16, lpips_patch=16)


def test_flat_patches_may_be_left_out_of_ssim() -> None:
    cfg = config(patch_size=16, batch_size=256 * 4)
    base = Base(cfg, read(cfg))
    batch = training.sample(cfg, base, 0, 1)
    target = batch.target.clone()
    target[:256] = target[0]  # the first patch is flat
    batch, pred = batch._replace(target=target), torch.rand(len(target), 3)
    weights = {"ssim": 1.0}
    whole, lively = (losses.terms(pred, batch, weights, s)["ssim"] for s in (0.0, 1e-3))
    each = ssim(batch.images(pred), batch.images(target))
    assert whole.item() == pytest.approx(1 - each.mean().item(), abs=1e-6)
    assert lively.item() == pytest.approx(1 - each[1:].mean().item(), abs=1e-6)
    assert losses.terms(pred, batch, weights, 1.0)["ssim"] == 0  # none is left


@pytest.mark.cuda
def test_fp16_trains_on_a_gpu(make_run: MakeRun) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA")
    cfg = config(amp="fp16", **ENCODED)
    run = make_run(cfg, "gpu", device="cuda")
    model = work.train(cfg, work.data(cfg, run), run)
    assert all(p.isfinite().all() for p in model.parameters())
