"""The data commands: `assay do circuitnet <tool> -o key=value`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.contract import Run, TaskConfig
from core.errors import AssayError
from tasks.circuitnet import annotation, archives, gallery, placements, pool, sample_maps, tree
from tasks.circuitnet import raw as raw_maps
from tasks.circuitnet import stats as statistics
from tasks.circuitnet import synth as layouts
from tasks.circuitnet.names import SHOWN, listed, parse
from tasks.circuitnet.preprocess import SIZE, Mode, Recipe
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
    size: int = SIZE,
    labels: bool = True,
    label_scale: str | float = "map",
    split: str = "",
    allow_missing: bool = False,
    workers: int = 2,
) -> dict[str, Any]:
    """Raw maps to feature/ and label/. `data_path` and `save_path` are the official names.

    `split`: an annotation csv; only its layouts are made. `labels=false`: features alone, for
    layouts that were never routed. `label_scale` (clean congestion): `map`, `global`, or the
    overflow that counts as 1.
    """
    source, to = _given("raw", raw, data_path), _given("out", out, save_path)
    scale = None if label_scale in ("map", "global") else _number("label_scale", label_scale)
    done = tree.process(
        source,
        to,
        Recipe(task, mode, size, labels, scale),
        names=[r.name for r in annotation.read(Path(split))] if split else None,
        global_scale=label_scale == "global",
        allow_missing=allow_missing,
        workers=_workers(workers),
        progress=run.progress,
    )
    for note in done.warnings[:SHOWN]:
        say(note)
    return {"out": str(to), **done._asdict(), "warnings": len(done.warnings)}


def synth(
    cfg: TaskConfig,
    run: Run,
    *,
    out: str,
    count: int = 160,
    grid: int = SIZE,
    cells: int = 20_000,
    seed: int = 0,
    router: Router = "l",
    from_placement: str = "",
    perturb: bool = True,
    test_share: float = 0.15,
    process: bool = True,
    task: str = "congestion",
    mode: Mode = "compat",
    workers: int = 2,
) -> dict[str, Any]:
    """Made-up layouts: a raw tree in out/raw, train.csv and test.csv, and feature/ and label/.

    A layout depends on (seed, its number, grid, cells, router) alone. `from_placement`: `sample`,
    or npz files of placed netlists with a comma between them; `count` layouts of each, the first as
    placed. `process=false` leaves the preprocessing (to grid x grid) out.
    """
    to, at_once = Path(out), _workers(workers)
    sources = _placements(from_placement)
    total = count * max(1, len(sources))
    if total < 2:
        raise AssayError(f"count {count}", "A split needs at least 2 layouts")
    if sources:
        real = [
            placements.Order(to / "raw", source, seed, i, perturb, router)
            for source in sources
            for i in range(count)
        ]
        made = pool.each(placements.write, real, at_once)
    else:
        orders = [layouts.Order(to / "raw", seed, i, grid, cells, router) for i in range(count)]
        made = pool.each(layouts.write, orders, at_once)
    names = []
    for i, name in enumerate(made, start=1):
        names.append(name)
        run.progress(i, total, "layouts")
    halves = annotation.split_by_seed(names, test_share, seed)
    for half, own in halves.items():
        annotation.write(to / f"{half}.csv", own)
    if process:
        recipe = Recipe(task, mode, grid)
        tree.process(to / "raw", to, recipe, names=names, workers=at_once, progress=run.progress)
    return {"out": str(to), **{half: len(own) for half, own in halves.items()}}


def stats(
    cfg: TaskConfig,
    run: Run,
    *,
    raw: str,
    task: str = "congestion",
    allow_missing: bool = False,
    workers: int = 2,
) -> dict[str, Any]:
    """How many layouts, copies, designs and shapes a raw tree holds, and how sparse labels are."""
    seen = statistics.gather(Path(raw), task, allow_missing, _workers(workers), run.progress)
    picture = run.dir / "gallery.png"
    gallery.draw(Path(raw), [one.name for one in seen], task, picture)
    return {**statistics.summary(seen, task), "gallery": str(picture)}


def decompress(cfg: TaskConfig, run: Run, *, archives_in: str, out: str) -> dict[str, Any]:
    """Unpack all .tar.gz below `archives_in`, also cut ones, into the same places below `out`."""
    unpacked, kept = archives.unpack(Path(archives_in), Path(out), run.progress)
    return {"out": out, "unpacked": unpacked, "kept": kept}


def annotate(
    cfg: TaskConfig,
    run: Run,
    *,
    dataroot: str,
    by: str = "seed",
    test_designs: str = "",
    test_share: float = 0.2,
    seed: int = 0,
) -> dict[str, Any]:
    """train.csv and test.csv of a preprocessed folder, split by `design` or by `seed`.

    `test_designs`: families for the test, with commas, such as `zero-riscy`.
    """
    root = Path(dataroot)
    if not (root / "feature").is_dir():
        raise AssayError(f"{root} has no folder feature/", "Preprocess the raw maps first")
    names = sorted(raw_maps.files(root / "feature"))
    if by == "design":
        if not test_designs:
            known = listed({parse(n).design for n in names})
            raise AssayError("a split by design needs test_designs", f"Designs here: {known}")
        halves = annotation.split_by_design(names, [d.strip() for d in test_designs.split(",")])
    elif by == "seed":
        halves = annotation.split_by_seed(names, test_share, seed)
    else:
        raise AssayError(f"by={by}", "Split by design or by seed")
    for half, own in halves.items():
        annotation.write(root / f"{half}.csv", own)
    annotation.present(annotation.read(root / "train.csv"), root)
    return {half: len(own) for half, own in halves.items()}


def sample(cfg: TaskConfig, run: Run, *, out: str) -> dict[str, Any]:
    """The bundled real layout of CircuitNet-N28 as a raw tree (RUDY_pin is a stand-in)."""
    sample_maps.write(Path(out))
    return {"out": out, "layout": sample_maps.LABELLED, "kinds": sorted(sample_maps.complete())}


def _placements(given: str) -> Sequence[Path]:
    if given == "sample":
        return sample_maps.PLACEMENTS
    return [Path(p.strip()) for p in given.split(",") if p.strip()]


def _workers(workers: int) -> int:
    if workers < 1:
        raise AssayError(f"workers {workers}", "Give 1 or more")
    return workers


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
