"""The six functions of the task, in the order in which they are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.contract import Absent, Run
from core.kit.image import psnr_of
from core.kit.io import write_png
from tasks.lightmap import animation, checkpoints, history, metrics, pictures, rates, sizes
from tasks.lightmap.blend import trivial
from tasks.lightmap.checkpoints import load
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, held_hours, measured_hours, read, trained_hours
from tasks.lightmap.model import Lightmap
from tasks.lightmap.render import frames
from tasks.lightmap.training import train

__all__ = ["data", "evaluate", "infer", "load", "train", "visualise"]


def data(cfg: LightmapConfig, run: Run) -> Day:
    """Read and check all frames; they stay on the device as 8-bit values."""
    return read(cfg).to(run.device)


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

    whole = scores(measured_hours(cfg, data), "val") if cfg.reconstructs else {}
    held = scores(held_hours(cfg, data), "val_held")
    between = scores(data.times, "val_interp")
    scores([h for h in data.hours if h == cfg.given_hour], "val_given")
    blend = trivial(data, trained_hours(cfg, data), cfg.baseline_time)["blend"]
    blended = metrics.score_all(blend, data, data.times, cfg.val_downsample, lpips)
    metrics.log(run, blended, past.step, "val_interp_blend")
    unseen = Absent(reason="the hours were held out, or the blend holds their very images")
    none = Absent(reason="the data has no images between whole hours, or they are trained on")
    return {
        **metrics.named(whole, "", lpips, unseen.reason),
        "psnr_of_mean": psnr_of(metrics.means(whole).mse) if whole else unseen,
        "choice": metrics.choice(cfg, metrics.means(whole), lpips) if whole else unseen,
        **metrics.named(held, "held_", lpips, "no hour was held out: val_split is seen"),
        **metrics.named(between, "interp_", lpips, none.reason),
        "interp_gain": metrics.gain(between, blended) if between else none,
        "model_bytes": sizes.model_bytes(cfg, model, data),
        "gpu_1080p_ms": metrics.gpu_1080p_ms(cfg, model, data, run),
        **past.metrics(run.nonfinite_steps),
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
    checkpoints.check_baseline(cfg, model, day)
    frame = frames(cfg, model, day)
    return [write_png(out / f"recon_{t:g}.png", pictures.pixels(frame(t))) for t in times]


def visualise(cfg: LightmapConfig, model: Lightmap, data: Day, out: Path, run: Run) -> list[Path]:
    """The day and its errors as sheets and a film, quality by hour and beside trivial methods."""
    out.mkdir(parents=True, exist_ok=True)
    frame = frames(cfg, model, data)
    hours, rows = pictures.cells(data, frame), pictures.compare(cfg, data, frame)
    return [
        pictures.contact_sheet(hours, out),
        pictures.error_maps(hours, out),
        *pictures.by_hour(cfg, data, rows, out),
        *pictures.loss_curves(history.read(run.dir), out),
        *pictures.feature_maps(model, data, cfg.baseline_time, out),
        animation.slider(frame, out),
        *animation.day(frame, out),
        pictures.table(cfg, data, rows, out),
        *rates.written(rates.table(cfg, model, data, rows), out),
    ]
