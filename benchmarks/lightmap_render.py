"""A 1920x1080 frame of the seed's 64x6 MLP, form by form, against the naive one; grid, basis.

    python -m benchmarks.lightmap_render

Naive: for every pixel the 26 numbers of place and time are computed and put side by side, and pass
through nn.Sequential in chunks of 131,072 pixels. CPU time of one thread in one run; differences
are to the naive frame at the same random weights, in colour (1 = full range). Floors: the frame's
92.6 GFLOP at this core's own rate of n x 64 x 64 products, and 12.4 MB (noon image in, frame out)
at its own copying rate. `hash_grid` and `hash_small`: these variants with a finest level of 480
cells, against every pixel looked up in the table and passed through the layers. `basis or blend`:
two decoded hours mixed in 8 bits. Wall time with two threads is only meaningful on a quiet machine;
CPU time beside it. The GPU is not measured here.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tasks.lightmap import task
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.fast import FORMS, form
from tasks.lightmap.gridpaint import GridRenderer
from tasks.lightmap.lerp import mixed
from tasks.lightmap.model import Lightmap, build, grid
from tasks.lightmap.render import Direct

HEIGHT, WIDTH = 1080, 1920
CHUNK = 131_072
TIME = 18.25
LONGEST = 480  # of the images that a grid was trained on


def timed(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median CPU and wall milliseconds of a call that has run once before."""
    call()
    cpu, wall = [], []
    for _ in range(repeats):
        start = time.process_time(), time.perf_counter()
        call()
        cpu.append(1000 * (time.process_time() - start[0]))
        wall.append(1000 * (time.perf_counter() - start[1]))
    return statistics.median(cpu), statistics.median(wall)


@torch.no_grad()
def naive(model: Lightmap, points: Tensor) -> Tensor:
    """Every pixel's input computed and the network applied: 3 H W."""
    parts = []
    for xy in points.split(CHUNK):
        encoded = model.mlp.encode_place(xy), model.mlp.encode_time(xy.new_full((len(xy),), TIME))
        parts.append(model.mlp.net(torch.cat(encoded, dim=1)))
    return torch.cat(parts).T.reshape(3, HEIGHT, WIDTH)


def floors() -> dict[str, float]:
    """Milliseconds that arithmetic and memory alone would take on this core."""
    flops = 2 * (26 * 64 + 5 * 64 * 64 + 64 * 3) * HEIGHT * WIDTH
    found = {}
    for name, kind in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = torch.randn(2048, 64).to(kind), torch.randn(64, 64).to(kind)
        ms, _ = timed(lambda a=a, b=b: [a @ b for _ in range(50)], 9)
        found[f"flop_{name}_ms"] = flops / (50 * 2 * 2048 * 64 * 64 / ms)
    frame = torch.empty(HEIGHT * WIDTH * 3, dtype=torch.uint8)
    found["byte_ms"] = timed(lambda: frame.clone(), 9)[0]  # reads 6.2 MB and writes 6.2 MB
    return found


@torch.no_grad()
def grids(name: str, image: Tensor) -> dict[str, Any]:
    """A variant behind a hash grid: pixel by pixel, then painted with one thread and with two."""
    model = build(LightmapConfig.model_validate(task.variant(name).set), LONGEST).eval()
    assert model.grid is not None
    torch.nn.init.uniform_(model.grid.table, -1, 1)
    plain, draw = Direct(model, image), GridRenderer(model, image)
    difference = (draw(TIME) - plain(TIME)).abs().max().item()
    slow, _ = timed(lambda: plain(TIME), 1)
    rows: dict[str, Any] = {f"{name}, pixel by pixel": {"cpu_ms": slow, "ratio": 1.0}}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        cpu, wall = timed(lambda: draw(TIME), 11)
        found = {"cpu_ms": cpu, "wall_ms": wall, "ratio": slow / cpu, "max_difference": difference}
        rows[f"{name}, {threads} threads"] = found
    torch.set_num_threads(1)
    return rows


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, points = build(LightmapConfig()).eval(), grid(HEIGHT, WIDTH)
    image = torch.zeros(3, HEIGHT, WIDTH)
    truth = naive(model, points)
    slow, _ = timed(lambda: naive(model, points), 3)
    rows: dict[str, Any] = {"naive": {"cpu_ms": slow, "ratio": 1.0}}
    for name in FORMS:
        draw = form(name, model, image)
        difference = (draw(TIME) - truth).abs().max().item()
        cpu, _ = timed(lambda draw=draw: draw(TIME), 5)
        rows[name] = {"cpu_ms": cpu, "ratio": slow / cpu, "max_difference": difference}
    bounds = floors()
    for name in ("hash_grid", "hash_small"):
        rows |= grids(name, image)
    torch.set_num_threads(2)
    a, b = torch.randint(0, 256, (2, 3, HEIGHT, WIDTH), dtype=torch.uint8)
    cpu, wall = timed(lambda: mixed(a, b, 0.25), 21)
    rows["basis or blend, two threads"] = {"cpu_ms": cpu, "wall_ms": wall, "ratio": slow / cpu}
    print(json.dumps({"benchmark": "lightmap_render", "floors": bounds, "forms": rows}))


if __name__ == "__main__":
    main()
