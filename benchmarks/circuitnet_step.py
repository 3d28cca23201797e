"""A training step of GPDL at batch 2, 256x256: eager float32 against what the task can do.

    python -m benchmarks.circuitnet_step

One thread; CPU time, interleaved, so that a shared machine hits all alike. Compiling is not in the
step but beside it: `compile: auto` weighs the two. Ratios are of medians, eager over the other.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from tasks.circuitnet import losses
from tasks.circuitnet.compute import arithmetic, placed
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.model import build

WAYS: dict[str, dict[str, Any]] = {
    "eager fp32": {},
    "bf16 + channels_last": {"amp": "bf16", "channels_last": True},
    "compile + bf16 + channels_last": {"amp": "bf16", "channels_last": True, "compile": "on"},
}
BATCH, SIDE = 2, 256
REPEATS = 3


def stepper(given: dict[str, Any]) -> Callable[[], float]:
    """One whole training step of a config, as `train` does it; its loss."""
    cfg = CircuitnetConfig.model_validate({"batch_size": BATCH, **given})
    torch.manual_seed(0)
    model = build(cfg)
    if cfg.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    forward = torch.compile(model, dynamic=False) if cfg.compile == "on" else model
    opt = torch.optim.AdamW(model.parameters(), lr=cfg.lr)
    draw = torch.Generator().manual_seed(1)
    x = torch.rand(BATCH, 3, SIDE, SIDE, generator=draw)
    y = torch.rand(BATCH, 1, SIDE, SIDE, generator=draw) * 0.3

    def step() -> float:
        with arithmetic(cfg, "cpu"):
            pred = forward(placed(x, cfg, "cpu"))
        loss = 100 * losses.pixel(cfg, pred.float(), y)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        return loss.item()

    return step


def cpu_ms(call: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    call()
    return 1000 * (time.process_time() - start)


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    steps, first, loss = {}, {}, {}
    for name, given in WAYS.items():
        steps[name] = stepper(given)
        start = time.monotonic()
        loss[name] = steps[name]()
        first[name] = time.monotonic() - start
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for repeat in range(REPEATS + 1):
        for name, step in steps.items():
            took = cpu_ms(step)
            if repeat:  # the first is a warm-up
                times[name].append(took)
    base = statistics.median(times["eager fp32"])
    rows = {
        name: {
            "ms": statistics.median(took),
            "ratio": base / statistics.median(took),
            "first_step_s": first[name],
            "loss": loss[name],
        }
        for name, took in times.items()
    }
    print(json.dumps({"benchmark": "circuitnet_step", "batch": BATCH, "side": SIDE, "ways": rows}))


if __name__ == "__main__":
    main()
