"""What else the same bytes could buy: the model beside image codecs, PCA and the trivial methods.

Every row is measured at the same whole hours (but the hour that a model is given) and with all that
a viewer must have: all frames as files of one codec, K principal images as int8 (zlib) with their
mixture in fp16, or the model's `model_bytes`. JPEG and WebP are the frames one by one, at the
quality whose total is nearest to the model's; a video codec would exploit that they are alike, and
so does the basis.
"""

from __future__ import annotations

import csv
import io
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.contract import Run
from core.kit import figure
from tasks.lightmap import checkpoints, codec, metrics, sizes
from tasks.lightmap.blend import Frame
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, read, trained_hours
from tasks.lightmap.metrics import Score
from tasks.lightmap.model import Lightmap
from tasks.lightmap.render import frames

WEBP, JPEG = {"method": 6}, {"optimize": True}
QUALITIES = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90)  # of the curves
STEPS = (0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)


class Coded(NamedTuple):
    """All frames as some method gives them back, and what that took."""

    bytes: int
    images: Tensor  # T 3 H W uint8


class Rate(NamedTuple):
    """One row of the table."""

    method: str
    bytes: float
    score: Score


def images(day: Day, form: str, quality: int) -> Coded:
    """Every frame through JPEG or WebP at one quality."""
    settings = WEBP if form == "WEBP" else JPEG
    size, made = 0, []
    for hour in day.hours:
        data = sizes.image_bytes(sizes.pixels(day, hour), form, quality=quality, **settings)
        size += len(data)
        made.append(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    return Coded(size, torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2))


def pca(day: Day, k: int) -> Coded:
    """K principal images over hours and colours, in int8, and their mixture in fp16."""
    t, _, height, width = day.frames.shape
    flat = day.frames.cpu().numpy().reshape(3 * t, -1).astype(np.float32) / np.float32(255)
    values, vectors = np.linalg.eigh((flat @ flat.T).astype(np.float64))
    half = vectors[:, np.argsort(values)[::-1][:k]].astype(np.float16)
    mix = half.astype(np.float32)
    planes = mix.T @ flat
    scale = np.maximum(np.abs(planes).max(1, keepdims=True), 1e-6) / 127
    stored = np.rint(planes / scale).astype(np.int8)
    made = np.clip(mix @ (stored * scale), 0, 1).reshape(t, 3, height, width)
    size = len(zlib.compress(stored.tobytes(), 9)) + 2 * mix.size + 4 * len(scale)
    return Coded(size, torch.from_numpy((made * 255 + 0.5).astype(np.uint8)))


def nearest(make: Callable[[int], Coded], low: int, high: int, target: float) -> tuple[int, Coded]:
    """The setting in low..high whose bytes, rising with it, are nearest to the target's."""
    tried: dict[int, Coded] = {}

    def at(setting: int) -> Coded:
        if setting not in tried:
            tried[setting] = make(setting)
        return tried[setting]

    first, last = low, high
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if at(middle).bytes < target else (first, middle)
    best = min((first, last), key=lambda setting: abs(at(setting).bytes - target))
    return best, at(best)


def table(
    cfg: LightmapConfig, model: Lightmap, day: Day, scores: Mapping[str, Mapping[float, Score]]
) -> list[Rate]:
    """The model and the trivial methods, whose scores are known, and codecs at about its bytes."""
    size = sizes.model_bytes(cfg, model, day)
    known = trained_hours(cfg, day)
    hours = [h for h in day.hours if h != cfg.given_hour]
    lpips = metrics.lpips_for(day, cfg.val_downsample)

    def rate(method: str, coded: Coded) -> Rate:
        shown = metrics.score_all(_shown(day, coded), day, hours, cfg.val_downsample, lpips)
        return Rate(method, coded.bytes, metrics.means(shown))

    every = {h: sizes.lossless(sizes.pixels(day, h)) for h in known}
    noon = every.get(cfg.baseline_time) or sizes.lossless(sizes.pixels(day, cfg.baseline_time))
    spent = {"model": size, "identity": noon}
    rows = [
        Rate(name, spent.get(name, sum(every.values())), metrics.means({h: of[h] for h in hours}))
        for name, of in scores.items()
    ]
    for name, form in (("JPEG", "JPEG"), ("WebP", "WEBP")):
        quality, coded = nearest(lambda q, form=form: images(day, form, q), 1, 100, size)  # type: ignore[misc]
        rows.append(rate(f"{name} q{quality}", coded))
    k, coded = nearest(lambda k: pca(day, k), 1, 3 * len(day.hours), size)
    return [*rows, rate(f"PCA-{k}", coded)]


def _shown(day: Day, coded: Coded) -> Frame:
    return lambda t: coded.images[day.hours.index(t)].to(day.frames.device).float() / 255


