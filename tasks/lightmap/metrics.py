"""What is measured of rendered frames, and how fast a frame is."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from core.contract import Absent, Run
from core.errors import AssayError
from core.kit import image, timing
from core.kit.image import CAP_DB
from tasks.lightmap.blend import Frame
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day
from tasks.lightmap.model import Lightmap
from tasks.lightmap.render import renderer

FULL_HD = (1080, 1920)


class Score(NamedTuple):
    """One frame against the truth; lpips is None where it was not asked for."""

    psnr: float
    ssim: float
    lpips: float | None
    mse: float


def score(
    pred: Tensor, truth: Tensor, downsample: int = 1, lpips: image.Lpips | Absent | None = None
) -> Score:
    """Compare two images 3 H W at 1/downsample size."""
    a, b = (F.avg_pool2d(x[None], downsample) if downsample > 1 else x[None] for x in (pred, truth))
    error = image.mse(a, b).item()
    distance = lpips(a, b).item() if callable(lpips) else None
    return Score(image.psnr_of(error), image.ssim(a, b).item(), distance, error)


@torch.no_grad()
def score_all(
    frame: Frame,
    day: Day,
    times: Iterable[float],
    downsample: int,
    lpips: image.Lpips | Absent | None = None,
) -> dict[float, Score]:
    """The scores of all `times`, each of which the day has an image of."""
    return {t: score(frame(t), day.at(t), downsample, lpips) for t in times}


def means(scores: Mapping[float, Score]) -> Score:
    """Every number averaged over frames."""
    psnr, ssim, lpips, mse = zip(*scores.values(), strict=True)
    n = len(scores)
    return Score(
        sum(psnr) / n, sum(ssim) / n, None if None in lpips else sum(lpips) / n, sum(mse) / n
    )


def gain(scores: Mapping[float, Score], over: Mapping[float, Score]) -> float:
    """How many dB the mean PSNR is above another method's at the same times."""
    return means(scores).psnr - means(over).psnr


def named(
    scores: Mapping[float, Score], prefix: str, lpips: image.Lpips | Absent, why_not: str
) -> dict[str, float | Absent]:
    """Mean psnr, ssim and lpips as metrics, Absent where there was nothing to measure."""
    if not scores:
        return {prefix + name: Absent(reason=why_not) for name in ("psnr", "ssim", "lpips")}
    mean = means(scores)
    distance = lpips if isinstance(lpips, Absent) else mean.lpips
    assert distance is not None
    return {f"{prefix}psnr": mean.psnr, f"{prefix}ssim": mean.ssim, f"{prefix}lpips": distance}


def lpips_for(day: Day, downsample: int) -> image.Lpips | Absent:
    """The LPIPS distance, or why frames of this day have none."""
    if min(day.height, day.width) // downsample < image.LPIPS_SIDE:
        return Absent(reason=f"frames are smaller than LPIPS' {image.LPIPS_SIDE} pixels")
    try:
        return image.lpips(device=str(day.frames.device))
    except AssayError as error:
        return Absent(reason=error.message)


def choice(cfg: LightmapConfig, mean: Score, lpips: image.Lpips | Absent) -> float:
    """What chooses the checkpoint, as `best_metric` says: more is better.

    Raises:
        AssayError: it needs LPIPS, and there is none.
    """
    if cfg.best_metric in ("ssim", "psnr"):
        return float(getattr(mean, cfg.best_metric))
    if isinstance(lpips, Absent) or mean.lpips is None:
        why = lpips.reason if isinstance(lpips, Absent) else "it was not measured"
        raise AssayError(f"best_metric {cfg.best_metric} needs LPIPS: {why}", "Set it to ssim")
    alike = 1 - mean.lpips
    return alike if cfg.best_metric == "lpips" else (mean.ssim + alike + mean.psnr / CAP_DB) / 3


def log(run: Run, scores: Mapping[float, Score], step: int, name: str) -> None:
    """Write down the scores of every time, as `val/3/psnr`, and their means, as `val/psnr`."""
    if not scores:
        return
    values: dict[str, float] = {}
    for row, of in {**{f"{name}/{t:g}": s for t, s in scores.items()}, name: means(scores)}.items():
        values |= {f"{row}/psnr": of.psnr, f"{row}/ssim": of.ssim}
        if of.lpips is not None:
            values[f"{row}/lpips"] = of.lpips
    run.log(values, step)


def gpu_1080p_ms(cfg: LightmapConfig, model: Lightmap, day: Day, run: Run) -> float | Absent:
    """Median time of one 1920x1080 frame of network output, on the run's GPU."""
    if not cfg.network:
        return Absent(reason="a bare blend has no network")
    if not run.device.startswith("cuda"):
        return Absent(reason="no CUDA")
    small = day.at(cfg.baseline_time)[None]
    large = F.interpolate(small, FULL_HD, mode="bicubic", align_corners=False)[0].clamp(0, 1)
    draw = functools.partial(renderer(model, large), 18.25)
    with run.quiet():
        return timing.measure(draw, run.device).median_ms
