"""The six functions; a model is its one number, the share that a new sample gets."""

from __future__ import annotations

import math
import random
from itertools import accumulate
from pathlib import Path

from assay_smooth import SmoothConfig
from core.contract import Absent, Run
from core.kit import checkpoint as kit_checkpoint
from core.kit.loop import steps
from core.kit.seed import derive

SAMPLES = 200
NUDGE = 1e-4

Walk = list[tuple[float, float]]  # (true, noisy)
Model = dict[str, float]


def walk(cfg: SmoothConfig, seed: int) -> Walk:
    """A random walk, and the same with noise."""
    luck = random.Random(seed)
    true = accumulate(luck.gauss(0, 0.3) for _ in range(SAMPLES))
    return [(x, x + luck.gauss(0, cfg.noise)) for x in true]


def smoothed(share: float, signal: Walk) -> list[float]:
    """Each sample a mixture of itself and of what came before."""
    return list(accumulate((y for _, y in signal), lambda old, y: old + share * (y - old)))


def squared(share: float, signal: Walk) -> float:
    """Mean squared error of the smoothed signal."""
    pairs = zip(smoothed(share, signal), signal, strict=True)
    return sum((pred - true) ** 2 for pred, (true, _) in pairs) / len(signal)


def data(cfg: SmoothConfig, run: Run) -> Walk:
    """The walk to validate on, the same for every seed."""
    return walk(cfg, derive("validation"))


def train(cfg: SmoothConfig, data: Walk, run: Run) -> Model:
    """Descend along the error's slope, each step on a fresh walk."""
    model = {"share": 0.9}
    run.training_started()
    for step in steps(cfg.total_steps, run, {"model": model}):
        seen = walk(cfg, derive(run.seed, "batch", step))
        above, below = (squared(model["share"] + sign * NUDGE, seen) for sign in (1, -1))
        slope = run.weights["squared"] * (above - below) / (2 * NUDGE)
        model["share"] = min(1.0, max(0.01, model["share"] - cfg.lr * slope))
        error = math.sqrt(squared(model["share"], data))
        run.loss_seen(math.isfinite(error), step)
        run.log({"loss/squared": (above + below) / 2, "error": error}, step)
        run.checkpoint({"model": model}, step, {"error": error})
        run.report(error, step)
    return model


def load(cfg: SmoothConfig, checkpoint: Path, device: str) -> Model:
    """The number of a checkpoint."""
    return dict(kit_checkpoint.load(checkpoint)["state"]["model"])


def evaluate(cfg: SmoothConfig, model: Model, data: Walk, run: Run) -> dict[str, float | Absent]:
    """The error on the validation walk."""
    return {"error": math.sqrt(squared(model["share"], data))}


def infer(cfg: SmoothConfig, model: Model, out: Path, run: Run) -> list[Path]:
    """Write smoothed.txt, a sample a line."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "smoothed.txt"
    path.write_text("\n".join(map(str, smoothed(model["share"], walk(cfg, derive("infer"))))))
    return [path]


def visualise(cfg: SmoothConfig, model: Model, data: Walk, out: Path, run: Run) -> list[Path]:
    """Write walk.csv: true, noisy and smoothed, side by side."""
    out.mkdir(parents=True, exist_ok=True)
    rows = zip(data, smoothed(model["share"], data), strict=True)
    path = out / "walk.csv"
    path.write_text("".join(f"{true},{noisy},{pred}\n" for (true, noisy), pred in rows))
    return [path]
