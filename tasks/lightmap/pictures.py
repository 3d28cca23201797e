"""Pictures and tables of a model over the day, beside what needs no network."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from core.kit import figure
from core.kit.io import write_png
from tasks.lightmap.animation import clock
from tasks.lightmap.blend import Frame, trivial
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, held_hours, trained_hours
from tasks.lightmap.history import History
from tasks.lightmap.metrics import Score, lpips_for, means, score_all
from tasks.lightmap.model import Lightmap

CELL = 200  # width of an image on a sheet, pixels, as near as whole factors come
ERROR_SCALE = 4  # errors on the contact sheet are shown this much brighter
ERROR_LIMIT = 0.25  # the error maps' fixed scale, so that runs can be compared by eye
COLOURS = {"model": "C0", "blend": "C1", "nearest": "C2", "identity": figure.BASELINE}


def pixels(image: Tensor) -> NDArray[np.float32]:
    """3 H W in [0, 1] as H W 3."""
    return image.permute(1, 2, 0).cpu().numpy()


class Cell(NamedTuple):
    """A whole hour: truth, prediction and absolute error, each 3 H W, sized for a sheet."""

    hour: float
    truth: Tensor
    pred: Tensor
    error: Tensor


def cells(day: Day, frame: Frame) -> list[Cell]:
    """All whole hours, rendered once for all sheets."""
    made = []
    for hour in day.hours:
        truth, pred = day.at(hour), frame(hour)
        shown = (_sized(x) for x in (truth, pred, (truth - pred).abs()))
        made.append(Cell(hour, *shown))
    return made


def contact_sheet(hours: Sequence[Cell], out: Path) -> Path:
    """Truth, prediction and 4 x absolute error at every whole hour."""
    rows = []
    for cell in hours:
        bright = (ERROR_SCALE * cell.error).clamp(max=1)
        gap = np.ones((bright.shape[1], 2, 3), np.float32)
        row = [pixels(cell.truth), gap, pixels(cell.pred), gap, pixels(bright)]
        rows.append((np.concatenate(row, axis=1) * 255 + 0.5).astype(np.uint8))
    labels = [f"{clock(c.hour)}   truth | model | error x{ERROR_SCALE}" for c in hours]
    return write_png(out / "contact_sheet.png", figure.sheet(rows, labels, columns=4))


def error_maps(hours: Sequence[Cell], out: Path) -> Path:
    """Absolute error, mean of the three channels, at every whole hour on one fixed scale."""
    return figure.heat_sheet(
        out / "error_maps.png",
        [c.error.mean(0).cpu().numpy() for c in hours],
        [clock(c.hour) for c in hours],
        columns=6,
        limit=ERROR_LIMIT,
        unit="mean absolute error (1 = full range)",
        title="Error by hour",
    )


Rows = Mapping[str, Mapping[float, Score]]  # method -> time -> score


def compare(cfg: LightmapConfig, day: Day, frame: Frame) -> Rows:
    """The model and the trivial methods at every time that has an image."""
    methods = {"model": frame, **trivial(day, trained_hours(cfg, day), cfg.baseline_time)}
    times, lpips = sorted([*day.hours, *day.times]), lpips_for(day, cfg.val_downsample)
    return {
        name: score_all(paint, day, times, cfg.val_downsample, lpips)
        for name, paint in methods.items()
    }


def by_hour(cfg: LightmapConfig, day: Day, rows: Rows, out: Path) -> list[Path]:
    """PSNR, SSIM and LPIPS over the day as a plot, and the same numbers as CSV."""
    panels = {"PSNR (dB)": "psnr", "SSIM": "ssim", "LPIPS": "lpips"}
    if rows["model"][day.hours[0]].lpips is None:
        del panels["LPIPS"]
    plot = figure.curves(
        out / "by_hour.png",
        {label: _lines(cfg, day, rows, field) for label, field in panels.items()},
        x_label="hour of day",
        x_ticks=range(0, 25, 3),
        title="Quality by hour; nearest and blend never use the image of the hour itself",
    )
    return [plot, _csv(cfg, day, rows, out / "by_hour.csv")]


def _lines(cfg: LightmapConfig, day: Day, rows: Rows, field: str) -> list[figure.Line]:
    """Curves over the whole hours, and points between them for the model and the blend."""
    lines = []
    for name, scores in rows.items():
        whole = [
            math.nan if name == "identity" and h == cfg.baseline_time else getattr(scores[h], field)
            for h in day.hours  # identity is exact at its own hour
        ]
        if None in whole:
            continue
        lines.append(figure.Line(name, day.hours, whole, COLOURS[name]))
        if name in ("model", "blend") and day.times:
            between = [getattr(scores[t], field) for t in day.times]
            label = f"{name}, between hours"
            lines.append(figure.Line(label, day.times, between, COLOURS[name], "", "o"))
    return lines


def _csv(cfg: LightmapConfig, day: Day, rows: Rows, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        write = csv.writer(file)
        write.writerow(
            ["time", "kind", *[f"{name}_{x}" for name in rows for x in ("psnr", "ssim", "lpips")]]
        )
        for time in sorted([*day.hours, *day.times]):
            values = [
                "" if x is None else f"{x:.4f}" for name in rows for x in rows[name][time][:3]
            ]
            write.writerow([clock(time), kind(cfg, day, time), *values])
    return path


def kind(cfg: LightmapConfig, day: Day, time: float) -> str:
    """What training knew of a time: given, trained, held out, or between."""
    if time == cfg.given_hour:
        return "given"
    if time in day.times:
        return "between"
    return "held out" if time in held_hours(cfg, day) else "trained"


def table(cfg: LightmapConfig, day: Day, rows: Rows, out: Path) -> Path:
    """Means over whole hours and over the times between, method by method, as Markdown."""
    whole = [h for h in day.hours if h != cfg.given_hour]
    head = ["method", "hours PSNR (dB)", "SSIM", "LPIPS", "between PSNR (dB)", "SSIM", "LPIPS"]
    lines = [head, ["---"] * len(head)]
    lines += [
        [name, *_mean(scores, whole), *_mean(scores, day.times)] for name, scores in rows.items()
    ]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    path = out / "methods.md"
    path.write_text(
        f"{text}\n\nidentity: the {clock(cfg.baseline_time)} image unchanged. nearest, blend: from "
        "known hours, never the hour itself. A given hour is not counted. -: not measured.\n"
    )
    return path


def _mean(scores: Mapping[float, Score], times: Sequence[float]) -> list[str]:
    if not times:
        return ["-", "-", "-"]
    mean = means({t: scores[t] for t in times})
    return [
        f"{mean.psnr:.2f}",
        f"{mean.ssim:.3f}",
        "-" if mean.lpips is None else f"{mean.lpips:.3f}",
    ]


def loss_curves(past: History, out: Path) -> list[Path]:
    """The mean loss of every epoch and the scores of every validation; nothing without training."""
    if not past.epochs:
        return []
    epochs = range(1, len(past.epochs) + 1)
    panels = {"training loss, mean of the epoch": [figure.Line("", epochs, past.epochs)]}
    if past.scores:
        at, psnr, ssim = zip(*past.scores, strict=True)
        panels["validation PSNR (dB)"] = [figure.Line("", at, psnr, marker="o")]
        panels["validation SSIM"] = [figure.Line("", at, ssim, marker="o")]
    return [figure.curves(out / "losses.png", panels, x_label="epoch", title="Training")]


def feature_maps(model: Lightmap, day: Day, baseline_time: int, out: Path) -> list[Path]:
    """Magnitudes of the encoder's features of the baseline image, all on one scale."""
    if model.encoder is None:
        return []
    with torch.no_grad():
        maps = model.encoder(day.at(baseline_time)).abs().cpu()
    limit = max(float(np.percentile(maps.numpy(), 99)), 1e-6)
    return [
        figure.heat_sheet(
            out / "features.png",
            [_sized(one[None], CELL // 2)[0].numpy() for one in maps],
            [f"channel {i}" for i in range(len(maps))],
            columns=8,
            limit=limit,
            unit="magnitude; the scale ends at the 99th percentile",
            title=f"Features of the {clock(baseline_time)} image",
        )
    ]


def _sized(image: Tensor, cell: int = CELL) -> Tensor:
    """C H W near a sheet's width: shrunk by area mean, or with every pixel repeated."""
    width = image.shape[2]
    if width > cell:
        return F.avg_pool2d(image[None], -(-width // cell))[0]
    return image.repeat_interleave(cell // width, 1).repeat_interleave(cell // width, 2)
