"""The toy's six functions. State is plain JSON, so exact resume is easy to check."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.contract import Absent, Run
from core.kit import checkpoint
from core.kit.loop import steps
from core.kit.seed import derive

Points = list[tuple[float, float]]


def data(cfg: Any, run: Run) -> Points:
    if cfg.points:
        rows = cfg.points.read_text().split()
        return [(float(a), float(b)) for a, b in (r.split(",") for r in rows)]
    draw = random.Random(derive(run.seed, "data"))
    xs = [draw.uniform(-1, 1) for _ in range(64)]
    return [(x, 2 * x + 1 + draw.gauss(0, cfg.noise)) for x in xs]


def train(cfg: Any, data: Points, run: Run) -> dict[str, float]:
    line = {"a": 0.0, "b": 0.0}
    rate = 2 * cfg.lr * run.weights["l2"]
    run.training_started()
    for step in steps(cfg.total_steps, run, {"line": line}):
        _misbehave(cfg.misbehave, step)
        draw = random.Random(derive(run.seed, "batch", step))
        batch = draw.sample(data, 16)
        residuals = [(x, line["a"] * x + line["b"] - y) for x, y in batch]
        line["a"] -= rate * sum(x * r for x, r in residuals) / 16
        line["b"] -= rate * sum(r for _, r in residuals) / 16
        bad = cfg.misbehave == "nan" and step >= 5
        loss = math.nan if bad else sum(r * r for _, r in residuals) / 16
        run.loss_seen(math.isfinite(loss), step)
        error = rmse(line, data)
        run.log({"loss/l2": loss, "error": error}, step)
        run.checkpoint({"line": line}, step, {"error": error})
        run.report(error, step)
        time.sleep(cfg.step_s)
    return line


def _misbehave(how: str, step: int) -> None:
    if step < 5:
        return
    if how == "raise":
        raise ValueError("the toy was told to fail")
    if how == "exit":
        os._exit(7)
    if how == "abort":
        os.abort()
    if how == "hang":
        time.sleep(3600)
    if how == "memory":
        hoard: list[bytearray] = []
        for _ in _forever():
            hoard.append(bytearray(os.urandom(1 << 20) * 16))
            time.sleep(0.01)


def _forever() -> Iterator[None]:
    while True:
        yield


def rmse(line: dict[str, float], data: Points) -> float:
    return math.sqrt(sum((line["a"] * x + line["b"] - y) ** 2 for x, y in data) / len(data))


def load(cfg: Any, path: Path, device: str) -> dict[str, float]:
    return dict(checkpoint.load(path)["state"]["line"])


def evaluate(
    cfg: Any, model: dict[str, float], data: Points, run: Run
) -> dict[str, float | Absent]:
    error = rmse(model, data) + cfg.shift
    out: dict[str, float | Absent] = {
        "error": error,
        "score": -20 * math.log10(max(error, 1e-9)),
        "gpu_ms": Absent(reason="no CUDA"),
    }
    if cfg.misbehave == "absent":
        out["error"] = Absent(reason="the toy was told to leave it out")
    if cfg.misbehave == "nanmetric":
        out["error"] = math.nan
    if cfg.misbehave == "undeclared":
        out["surprise"] = 1.0
    return out


def infer(cfg: Any, model: dict[str, float], out: Path, run: Run) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    path = out / "line.txt"
    path.write_text(f"{model['a']} {model['b']}\n")
    return [path]


def visualise(cfg: Any, model: dict[str, float], data: Points, out: Path, run: Run) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    path = out / "points.csv"
    path.write_text("".join(f"{x},{y}\n" for x, y in data))
    return [path]


def double(cfg: Any, run: Run, value: float = 1.0) -> float:
    return 2 * value


def count(cfg: Any, run: Run, to: int) -> dict[str, Any]:
    """A tool that says how far it is."""
    for i in range(1, to + 1):
        run.progress(i, to)
    return {"to": to, "seen": list(range(1, to + 1))}
