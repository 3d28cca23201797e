"""Training steps of the lightmap task: CPU time a step, against naive loops and against floors.

    ./run bench lightmap_step

One thread, the street at 160x90, the defaults' 8192 pixels a step. Peers, both of the seed's plain
form (encodings concatenated, nn.Sequential, MSE, torch's default Adam):

    per pixel    a Dataset that reads one pixel an item, and a DataLoader that collates a batch
    vectorised   one indexing of all pixels, as someone who minds speed would write it

Floors: the step's matrix products and convolutions, forwards and backwards, at the rate of this
core's own 8192 x 64 x 64 products; and the bytes that any step of Adam must move (weights and both
moments read and written, gradients written and read, the batch read) at the rate of a plain copy.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from core.kit.loop import weigh
from tasks.lightmap import losses, task
from tasks.lightmap.batch import sample
from tasks.lightmap.blend import Base
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, read
from tasks.lightmap.features import Features
from tasks.lightmap.model import build
from tasks.lightmap.training import Optimiser, predict

ROWS: dict[str, dict[str, Any]] = {
    name: dict(task.variant(name).set)
    for name in ("baseline", "encoder", "patch_ssim", "hybrid", "film", "hash_grid", "blend_hash")
}
ROWS["baseline bf16"] = {"amp": "bf16"}
ROWS["encoder, be_every 4"] = {"use_baseline_encoder": True, "be_every": 4}
ROWS["hybrid 480x270, whole image"] = {**ROWS["hybrid"], "resize": "480x270"}
ROWS["hybrid 480x270, crops"] = {**ROWS["hybrid"], "resize": "480x270"}
BATCH, STEPS, WARM_UP = 8192, 15, 2
BYTES_A_PARAMETER = 4 * (3 * 2 + 2)  # weight and two moments in and out, gradient out and in
BYTES_A_PIXEL = 4 * (2 + 1 + 3 + 3)  # position, time, target, base


def cpu_ms(call: Callable[[], object], repeats: int) -> float:
    """Median CPU time of a call; the machine may be shared, so wall time would mislead."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times)


def ours(cfg: LightmapConfig, *, crops: bool = True) -> tuple[Callable[[], None], int]:
    """One whole training step of a config, as `train` does it, and the number of parameters."""
    base = Base(cfg, read(cfg))
    model, weights = build(cfg, base.day.longest), task.weights(cfg)
    opt, seen = Optimiser(cfg, model, "cpu"), Features(cfg, model.encoder, base.day.at(12))
    if not crops:
        seen.crops = lambda _: False  # type: ignore[method-assign]
    numbers = iter(range(1, 10**9))

    def step() -> None:
        number = next(numbers)
        batch = sample(cfg, base, 0, number)
        pred = predict(cfg, model, seen, batch, number)
        opt.step(weigh(losses.terms(pred, batch, weights, cfg.ssim_min_std), weights))

    return step, sum(p.numel() for p in model.parameters())


class Pixels(Dataset[tuple[Tensor, Tensor, Tensor, Tensor]]):
    """One pixel an item: position, hour, colour, noon's colour."""

    def __init__(self, day: Day) -> None:
        self.day = day

    def __len__(self) -> int:
        return 200_000

    def __getitem__(self, _: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        hour = int(torch.randint(24, ()))
        y, x = int(torch.randint(self.day.height, ())), int(torch.randint(self.day.width, ()))
        xy = [(x + 0.5) / self.day.width * 2 - 1, (y + 0.5) / self.day.height * 2 - 1]
        target, noon = (self.day.frames[h, :, y, x].float() / 255 for h in (hour, 12))
        return torch.tensor(xy), torch.tensor([float(hour)]), target, noon


def per_pixel(day: Day) -> Iterator[tuple[Tensor, ...]]:
    """Batches from single items."""
    while True:
        yield from DataLoader(Pixels(day), batch_size=BATCH, drop_last=True)


def vectorised(day: Day) -> Iterator[tuple[Tensor, ...]]:
    """Batches from one indexing each."""
    frames = day.frames.float() / 255
    while True:
        hour, y, x = (torch.randint(n, (BATCH,)) for n in (24, day.height, day.width))
        xy = torch.stack([(x + 0.5) / day.width * 2 - 1, (y + 0.5) / day.height * 2 - 1], dim=1)
        yield xy, hour[:, None].float(), frames[hour, :, y, x], frames[12][:, y, x].T


def naive(batches: Iterator[tuple[Tensor, ...]]) -> Callable[[], None]:
    """A step of the baseline network in its plainest form."""
    body = [part for i in range(6) for part in (nn.Linear(64 if i else 26, 64), nn.ReLU())]
    net = nn.Sequential(*body, nn.Linear(64, 3))
    opt = torch.optim.Adam(net.parameters(), lr=5e-4)

    def step() -> None:
        xy, t, target, noon = next(batches)
        a = 2 * math.pi * t / 24
        parts = [xy, *[torch.sin(math.pi * 2**k * xy) for k in range(4)]]
        parts += [torch.cos(math.pi * 2**k * xy) for k in range(4)]
        parts += [torch.sin(k * a) for k in range(1, 5)] + [torch.cos(k * a) for k in range(1, 5)]
        loss = F.mse_loss(noon + net(torch.cat(parts, dim=1)), target)
        opt.zero_grad()
        loss.backward()
        opt.step()

    return step


def timed(step: Callable[[], None], repeats: int = STEPS) -> float:
    """CPU milliseconds of a step, warmed up."""
    for _ in range(WARM_UP):
        step()
    return cpu_ms(step, repeats)


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    a, b = torch.randn(BATCH, 64), torch.randn(64, 64)
    flops_a_ms = 2 * BATCH * 64 * 64 / cpu_ms(lambda: a @ b, 200)
    many = torch.randn(2**22)  # 16 MiB: as large as the hash grid's weights and moments
    bytes_a_ms = 2 * many.nbytes / cpu_ms(many.clone, 30)
    rows: dict[str, Any] = {}
    for name, over in ROWS.items():
        cfg = LightmapConfig.model_validate({"resize": "160x90", **over})
        step, parameters = ours(cfg, crops="whole image" not in name)
        with FlopCounterMode(display=False) as counter:
            step()
        took = timed(step, 8 if "480x270" in name else STEPS)
        moved = parameters * BYTES_A_PARAMETER + BATCH * BYTES_A_PIXEL
        rows[name] = {
            "ms": took,
            "pixels_per_s": 1000 * BATCH / took,
            "flop_floor_ms": counter.get_total_flops() / flops_a_ms,
            "byte_floor_ms": moved / bytes_a_ms,
        }
        rows[name]["over_floor"] = took / max(
            rows[name]["flop_floor_ms"], rows[name]["byte_floor_ms"]
        )
    day = read(LightmapConfig(resize="160x90"))
    peers = {
        "per pixel": timed(naive(per_pixel(day)), 4),
        "vectorised": timed(naive(vectorised(day))),
    }
    whole = {
        "benchmark": "lightmap_step",
        "gemm_gflops": flops_a_ms / 1e6,
        "copy_gb_per_s": bytes_a_ms / 1e6,
        "ours": rows,
        "peers_ms": peers,
        "baseline_against": {k: v / rows["baseline"]["ms"] for k, v in peers.items()},
    }
    print(json.dumps(whole))


if __name__ == "__main__":
    main()
