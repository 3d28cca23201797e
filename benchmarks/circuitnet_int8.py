"""GPDL at one map: torch against onnxruntime in float32 and INT8. Latency and size as measured.

    python -m benchmarks.circuitnet_int8

Random weights, one thread, CPU time, interleaved. INT8 need not win: the report says which does.
"""

from __future__ import annotations

import functools
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.circuitnet_step import cpu_ms
from tasks.circuitnet import deploy
from tasks.circuitnet.model import GPDL

SIDES = (64, 256)
REPEATS = 15


def at(side: int, folder: Path) -> dict[str, Any]:
    """Every way at one size of map."""
    torch.manual_seed(0)
    net = GPDL().eval()
    rng = np.random.default_rng(0)
    features = [rng.random((4, 3, side, side), dtype=np.float32)]
    plain = deploy.write(net, (1, 3, side, side), folder / "model.onnx")
    small = deploy.quantise(plain, features, folder / "model_int8.onnx")
    x = features[0][:1]
    given = torch.from_numpy(x)

    @torch.inference_mode()
    def eager() -> np.ndarray:
        out: np.ndarray = net(given).numpy()
        return out

    ways = {
        "torch fp32": (eager, sum(p.numel() for p in net.parameters()) * 4),
        "onnxruntime fp32": (functools.partial(deploy.session(plain, 1), x), plain.stat().st_size),
        "onnxruntime int8": (functools.partial(deploy.session(small, 1), x), small.stat().st_size),
    }
    want = eager()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(REPEATS + 2):
        for name, (call, _) in ways.items():
            took = cpu_ms(call)
            if repeat > 1:  # two warm-ups
                times[name].append(took)
    base = statistics.median(times["onnxruntime fp32"])
    return {
        name: {
            "ms": statistics.median(times[name]),
            "ratio_to_onnxruntime_fp32": base / statistics.median(times[name]),
            "kb": size / 1024,
            "max_difference": float(np.abs(call() - want).max()),
        }
        for name, (call, size) in ways.items()
    }


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = {str(side): at(side, Path(folder)) for side in SIDES}
    print(json.dumps({"benchmark": "circuitnet_int8", "sides": rows}))


if __name__ == "__main__":
    main()
