"""CircuitNet data on one core, CPU time: preprocessing, and making layouts.

- `preprocess`: the real sample layout (259 x 259) to 256 x 256, both modes. The peer makes the same
  steps with SciPy and OpenCV as CircuitNet's script does; features must agree.
- `synth`: layouts of the generator, and how much of that is the router.
- `read`: batches of 16 maps, 256 x 256, of separate .npy files (float64, as `compat` writes them)
  and of both caches. All was just written: the page cache is warm, so no disk is timed.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.circuitnet import (
    annotation,
    dataset,
    netlist,
    preprocess,
    raw,
    router,
    sample_maps,
    synth,
)
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.floorplan import place, region
from tasks.circuitnet.preprocess import Recipe

Map = NDArray[np.float64]
SIDE = 256
BATCH, BATCHES = 16, 4


def seconds(call: Callable[[], Any], repeats: int = 3) -> float:
    """Least CPU seconds of a call, after one that warms up."""
    call()
    took = []
    for _ in range(repeats):
        begin = time.process_time()
        call()
        took.append(time.process_time() - begin)
    return min(took)


def peer_preprocess(maps: dict[str, Any]) -> tuple[Map, Map]:
    """CircuitNet's steps for congestion."""
    from scipy import ndimage

    def small(a: Any) -> Any:
        return ndimage.zoom(a, (SIDE / a.shape[0], SIDE / a.shape[1]), order=3)

    def std(a: Any) -> Any:
        return a if a.max() == 0 else (a - a.min()) / (a.max() - a.min())

    channels = preprocess.TASKS["congestion"]
    feature = np.transpose(np.array([std(small(maps[k])) for k in channels.feature]), (1, 2, 0))
    label = np.zeros((SIDE, SIDE))
    for kind in channels.label:
        label += small(maps[kind])
    return feature, std(label)


def preprocess_result() -> dict[str, float]:
    maps = sample_maps.complete()
    feature, label = peer_preprocess(maps)
    packed = preprocess.pack(maps, Recipe())
    assert np.array_equal(packed.feature, feature)
    assert np.array_equal(packed.label[..., 0], label)
    modes = {
        m: seconds(lambda m=m: preprocess.pack(maps, Recipe(mode=m))) for m in ("compat", "clean")
    }  # type: ignore[misc]
    peer = seconds(lambda: peer_preprocess(maps))
    return {
        "compat_layouts_a_minute": 60 / modes["compat"],
        "clean_layouts_a_minute": 60 / modes["clean"],
        "peer_layouts_a_minute": 60 / peer,
        "ratio": peer / modes["compat"],
    }


def synth_result(grid: int, cells: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    macros = place(rng, grid)
    taken = region(macros, (grid, grid))
    nets = netlist.connect(rng, netlist.place_cells(rng, cells, grid, taken), macros, grid)
    wire, local = router.wires(nets, (grid, grid)), router.local_demand(nets, (grid, grid))
    cap = router.capacity(router.tracks_for(wire, local, 0.65), taken)
    numbers = iter(range(1000))
    whole = seconds(lambda: synth.layout(0, next(numbers), grid, cells), 5)
    routing = {
        kind: seconds(lambda kind=kind: router.route(wire, local, cap, kind), 1)  # type: ignore[misc]
        for kind in ("l", "z", "maze")
    }
    return {"designs_a_second": 1 / whole, **{f"route_{k}_s": v for k, v in routing.items()}}


def read_result() -> dict[str, float]:
    rng = np.random.default_rng(0)
    names = [f"{i}-made" for i in range(BATCH * BATCHES)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in names:
            raw.save(root / "feature" / f"{name}.npy", rng.random((SIDE, SIDE, 3)))
            raw.save(root / "label" / f"{name}.npy", rng.random((SIDE, SIDE, 1)))
        for half in ("train", "test"):
            annotation.write(root / f"{half}.csv", names)
        ways = {}
        for cache in ("off", "float32", "float16"):
            given = {"dataroot": root, "cache": cache, "select_on": "test", "num_workers": 0}
            split = dataset.read(CircuitnetConfig.model_validate(given)).train
            ways[cache] = seconds(lambda split=split: list(split.batches(BATCH))) / BATCHES  # type: ignore[misc]
    return {
        **{f"{name}_batches_a_second": 1 / took for name, took in ways.items()},
        **{f"{name}_ratio": ways["off"] / ways[name] for name in ("float32", "float16")},
    }


def main() -> None:
    """Print one JSON line."""
    result = {
        "benchmark": "circuitnet_data",
        "preprocess": preprocess_result(),
        "read": read_result(),
        "synth_64_2500": synth_result(64, 2500),
        "synth_256_20000": synth_result(256, 20_000),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
