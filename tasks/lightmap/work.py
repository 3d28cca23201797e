"""The six functions of the task, in the order in which they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from core.contract import Absent, Run
from core.errors import AssayError
from core.kit import checkpoint as kit_checkpoint
from core.kit.image import psnr_of
from core.kit.io import write_png
from core.kit.loop import finite, steps, weigh
from tasks.lightmap import history, losses, metrics, pictures
from tasks.lightmap.batch import sample
from tasks.lightmap.blend import Base
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, digest, held_hours, measured_hours, read
from tasks.lightmap.model import Lightmap, build
from tasks.lightmap.render import frames
from tasks.lightmap.schedule import rate

LOG_EVERY = 10  # steps


def data(cfg: LightmapConfig, run: Run) -> Day:
    """Read and check all frames; they stay on the device as 8-bit values."""
    return read(cfg).to(run.device)


def train(cfg: LightmapConfig, data: Day, run: Run) -> Lightmap:
    """Fit the network to the hours that it may see; a bare blend has nothing to fit."""
    model = build(cfg, data.longest).to(run.device)
    opt = optimiser(cfg, model)
    past = history.History()
    about = {
        "config": cfg.model_dump(mode="json"),
        "baseline": digest(data, cfg.baseline_time),
        "longest": data.longest,
    }
    state = {"model": model, "opt": opt, "history": past, "about": about}
    if not cfg.network:
        run.checkpoint(state, 0)
        return model
    base, image = Base(cfg, data), data.at(cfg.baseline_time)
    run.training_started()
    for step in steps(cfg.total_steps, run, state, cfg.steps_per_epoch):
        lr = opt.param_groups[0]["lr"] = rate(cfg, step, past.epochs)
        batch = sample(cfg, base, run.seed, step)
        weights = losses.due(cfg, run.weights, step)
        pred = batch.base + batch.gain * model(batch.xy, batch.t, image)
        terms = losses.terms(pred, batch, weights)
        loss = weigh(terms, weights)
        opt.zero_grad(set_to_none=True)
        good = finite(loss, step, run)
        if good:
            loss.backward()
            opt.step()
        past.add(step, lr, loss.item() if good else None)
        if step % LOG_EVERY == 0:
            run.log({"lr": lr} | {f"loss/{k}": term.item() for k, term in terms.items()}, step)
        if step % cfg.steps_per_epoch == 0:
            run.log(past.close_epoch(), step)
        if step % (cfg.steps_per_epoch * cfg.val_every) == 0:
            keep(cfg, model, data, run, state)
    if past.step > past.kept:  # the budget ended it, or epochs is no multiple of val_every
        keep(cfg, model, data, run, state)
    past.write(run.dir)
    return model


def optimiser(cfg: LightmapConfig, model: Lightmap) -> torch.optim.Optimizer:
    """Adam. A hash table's gradients are rare and small: the usual epsilon would drown them."""
    eps = 1e-15 if cfg.hash_grid else 1e-8
    return torch.optim.Adam(model.parameters(), lr=cfg.lr, eps=eps, fused=True)


def keep(
    cfg: LightmapConfig, model: Lightmap, data: Day, run: Run, state: Mapping[str, Any]
) -> None:
    """Validate the network as it is, and save it; only hours that may choose do so."""
    past: history.History = state["history"]
    past.kept = past.step
    hours = measured_hours(cfg, data) if cfg.chooses else held_hours(cfg, data)
    lpips = metrics.lpips_for(data, cfg.val_downsample)
    scores = metrics.score_all(frames(cfg, model, data), data, hours, cfg.val_downsample, lpips)
    metrics.log(run, scores, past.step, "val" if cfg.chooses else "val_held")
    if not cfg.chooses:
        run.checkpoint(state, past.step)
        return
    ssim = metrics.means(scores).ssim
    run.checkpoint(state, past.step, {"ssim": ssim})
    run.report(ssim, past.step)


def load(cfg: LightmapConfig, checkpoint: Path, device: str) -> Lightmap:
    """The network of a checkpoint that was trained with the same architecture.

    Raises:
        AssayError: not a checkpoint, or one of another architecture.
    """
    saved = kit_checkpoint.load(checkpoint, device)["state"]
    theirs = LightmapConfig.model_validate(saved["about"]["config"]).architecture()
    differing = [
        f"{k}={theirs.get(k)}" for k, v in cfg.architecture().items() if theirs.get(k) != v
    ]
    if differing:
        raise AssayError(
            f"{checkpoint} was trained with other settings: {', '.join(differing)}",
            "Give the same ones with -o",
            code="other_architecture",
        )
    model = build(cfg, saved["about"]["longest"])
    model.load_state_dict(saved["model"])
    model.baseline_digest = saved["about"]["baseline"]
    return model.to(device).eval()


def evaluate(
    cfg: LightmapConfig, model: Lightmap, data: Day, run: Run
) -> dict[str, float | Absent]:
    """Quality at whole hours (trained or held out) and between them; speed; how training went."""
    lpips = metrics.lpips_for(data, cfg.val_downsample)
    frame, past = frames(cfg, model, data), history.read(run.dir)

    def scores(times: Sequence[float], name: str) -> dict[float, metrics.Score]:
        got = metrics.score_all(frame, data, times, cfg.val_downsample, lpips)
        metrics.log(run, got, past.step, name)
        return got

    whole = scores(measured_hours(cfg, data), "val") if cfg.chooses else {}
    held = scores(held_hours(cfg, data), "val_held")
    between = scores(data.times, "val_interp")
    unseen = "the hours were held out, or the blend holds their very images"
    return {
        **metrics.named(whole, "", lpips, unseen),
        "psnr_of_mean": psnr_of(metrics.means(whole).mse) if whole else Absent(reason=unseen),
        **metrics.named(held, "held_", lpips, "no hour was held out: val_split is seen"),
        **metrics.named(between, "interp_", lpips, "the data has no images between whole hours"),
        "gpu_1080p_ms": metrics.gpu_1080p_ms(cfg, model, data, run),
        "nonfinite_steps": float(run.nonfinite_steps),
        **past.metrics(),
    }


def infer(cfg: LightmapConfig, model: Lightmap, out: Path, run: Run) -> list[Path]:
    """Write recon_<time>.png for every time of `infer_hours`."""
    return write_times(cfg, model, read(cfg).to(run.device), out, cfg.infer_hours)


def write_times(
    cfg: LightmapConfig, model: Lightmap, day: Day, out: Path, times: Sequence[float]
) -> list[Path]:
    """Frames of any times as PNG; the model must have been trained on this baseline image.

    Raises:
        AssayError: the baseline image is another one.
    """
    if model.baseline_digest != digest(day, cfg.baseline_time):
        raise AssayError(
            f"tod_{cfg.baseline_time}.png is not the baseline image that this model was trained on",
            "Give the training's data_dir (and resize), or its baseline image",
            code="other_baseline",
        )
    frame = frames(cfg, model, day)
    return [write_png(out / f"recon_{t:g}.png", pictures.pixels(frame(t))) for t in times]


def visualise(cfg: LightmapConfig, model: Lightmap, data: Day, out: Path, run: Run) -> list[Path]:
    """Contact sheet, error maps, quality by hour, and the table beside the trivial methods."""
    out.mkdir(parents=True, exist_ok=True)
    frame = frames(cfg, model, data)
    hours, rows = pictures.cells(data, frame), pictures.compare(cfg, data, frame)
    return [
        pictures.contact_sheet(hours, out),
        pictures.error_maps(hours, out),
        *pictures.by_hour(cfg, data, rows, out),
        pictures.table(cfg, data, rows, out),
    ]
