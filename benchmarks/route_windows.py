"""Segmentation of a 3000x3000 image in 121 windows: CPU time, against the network and its floor.

    ./run bench route_windows

One thread, the U-Net with random weights, windows of 512 at stride 256. Peer: the network alone on
the same batches, without cutting, blending and averaging. Floor: the multiplications of its
convolutions at the rate of this core's own large 3x3 convolution, 64 to 64 channels at 128x128.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from core.kit.tiles import windows
from tasks.route import segment
from tasks.route.config import RouteConfig
from tasks.route.geotiff import Picture
from tasks.route.models.unet import UNet

SIDE = 3000
CONV = (64, 128)  # channels and side of the convolution that sets the rate
REPEATS = 5


def cpu_s(call: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


@torch.no_grad()
def main() -> None:
    """Print the figures as one line of JSON."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cfg = RouteConfig()
    net = UNet(cfg.width).eval()
    rgb = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    picture = Picture(rgb, None, None, [])
    count = len(windows(SIDE, SIDE, cfg.patch, cfg.stride))
    batch = torch.zeros(cfg.infer_batch, 3, cfg.patch, cfg.patch, dtype=torch.uint8)
    net(batch)
    whole = cpu_s(lambda: segment.probability(cfg, net, picture, "cpu"))
    alone = min(cpu_s(lambda: net(batch)) for _ in range(REPEATS)) / cfg.infer_batch * count

    with FlopCounterMode(display=False) as counter:
        net(batch[:1])
    flops = counter.get_total_flops() * count
    channels, side = CONV
    conv, x = nn.Conv2d(channels, channels, 3, padding=1), torch.randn(4, channels, side, side)
    conv(x)
    with FlopCounterMode(display=False) as counter:
        conv(x)
    rate = counter.get_total_flops() / min(cpu_s(lambda: conv(x)) for _ in range(REPEATS))
    floor = flops / rate
    found = {
        "benchmark": "route_windows",
        "windows": count,
        "cpu_s": whole,
        "windows_per_s": count / whole,
        "network_alone_s": alone,
        "over_network": whole / alone,
        "gflop": flops / 1e9,
        "conv_gflops": rate / 1e9,
        "floor_s": floor,
        "over_floor": whole / floor,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