def written(rows: Sequence[Rate], out: Path) -> list[Path]:
    """rates.md and rates.csv."""
    head = ["method", "bytes", "psnr dB", "ssim", "lpips"]
    lines = [[r.method, f"{r.bytes:.0f}", *_numbers(r.score)] for r in rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines])
    note = "Bytes of all that a viewer needs. nearest, blend: never from the hour's own image."
    (out / "rates.md").write_text(f"{text}\n\n{note} -: not measured.\n")
    with (out / "rates.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *lines])
    return [out / "rates.md", out / "rates.csv"]


def _numbers(score: Score) -> list[str]:
    lpips = "-" if score.lpips is None else f"{score.lpips:.4f}"
    return [f"{score.psnr:.2f}", f"{score.ssim:.4f}", lpips]


def compare(cfg: LightmapConfig, run: Run, *, ckpt: str = "", out: str = "") -> dict[str, Any]:
    """Rate-distortion curves of WebP, JPEG, PCA and the basis; checkpoints (a,b,...) as points."""
    folder = Path(out) if out else run.dir / "compare"
    folder.mkdir(parents=True, exist_ok=True)
    day = read(cfg).to(run.device)
    lpips = metrics.lpips_for(day, cfg.val_downsample)
    hours = list(day.hours)
    jobs: list[tuple[str, str, Callable[[], Coded]]] = []
    for q in QUALITIES:
        jobs.append(("WebP", f"q{q}", lambda q=q: images(day, "WEBP", q)))  # type: ignore[misc]
        jobs.append(("JPEG", f"q{q}", lambda q=q: images(day, "JPEG", q)))  # type: ignore[misc]
    for k in (1, 2, 4, 8, 16, 24):
        jobs.append(("PCA int8", f"K{k}", lambda k=k: pca(day, k)))  # type: ignore[misc]
    for step in STEPS:
        jobs.append(("basis", f"step {step}", lambda s=step: _basis(day, s)))  # type: ignore[misc]
    curves: dict[str, list[Rate]] = {}
    for i, (name, setting, make) in enumerate(jobs):
        coded = make()
        scores = metrics.score_all(_shown(day, coded), day, hours, cfg.val_downsample, lpips)
        curves.setdefault(name, []).append(
            Rate(f"{name} {setting}", coded.bytes, metrics.means(scores))
        )
        run.progress(i + 1, len(jobs), name)
    for path in filter(None, ckpt.split(",")):
        own = checkpoints.read(Path(path), run.device).config
        model = checkpoints.load(own, Path(path), run.device)
        checkpoints.check_baseline(own, model, day)
        kept = [h for h in hours if h != own.given_hour]
        scores = metrics.score_all(frames(own, model, day), day, kept, cfg.val_downsample, lpips)
        name = Path(path).resolve().parent.parent.name
        size = sizes.model_bytes(own, model, day)
        curves[name] = [Rate(name, size, metrics.means(scores))]
    rows = [rate for curve in curves.values() for rate in sorted(curve, key=lambda r: r.bytes)]
    made = [plot(curves, folder), *written(rows, folder)]
    return {"files": [str(p) for p in made], "gain_db": advantage(curves)}


def _basis(day: Day, step: float) -> Coded:
    data = codec.encode(day.frames.cpu().numpy(), day.hours, 72, step)
    return Coded(len(data), torch.from_numpy(codec.decode(data).frames()))


def advantage(curves: Mapping[str, Sequence[Rate]]) -> dict[str, float]:
    """PSNR of the basis less WebP's at the same bytes, interpolated in log bytes."""
    webp = sorted((r.bytes, r.score.psnr) for r in curves["WebP"])
    x, y = zip(*webp, strict=True)
    return {
        f"{r.bytes:.0f}": r.score.psnr - float(np.interp(np.log(r.bytes), np.log(x), y))
        for r in curves["basis"]
        if x[0] <= r.bytes <= x[-1]
    }


def plot(curves: Mapping[str, Sequence[Rate]], out: Path) -> Path:
    """PSNR, SSIM and LPIPS over kilobytes of the whole day, on a logarithmic axis."""
    fields = {"psnr": "PSNR (dB)", "ssim": "SSIM", "lpips": "LPIPS"}
    if any(r.score.lpips is None for c in curves.values() for r in c):
        del fields["lpips"]
    panels = {label: _lines(curves, field) for field, label in fields.items()}
    return figure.curves(
        out / "rates.png",
        panels,
        x_label="kB of the whole day",
        x_ticks=range(2, 11),
        x_names=[str(2**n) for n in range(2, 11)],
        title="24 hours of one view: what the bytes buy",
    )


def _lines(curves: Mapping[str, Sequence[Rate]], field: str) -> list[figure.Line]:
    lines = []
    for i, (name, curve) in enumerate(curves.items()):
        rows = sorted(curve, key=lambda r: r.bytes)
        kilobytes = [math.log2(r.bytes / 1000) for r in rows]
        values = [getattr(r.score, field) for r in rows]
        lines.append(figure.Line(name, kilobytes, values, f"C{i}", "-", "o"))
    return lines
