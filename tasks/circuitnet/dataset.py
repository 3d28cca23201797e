"""The maps of a run: from a preprocessed folder, or generated from the config alone.

Training, validation and test maps are opened when they are first asked for: an evaluate-only run
generates no training designs that it does not need.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import AssayError
from core.kit import seed as seeds
from tasks.circuitnet import annotation, cache, generated
from tasks.circuitnet.cache import Progress, silent
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.names import parse
from tasks.circuitnet.split import Array, Maps, Split, channel_first, channels_first

LARGEST = float(np.finfo(np.float32).max)
say = logging.getLogger("circuitnet").warning


@dataclass(frozen=True, eq=False)  # hashed by identity
class Data:
    """What a run trains on, chooses by and is measured on."""

    train: Split
    val: Split
    test: Split


def read(cfg: CircuitnetConfig, progress: Progress = silent) -> Data:
    """All splits of a config; the validation layouts are taken out of the training ones.

    `progress`: of a cache that is made.

    Raises:
        AssayError: a csv or a file is missing or bad, or too few layouts to split.
    """
    if cfg.dataroot is None:
        whole, test = generated.splits(cfg)
    else:
        whole, test = (_files(cfg, cfg.dataroot, which, progress) for which in ("train", "test"))
    if cfg.select_on == "test":
        return Data(whole, test, test)
    chosen = _validation(whole.names, cfg.val_share)
    train = _part(whole, [i for i in range(len(whole)) if i not in chosen])
    if not len(train):
        raise AssayError(
            f"{len(whole)} training layouts of one design cannot be split",
            "Set select_on=test, which the results will say, or add designs",
        )
    return Data(train, _part(whole, sorted(chosen)), test)


def _part(split: Split, which: Sequence[int]) -> Split:
    names = [split.names[i] for i in which]
    label = split.label
    return Split(
        names,
        lambda i: split.one(which[i]),
        workers=split.workers,
        label=label and (lambda i: label(which[i])),
    )


def _validation(names: Sequence[str], share: float) -> set[int]:
    """Layouts of whole netlists, in the order of their hashes, until the share is full."""
    netlists: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        netlists.setdefault(netlist(name), []).append(i)
    chosen: set[int] = set()
    for key in sorted(netlists, key=lambda n: seeds.derive("validation", n)):
        if len(chosen) >= share * len(names):
            break
        chosen.update(netlists[key])
    return chosen


def netlist(name: str) -> str:
    """What layouts of one netlist share: all of a name but its number and its physical settings."""
    settings = parse(name).settings
    if "flavour" not in settings:
        return parse(name).design
    return "-".join(settings[k] for k in ("design", "flavour", "macros", "clock"))


def _files(cfg: CircuitnetConfig, root: Path, which: str, progress: Progress) -> Split:
    """The layouts of an annotation file."""
    path = cfg.annotation(which)
    found = annotation.present(annotation.read(path), root, cfg.allow_missing)
    if found.missing:
        say(f"{path}: {found.missing} rows left out, their files are missing")
    rows = found.rows
    names = [r.name for r in rows]

    def one(i: int) -> Maps:
        feature = read_map(root / rows[i].feature, cfg.channels)
        label = read_map(root / rows[i].label, 1)
        if feature.shape[:2] != label.shape[:2]:
            raise AssayError(
                f"{rows[i].name}: feature {feature.shape} and label {label.shape} differ in size",
                "Preprocess this layout again",
                code="bad_shape",
            )
        return channels_first(feature, label)

    def label(i: int) -> Array:
        return channel_first(read_map(root / rows[i].label, 1))

    split = Split(names, one, workers=cfg.num_workers, label=label)
    if cfg.cache == "off":
        return split
    key = cache.key(rows, root, cfg.channels, cfg.cache, shared=cfg.cache_dir is not None)
    folder = (cfg.cache_dir or root / "cache") / f"{path.stem}-{cfg.cache}-{key}"
    return cache.opened(split, folder, cfg.cache, progress)


def read_map(path: Path, channels: int) -> np.ndarray:
    """A preprocessed map H W C.

    Raises:
        AssayError: missing, no npy file, needs pickle, another number of channels, sides that are
            no multiples of 4, or values that are not finite.
    """
    try:
        with path.open("rb") as file:
            found: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        if found.dtype.kind not in "fiub":
            raise ValueError("it holds no numbers")
    except (OSError, ValueError) as error:
        raise AssayError(
            f"{path} cannot be read as a map ({error})", "Preprocess it again", code="bad_map"
        ) from error
    if found.ndim != 3 or found.shape[2] != channels or found.shape[0] % 4 or found.shape[1] % 4:
        raise AssayError(
            f"{path} has shape {found.shape}, expected (H, W, {channels}) with H and W multiples "
            "of 4",
            "Run the preprocess tool for this task",
            code="bad_shape",
        )
    if bad := int((~(np.abs(found) <= LARGEST)).sum()):
        raise AssayError(
            f"{path} holds {bad} values that are not finite in float32",
            "Preprocess it again",
            code="bad_map",
        )
    return found
