"""The Eikonal solver of the route task against scikit-fmm (order 1), one thread, CPU time.

    python -m benchmarks.route_solver [--sides 750 3000]

Maps: the cost of a generated city's blurred road mask (add, alpha 20, gamma 2) and a random field,
float64, source in the centre. scikit-fmm solves the same discrete equation as stencil 4: the
greatest relative difference is given. `query`: the four nearest of twenty random cells of low cost,
as the seed samples its nodes, found with an early stop; scikit-fmm has none and solves the whole
map. It is timed once on large maps. `backward`: the adjoint of those four targets. Peak memory is
the rise of a process's resident memory while it solves, above all it held before, the cost map
among that (Linux).

The floor: a solve must read c and write T once, 16 B a cell in float64; the copy of an array of
that size, timed here, is what memory allows. No method that follows the front cell by cell can
reach it: the second floor is what a cell costs when all it needs is in the nearest cache, taken
from maps of 64 x 64.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skfmm
from scipy.ndimage import gaussian_filter

from tasks.route.eikonal import adjoint, cpu

REPEATS = 3


def seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median CPU time; the machine may be shared, so wall time would mislead."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def street(side: int) -> np.ndarray:
    """Cost of a city of blocks: slanting, curved streets of three widths, blurred and noisy."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    u = x + 18 * np.sin(y / 173 + 1) + 11 * np.sin(y / 71) + 0.12 * y
    v = y + 21 * np.sin(x / 211) + 9 * np.sin(x / 83 + 2) - 0.10 * x
    road = np.zeros((side, side), np.float32)
    for along, across in ((u, v), (v, u)):
        at = along.min()
        while at < along.max():
            width, gap = rng.choice([4.0, 6.5, 10.0]), rng.uniform(90, 180)
            block = np.floor(across / rng.uniform(250, 600)).astype(int)  # streets end somewhere
            open_ = rng.random(int(np.ptp(block)) + 1) < 0.85
            road[(np.abs(along - at) < width) & open_[block - block.min()]] = 1
            at += gap
    noise = gaussian_filter(rng.normal(size=(side, side)).astype(np.float32), 3)
    prob = 0.93 * gaussian_filter(road, 1.5) + 0.04 + 0.3 * noise
    return 1 + 20 * (1 - np.clip(prob, 0, 1).astype(np.float64)) ** 2


def random_field(side: int) -> np.ndarray:
    """Independent cells between 1 and 21."""
    return 1 + 20 * np.random.default_rng(1).random((side, side)) ** 2


MAPS = {"street": street, "random": random_field}


def theirs(cost: np.ndarray, src: tuple[int, int]) -> np.ndarray:
    phi = np.ones_like(cost)
    phi[src] = 0
    return np.asarray(skfmm.travel_time(phi, 1 / cost, order=1))


def measure(name: str, side: int) -> dict[str, Any]:
    cost = MAPS[name](side)
    rng = np.random.default_rng(2)
    roads = np.argwhere(cost < 1.5)
    near = np.abs(roads - side / 2).sum(1).argmin()
    src, nodes = tuple(roads[near]), roads[rng.integers(0, len(roads), 20)]
    sources = np.array([src])
    nearest = nodes[np.argsort(np.hypot(*(nodes - sources).T))[:4]]
    single = cost.astype(np.float32)

    def march(c: np.ndarray, stencil: int, until: np.ndarray | None = None) -> Any:
        return cpu.march(c, sources, until, h=1.0, stencil=stencil)

    start = time.process_time()
    reference = theirs(cost, src)
    once = time.process_time() - start
    T = march(cost, 4)[0]
    peer = once if side > 1000 else seconds(lambda: theirs(cost, src))
    row: dict[str, Any] = {"skfmm_s": peer}
    row["max_rel_difference"] = float((np.abs(T - reference) / np.maximum(reference, 1)).max())
    row["float32_max_rel"] = float((np.abs(march(single, 4)[0] - T) / np.maximum(T, 1)).max())
    for stencil in (4, 8):
        part = {"full64_s": seconds(lambda s=stencil: march(cost, s))}  # type: ignore[misc]
        part["full32_s"] = seconds(lambda s=stencil: march(single, s))  # type: ignore[misc]
        early, went = march(cost, stencil, nearest)
        part["query64_s"] = seconds(lambda s=stencil: march(cost, s, nearest))  # type: ignore[misc]
        part["query_visited"] = went.visited
        up = np.ones(4)
        part["backward_s"] = seconds(
            lambda s=stencil, t=early, u=up: adjoint.pull(  # type: ignore[misc]
                t, cost, nearest, u, h=1.0, stencil=s
            )
        )
        part["ns_a_cell"] = 1e9 * part["full64_s"] / side**2
        part["pops_a_cell"] = march(cost, stencil)[1].pops / side**2
        row[f"stencil{stencil}"] = part
    four = row["stencil4"]
    row["ratio_full"] = row["skfmm_s"] / four["full64_s"]
    row["ratio_query"] = row["skfmm_s"] / four["query64_s"]
    row["backward_over_full"] = four["backward_s"] / four["full64_s"]
    row["backward_over_query"] = four["backward_s"] / four["query64_s"]
    return row


def floors(side: int) -> dict[str, float]:
    """Nanoseconds a cell: copying c to T, and a march that stays in the nearest cache."""
    cost, T = np.ones((side, side)), np.empty((side, side))
    copy = 1e9 * seconds(lambda: np.copyto(T, cost), 9) / side**2
    small, sources = random_field(64), np.array([[32, 32]])

    def many() -> None:
        for _ in range(50):
            cpu.march(small, sources, h=1.0, stencil=4)

    return {"copy_ns": copy, "in_cache_ns": 1e9 * seconds(many) / (50 * 64**2)}


def peak(side: int, dtype: str) -> float:
    """MiB that a process needs to solve, above its inputs; nan where there is no /proc."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.route_solver", "--peak", str(side), dtype],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def solve_alone(side: int, dtype: str) -> None:
    """Print the rise in MiB: the peak since its counter was reset, less what was held then."""
    rise = math.nan
    for n in (64, side):  # compile first
        cost = np.full((n, n), 2.0, dtype)
        cost[::2] = 3.0
        if not Path("/proc/self/clear_refs").exists():
            break
        Path("/proc/self/clear_refs").write_text("5")
        before = memory_kib("VmRSS")
        cpu.march(cost, np.array([[n // 2, n // 2]]), h=1.0, stencil=8)
        rise = (memory_kib("VmHWM") - before) / 1024
    print(rise)


def memory_kib(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(name)))


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sides", type=int, nargs="+", default=[750, 3000])
    parser.add_argument("--peak", nargs=2, metavar=("SIDE", "DTYPE"))
    args = parser.parse_args()
    if args.peak:
        return solve_alone(int(args.peak[0]), args.peak[1])
    for dtype in (np.float32, np.float64):  # compile outside the clock
        for stencil in (4, 8):
            c, s = np.ones((64, 64), dtype), np.array([[9, 9]])
            T, _ = cpu.march(c, s, s + 40, h=1.0, stencil=stencil)
            adjoint.pull(T, c, s + 40, np.ones(1), h=1.0, stencil=stencil)
    whole: dict[str, Any] = {"benchmark": "route_solver", "peer": "scikit-fmm, order 1"}
    for side in args.sides:
        whole[str(side)] = {name: measure(name, side) for name in MAPS} | {"floors": floors(side)}
    biggest = max(args.sides)
    whole["peak_mib"] = {d: peak(biggest, d) for d in ("float32", "float64")}
    print(json.dumps(whole))
    return None


if __name__ == "__main__":
    main()
