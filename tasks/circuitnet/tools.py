"""The data commands: `assay do circuitnet <tool> -o key=value`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from core.contract import Run, TaskConfig
from core.errors import AssayError
from tasks.circuitnet import annotation, pool, tree
from tasks.circuitnet import synth as layouts
from tasks.circuitnet.preprocess import Mode, Recipe
from tasks.circuitnet.router import Router

say = logging.getLogger("circuitnet").warning


def preprocess(
    cfg: TaskConfig,
    run: Run,
    *,
    raw: str = "",
    out: str = "",
    data_path: str = "",
    save_path: str = "",
    task: str = "congestion",
    mode: Mode = "compat",
    size: int = 256,
    label_scale: str | float = "map",
    split: str = "",
    allow_missing: bool = False,
    workers: int = 2,
) -> dict[str, Any]:
    """Raw maps to feature/ and label/. `data_path` and `save_path` are the official names.

    `split`: an annotation csv; only its layouts are made. `label_scale` (clean congestion): `map`,
    `global`, or the overflow that counts as 1.
    """
    source, to = _given("raw", raw, data_path), _given("out", out, save_path)
    scale = None if label_scale in ("map", "global") else _number("label_scale", label_scale)
    done = tree.process(
        source,
        to,
        Recipe(task, mode, size, scale),
        names=[r.name for r in annotation.read(Path(split))] if split else None,
        global_scale=label_scale == "global",
        allow_missing=allow_missing,
        workers=workers,
        progress=run.progress,
    )
    for note in done.warnings:
        say(note)
    return {"out": str(to), **done._asdict()}


def synth(
    cfg: TaskConfig,
    run: Run,
    *,
    out: str,
    count: int = 160,
    grid: int = 256,
    cells: int = 20_000,
    seed: int = 0,
    router: Router = "l",
    test_share: float = 0.15,
    process: bool = True,
    task: str = "congestion",
    mode: Mode = "compat",
    workers: int = 2,
) -> dict[str, Any]:
    """Made-up layouts: a raw tree in out/raw, train.csv and test.csv, and feature/ and label/.

    A layout depends on (seed, its index, grid, cells, router) alone. `process=false` leaves the
    preprocessing out.
    """
    if count < 2:
        raise AssayError(f"count {count}", "A split needs at least 2 layouts")
    to = Path(out)
    orders = [layouts.Order(to / "raw", seed, i, grid, cells, router) for i in range(count)]
    names = []
    for i, name in enumerate(pool.each(layouts.write, orders, workers), start=1):
        names.append(name)
        run.progress(i, count, "layouts")
    halves = annotation.split_by_seed(names, test_share, seed)
    for half, own in halves.items():
        annotation.write(to / f"{half}.csv", own)
    if process:
        recipe = Recipe(task, mode, grid)
        tree.process(to / "raw", to, recipe, workers=workers, progress=run.progress)
    return {"out": str(to), **{half: len(own) for half, own in halves.items()}}


def _given(name: str, *values: str) -> Path:
    """The one option of several names that was given."""
    given = [v for v in values if v]
    if len(given) != 1:
        raise AssayError(f"{name} is needed once, got {given}", f"Give -o {name}=...")
    return Path(given[0])


def _number(name: str, value: str | float) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise AssayError(f"{name} is '{value}'", "Give map, global or a number") from error
