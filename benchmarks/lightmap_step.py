"""Training steps of the lightmap task: milliseconds a step of each variant, against a GEMM floor.

    python -m benchmarks.lightmap_step

One thread, the street at 160x90, the defaults' 8192 pixels a step. The floor is the time that all
matrix products and convolutions of the step, forwards and backwards, would take at the rate of this
core's own 8192 x 64 x 64 products: what no implementation in float32 can go below.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from core.kit.loop import weigh
from tasks.lightmap import losses, task
from tasks.lightmap.batch import sample
from tasks.lightmap.blend import Base
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import read
from tasks.lightmap.model import build

VARIANTS = ("baseline", "encoder", "patch_ssim", "hybrid")
STEPS = 30
WARM_UP = 5


def cpu_ms(call: Callable[[], object], repeats: int) -> float:
    """Median CPU time of a call; the machine may be shared, so wall time would mislead."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times)


def stepper(cfg: LightmapConfig) -> Callable[[], None]:
    """One whole training step of a config, as `train` does it."""
    base, model = Base(cfg, read(cfg)), build(cfg)
    image, weights = base.day.at(cfg.baseline_time), task.weights(cfg)
    opt = torch.optim.Adam(model.parameters(), lr=cfg.lr)

    def step() -> None:
        batch = sample(cfg, base, 0, 1)
        pred = batch.base + batch.gain * model(batch.xy, batch.t, image)
        loss = weigh(losses.terms(pred, batch, weights), weights)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()

    return step


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    a, b = torch.randn(8192, 64), torch.randn(64, 64)
    flops_per_ms = 2 * 8192 * 64 * 64 / cpu_ms(lambda: a @ b, 200)
    rows: dict[str, Any] = {}
    for variant in VARIANTS:
        cfg = LightmapConfig.model_validate({"resize": "160x90", **task.variant(variant).set})
        step = stepper(cfg)
        with FlopCounterMode(display=False) as counter:
            step()
        for _ in range(WARM_UP):
            step()
        floor, took = counter.get_total_flops() / flops_per_ms, cpu_ms(step, STEPS)
        rows[variant] = {"ms": took, "floor_ms": floor, "ratio": took / floor}
    whole = {"benchmark": "lightmap_step", "gemm_gflops": flops_per_ms / 1e6, "variants": rows}
    print(json.dumps(whole))


if __name__ == "__main__":
    main()
