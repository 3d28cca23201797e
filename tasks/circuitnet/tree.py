"""Preprocessing a whole raw tree: in processes, picked up where it stopped, never half a file.

Beside `feature/` and `label/` lie `manifest.jsonl` (the recipe, then a line for each layout: what
it was made from, digests of what was made, the range of every channel) and `scale.json` (the ranges
alone: with them a prediction in [0, 1] becomes overflow again).
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.errors import AssayError
from tasks.circuitnet import pool, preprocess, raw
from tasks.circuitnet.names import listed
from tasks.circuitnet.preprocess import Recipe

VERSION = 1  # of the files that are written
TINY = 1e-30  # a scale for labels that are all zero
MANIFEST = "manifest.jsonl"
Entry = dict[str, Any]  # a line of the manifest
Progress = Callable[[int, int], None]


class Job(NamedTuple):
    """One layout to make."""

    name: str
    inputs: Mapping[str, Path]
    out: Path
    recipe: Recipe


class Done(NamedTuple):
    """What a preprocessing did."""

    made: int
    kept: int  # there already, from the same files
    left_out: int  # layouts that lack a map
    warnings: list[str]


def process(
    source: Path,
    out: Path,
    recipe: Recipe,
    *,
    names: Iterable[str] | None = None,
    global_scale: bool = False,
    allow_missing: bool = False,
    workers: int = 2,
    progress: Progress = lambda done, total: None,
) -> Done:
    """Make feature and label of every layout below `source` (or of `names` alone).

    `global_scale`: clean congestion labels are divided by the largest overflow of all layouts.

    Raises:
        AssayError: what the readers refuse, or `out` was made with another recipe.
    """
    folders = raw.find(source, recipe.check().kinds)
    all_there = len(set().union(*(raw.files(folder) for folder in folders.values())))
    found = raw.layouts(folders, allow_missing or names is not None)  # other layouts may lack some
    left_out = all_there - len(found)
    if names is not None:
        found, left_out = _only(found, set(names), allow_missing)
    if global_scale:
        recipe = recipe._replace(label_scale=_largest(found, recipe, workers))
    done = _open(out, recipe)
    todo = [
        Job(name, inputs, out, recipe)
        for name, inputs in found.items()
        if not _same(done.get(name), inputs, out)
    ]
    notes: list[str] = []
    kept = len(found) - len(todo)
    with (out / MANIFEST).open("a") as manifest:
        for i, entry in enumerate(pool.each(make, todo, workers), start=1):
            manifest.write(json.dumps(entry) + "\n")
            manifest.flush()
            notes += [f"{entry['name']}: {note}" for note in entry["warnings"]]
            done[entry["name"]] = entry
            progress(kept + i, len(found))
    _write_scale(out, done)
    return Done(len(todo), kept, left_out, notes)


def make(job: Job) -> Entry:
    """Make one layout's files; its line for the manifest."""
    parts: dict[str, raw.Array] = {}
    maps = {
        kind: raw.read(path, preprocess.DEPTH.get(kind, 2)) for kind, path in job.inputs.items()
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if job.recipe.labels:
            parts["feature"], parts["label"], ranges = preprocess.pack(maps, job.recipe)
        else:
            parts["feature"], ranges = preprocess.features(maps, job.recipe)
    made = {}
    for part, array in parts.items():
        raw.save(job.out / part / f"{job.name}.npy", array)
        made[part] = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return {
        "name": job.name,
        "inputs": {kind: stamp(path) for kind, path in job.inputs.items()},
        "shapes": {kind: list(array.shape) for kind, array in maps.items()},
        "sha256": made,
        "ranges": {kind: list(r) for kind, r in ranges.items()},
        "warnings": [str(w.message) for w in caught],
    }


def stamp(path: Path) -> list[int]:
    """Size and time of change: whether a raw map is still the one that was read."""
    about = path.stat()
    return [about.st_size, about.st_mtime_ns]


def _same(entry: Entry | None, inputs: Mapping[str, Path], out: Path) -> bool:
    """Whether a layout was made from these very files, and what was made is there."""
    return (
        entry is not None
        and all((out / part / f"{entry['name']}.npy").is_file() for part in entry["sha256"])
        and entry["inputs"] == {kind: stamp(path) for kind, path in inputs.items()}
    )


def read_manifest(out: Path) -> tuple[dict[str, Any], dict[str, Entry]]:
    """The head and the newest line of every layout; a line cut off by a kill is passed over."""
    head: dict[str, Any] = {}
    entries: dict[str, Entry] = {}
    for line in (out / MANIFEST).read_text().splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if "recipe" in value:
            head = value
        else:
            entries[value["name"]] = value
    return head, entries


def _open(out: Path, recipe: Recipe) -> dict[str, Entry]:
    """Layouts that `out` holds already; a new folder gets its manifest's head."""
    head = {"version": VERSION, "recipe": recipe._asdict()}
    path = out / MANIFEST
    if path.exists():
        found, entries = read_manifest(out)
        if found and found != head:
            raise AssayError(
                f"{out} was made with {found['recipe']}, not with {head['recipe']}",
                "Give another folder, or delete that one",
                code="other_recipe",
            )
        if not path.read_bytes().endswith(b"\n"):  # a kill cut the last line
            with path.open("a") as file:
                file.write("\n")
        if found:
            return entries
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(head) + "\n")
    return {}


def _write_scale(out: Path, done: Mapping[str, Entry]) -> None:
    ranges = {name: done[name]["ranges"] for name in sorted(done)}
    part = out / ".scale.json.part"
    part.write_text(json.dumps(ranges, indent=1) + "\n")
    os.replace(part, out / "scale.json")


def _only(
    found: dict[str, dict[str, Path]], names: set[str], allow_missing: bool
) -> tuple[dict[str, dict[str, Path]], int]:
    gone = names - set(found)
    if gone and not (allow_missing and gone != names):
        raise AssayError(
            f"no raw maps of {listed(gone)} of {len(names)} layouts in the annotation",
            "Complete the raw folders" + ("" if allow_missing else ", or set allow_missing=true"),
            code="missing_maps",
        )
    return {name: found[name] for name in sorted(names - gone)}, len(gone)


def _largest(found: Mapping[str, Mapping[str, Path]], recipe: Recipe, workers: int) -> float:
    """The largest resized overflow of all layouts."""
    labels = preprocess.TASKS[recipe.task].label
    if recipe.task != "congestion" or recipe.mode != "clean":
        raise AssayError("a global label scale is for clean congestion", "Leave label_scale out")
    jobs = [Job(n, {k: p[k] for k in labels}, Path(), recipe) for n, p in found.items()]
    return max(TINY, *pool.each(peak, jobs, workers))


def peak(job: Job) -> float:
    """The largest value of one layout's resized overflow."""
    maps = {kind: raw.read(path) for kind, path in job.inputs.items()}
    return float(preprocess.overflow(maps, job.recipe).max())
