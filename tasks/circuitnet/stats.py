"""What a raw tree holds: how many layouts are really different, how sparse labels are, shapes."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tasks.circuitnet import pool, preprocess, raw
from tasks.circuitnet.names import SHOWN, parse

SHAPES = 3  # of a design, the most common

Progress = Callable[[int, int], None]


class Seen(NamedTuple):
    """One layout."""

    name: str
    shape: tuple[int, ...]  # of the first feature
    features: str  # digest of all features
    label: str  # digest of all labels
    filled: tuple[float, ...]  # share of gcells that are not 0, of each label map
    peak: tuple[float, ...]


class _Job(NamedTuple):
    name: str
    files: Mapping[str, Path]
    task: str


def look(job: _Job) -> Seen:
    """Read one layout."""
    channels = preprocess.TASKS[job.task]
    maps = {k: raw.read(p, preprocess.DEPTH.get(k, 2)) for k, p in job.files.items()}
    labels = [maps[k] for k in channels.label]
    return Seen(
        job.name,
        maps[channels.feature[0]].shape,
        _digest([maps[k] for k in channels.feature]),
        _digest(labels),
        tuple(float((a != 0).mean()) for a in labels),
        tuple(float(a.max()) for a in labels),
    )


def _digest(arrays: list[raw.Array]) -> str:
    found = hashlib.sha256()
    for a in arrays:
        found.update(repr(a.shape).encode() + np.ascontiguousarray(a, np.float64).tobytes())
    return found.hexdigest()


def gather(
    source: Path,
    task: str = "congestion",
    allow_missing: bool = False,
    workers: int = 2,
    progress: Progress = lambda done, total: None,
) -> list[Seen]:
    """Every layout below `source` that has all maps of a task."""
    kinds = preprocess.Recipe(task).check().task
    folders = raw.find(source, preprocess.TASKS[kinds].kinds)
    found = raw.layouts(folders, allow_missing)
    jobs = [_Job(name, files, task) for name, files in found.items()]
    seen = []
    for i, one in enumerate(pool.each(look, jobs, workers), start=1):
        seen.append(one)
        progress(i, len(jobs))
    return seen


def summary(seen: list[Seen], task: str = "congestion") -> dict[str, Any]:
    """Counts as plain values: layouts, copies, families with their shapes, sparsity of labels."""
    whole = Counter((s.features, s.label) for s in seen)
    families: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        families[parse(one.name).design].append(one)
    homes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for family, members in families.items():
        for one in members:
            homes[one.features, one.label].add(family)
    return {
        "layouts": len(seen),
        "unique": len(whole),
        "copies": len(seen) - len(whole),
        "copied across designs": sum(len(where) > 1 for where in homes.values()),
        "unique features": len({s.features for s in seen}),
        "unique labels": len({s.label for s in seen}),
        "labels": {
            kind: {
                "mean share not 0": float(np.mean([s.filled[i] for s in seen])),
                "all 0": sum(s.filled[i] == 0 for s in seen),
                "highest": max(s.peak[i] for s in seen),
            }
            for i, kind in enumerate(preprocess.TASKS[task].label)
        },
        "designs": len(families),
        "largest designs": {
            family: {
                "layouts": len(families[family]),
                "shapes": {
                    "x".join(map(str, shape)): n
                    for shape, n in Counter(s.shape for s in families[family]).most_common(SHAPES)
                },
            }
            for family in sorted(families, key=lambda f: (-len(families[f]), f))[:SHOWN]
        },
    }
