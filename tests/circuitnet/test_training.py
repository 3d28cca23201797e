"""Training: schedule, losses, batches, marks, weights to start from, and how a step is computed."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from core.contract import Budget
from core.errors import AssayError
from core.kit import checkpoint
from core.testing import tiny_run
from core.testing.tiny import tiny_config
from tasks.circuitnet import compute, dataset, losses, metrics, task, work
from tasks.circuitnet.batch import sample
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.schedule import rate
from tasks.circuitnet.split import Split


def config(**given: Any) -> CircuitnetConfig:
    return CircuitnetConfig.model_validate(given)


def ramp(n: int, side: int = 8) -> Split:
    """Maps that tell their number and every place apart."""
    base = np.arange(side * side, dtype=np.float32).reshape(side, side)

    def one(i: int) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([base + 1000 * i] * 3), (base + 1000 * i)[None]

    return Split([str(i) for i in range(n)], one)


def test_the_rate_is_torchs_cosine() -> None:
    cfg = config(max_iters=50)
    parameter = torch.nn.Parameter(torch.zeros(1))
    opt = torch.optim.AdamW([parameter], lr=cfg.lr)
    peer = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 50, eta_min=1e-7)
    for step in range(1, 51):
        assert rate(cfg, step) == pytest.approx(opt.param_groups[0]["lr"], rel=1e-9)
        opt.step()
        peer.step()


def test_fine_tuning_has_a_rate_of_its_own() -> None:
    given = {"precision": "INT4", "quant_flavour": "standard", "max_iters": 10, "qat_steps": 5}
    cfg = config(**given)
    assert (cfg.float_steps, cfg.total_steps) == (10, 15)
    assert rate(cfg, 11) == cfg.qat_lr == 2e-5
    assert config(**given, pretrained="w.pth").total_steps == 5


def test_a_weighted_loss_is_the_official_formula() -> None:
    draw = torch.Generator().manual_seed(0)
    pred, target = (torch.rand(2, 1, 4, 4, generator=draw) for _ in range(2))
    hot = 1 + 3 * (target > 0.1).float()
    squared = (pred - target) ** 2
    got = losses.pixel(config(hotspot_weight=3), pred, target)
    torch.testing.assert_close(got, (hot * squared).sum() / (hot.sum() + 1e-12))
    each = [(hot[i] * squared[i]).sum() / hot[i].sum() for i in range(2)]
    got = losses.pixel(config(hotspot_weight=3, sample_wise=True), pred, target)
    torch.testing.assert_close(got, torch.stack(each).mean())
    torch.testing.assert_close(losses.pixel(config(), pred, target), squared.mean())


def test_the_loss_of_the_declaration_is_a_hundred_times_the_mean_squared_error() -> None:
    assert task.weights(config()) == {"pixel": 100.0, "ssim": 0.0}


def test_an_epoch_shows_every_map_once_and_drops_the_rest() -> None:
    data = ramp(7)
    numbers = [
        int(y[0, 0, 0].item() // 1000)
        for step in (1, 2, 3)
        for y in sample(data, 2, "none", 5, step)[1]
    ]
    assert len(set(numbers)) == 6
    later = [sample(data, 2, "none", 5, step)[1] for step in (4, 5, 6)]
    assert [int(y[0, 0, 0].item() // 1000) for b in later for y in b] != numbers


@pytest.mark.parametrize(
    ("augment", "kinds"), [("none", 1), ("hflip", 2), ("hvflip", 4), ("d4", 8)]
)
def test_augmentations_reach_all_their_forms_and_move_both_maps(augment: str, kinds: int) -> None:
    data, seen = ramp(1), set()
    for step in range(1, 81):
        x, y = sample(data, 1, augment, 0, step)
        assert torch.equal(x[:, :1], y)
        seen.add(tuple(y.flatten().tolist()))
    assert len(seen) == kinds
    if augment == "hflip":
        base = data.one(0)[1][0]
        assert seen == {tuple(base.flatten()), tuple(base[:, ::-1].flatten())}


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    data = ramp(9)
    one, two = (sample(data, 4, "d4", 3, 17)[0] for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, sample(data, 4, "d4", 4, 17)[0])


def test_marks_leave_official_files_and_the_curve_has_the_seeds_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MARKS", (2, 4))
    done = tiny_run(task, tmp_path / "run", overrides={"log_every": 2})
    saved = checkpoint.foreign(tmp_path / "run" / "model_iters_4.pth")
    assert list(saved) == ["state_dict"]
    assert torch.equal(
        saved["state_dict"]["decoder.conv3.0.bias"],
        done.last["state"]["model"]["decoder.conv3.0.bias"],
    )
    curve = np.load(tmp_path / "run" / "loss_history.npy")
    assert curve.shape == (2, 2)
    assert curve[:, 0].tolist() == [2, 4]
    assert dict(done.series["loss"])[4] == curve[1, 1]
    names = {p.name for p in done.run.checkpoints.iterdir()}
    assert {"step-0000002.ckpt", "step-0000004.ckpt", "best.ckpt", "last.ckpt"} <= names


def test_pretrained_weights_are_where_training_starts(tmp_path: Path) -> None:
    first = tiny_run(task, tmp_path / "first")
    again = tiny_run(
        task,
        tmp_path / "again",
        overrides={"pretrained": str(first.run.checkpoints / "last.ckpt"), "lr": 1e-30},
        budget=Budget(steps=1),
    )
    key = "encoder.c1.main.0.weight"
    assert torch.equal(again.last["state"]["model"][key], first.last["state"]["model"][key])


def test_selection_on_the_test_set_is_said(tmp_path: Path) -> None:
    done = tiny_run(task, tmp_path / "run", overrides={"select_on": "test"})
    assert "selected on test" in done.absent["val_nrms"]
    assert "selected on test" in done.absent["val_ssim"]
    assert "test/nrms" in done.series
    assert "val/nrms" not in done.series


def test_validation_figures_are_those_of_the_validation_maps(tmp_path: Path) -> None:
    done = tiny_run(task, tmp_path / "run")
    cfg: CircuitnetConfig = done.config  # type: ignore[assignment]
    val = dataset.read(cfg).val
    feature, label = val.maps(range(len(val)))
    pred = torch.from_numpy(work.load(cfg, done.run.judged(), "cpu").predict(feature))
    found = metrics.score(torch.from_numpy(label[:, 0]), pred, ("nrms", "ssim"))
    for name, values in found.items():
        assert done.metrics[f"val_{name}"] == pytest.approx(values.mean(), rel=1e-3)


def test_bf16_agrees_with_float32_within_a_percent(tmp_path: Path) -> None:
    plain, half = (
        tiny_run(task, tmp_path / amp, overrides={"amp": amp, "channels_last": amp == "bf16"})
        for amp in ("fp32", "bf16")
    )
    for (_, a), (_, b) in zip(plain.series["loss"], half.series["loss"], strict=True):
        assert b == pytest.approx(a, rel=1e-2)


def test_a_dropout_network_resumes_as_if_nothing_had_happened(tmp_path: Path) -> None:
    from core.run import LiveRun
    from core.testing import tiny

    given = {"use_aspp": True, "use_se": True, "augment": "d4"}
    whole = tiny_run(task, tmp_path / "whole", overrides=given)
    spec = tiny.tiny_spec(task, tmp_path / "parts", overrides=given)
    tiny.interrupt(task, spec, 3, "cancel")
    again = spec.model_copy(update={"attempt": 2})
    resumed = tiny.finish(task, again, LiveRun(again, task))
    ours, theirs = resumed.last["state"]["model"], whole.last["state"]["model"]
    assert all(torch.equal(v, theirs[k]) for k, v in ours.items())


def test_too_few_maps_for_a_batch_are_named(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="9 training maps do not fill a batch of 10"):
        tiny_run(task, tmp_path / "run", overrides={"batch_size": 10})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_iters": 0}, "max_iters"),
        ({"use_aspp": True, "batch_size": 1}, "aspp_norm=group"),
        ({"naming": "seed"}, "use_aspp and skip_before_conv2"),
        ({"qat_steps": 5}, "qat_steps need"),
        ({"ann_file_test": "x.csv"}, "need dataroot"),
        ({"quant_flavour": "other"}, "quant_flavour"),
        ({"synth_test": 159}, "must leave two designs"),
    ],
)
def test_settings_that_do_not_fit_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        config(**given)


def test_group_norm_makes_a_batch_of_one_trainable(tmp_path: Path) -> None:
    given = {"use_aspp": True, "aspp_norm": "group", "batch_size": 1}
    done = tiny_run(task, tmp_path / "run", overrides=given)
    assert all(math.isfinite(v) for v in done.metrics.values())  # type: ignore[arg-type]


def test_compiling_is_chosen_when_the_rest_of_the_run_repays_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from core.run import LiveRun
    from core.testing import tiny

    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(compute.time, "monotonic", lambda: float(next(clock)))
    chosen: list[object] = []
    monkeypatch.setattr(compute.torch, "compile", lambda m, **_: chosen.append(m) or m)
    run = LiveRun(tiny.tiny_spec(task, tmp_path / "run"), task)
    for last, compiled in ((100, False), (1000, True)):  # 2 s a step saves 35 % of the rest
        chosen.clear()
        stepper = compute.Stepper(config(compile="auto"), torch.nn.Identity(), run)
        for step in (1, 2, 3, 4):
            stepper.begin()
            stepper.end(step, last)
        assert bool(chosen) == compiled


def test_a_checkpoint_says_what_it_was_trained_with(tmp_path: Path) -> None:
    done = tiny_run(task, tmp_path / "run")
    state = checkpoint.load(done.run.judged())["state"]
    assert CircuitnetConfig.model_validate(state["config"]) == done.config
    data = dataset.read(tiny_config(task))  # type: ignore[arg-type]
    labels = np.stack([data.train.one(i)[1][0] for i in range(len(data.train))])
    np.testing.assert_allclose(state["mean_label"].numpy(), labels.mean(0), atol=1e-6)
