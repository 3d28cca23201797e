"""The maps of a run: from a preprocessed folder, or generated from the config alone.

Training, validation and test maps are opened when they are first asked for: an evaluate-only run
generates no training designs that it does not need.
"""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from core.errors import AssayError
from core.kit import seed as seeds
from tasks.circuitnet import annotation, preprocess, raw, synth
from tasks.circuitnet.config import CircuitnetConfig

say = logging.getLogger("circuitnet").warning

Array = NDArray[np.float32]
Maps = tuple[Array, Array]  # feature C H W, label 1 H W

KEPT = 512  # generated layouts that a process remembers
RAW_TASK = {"congestion_gpdl": "congestion", "drc_routenet": "DRC"}


@dataclass(frozen=True)
class Split:
    """Some layouts: their names, and how to get one."""

    names: Sequence[str]
    one: Callable[[int], Maps]

    def __len__(self) -> int:
        return len(self.names)

    def maps(
        self, which: Sequence[int] | NDArray[np.int64]
    ) -> tuple[Float[np.ndarray, "B C H W"], Float[np.ndarray, "B 1 H W"]]:
        """Features and labels of layouts by number, float32.

        Raises:
            AssayError: they differ in size.
        """
        found = [self.one(int(i)) for i in which]
        sizes = {f.shape for f, _ in found}
        if len(sizes) > 1:
            raise AssayError(
                f"maps of different shapes in one batch: {', '.join(map(str, sorted(sizes)))}",
                "Preprocess them to one size",
                code="bad_shape",
            )
        features, labels = zip(*found, strict=True)
        return np.stack(features), np.stack(labels)

    def batches(self, size: int) -> Iterator[tuple[Array, Array]]:
        """All maps in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.maps(range(start, min(start + size, len(self))))

    @functools.cached_property
    def mean_label(self) -> Float[np.ndarray, "H W"]:
        """The mean of all labels: the best prediction that sees no feature."""
        total, count = np.zeros(1), 0
        for i in range(len(self)):
            total, count = total + self.one(i)[1][0].astype(np.float64), count + 1
        mean: Array = (total / count).astype(np.float32)
        return mean


@dataclass(frozen=True, eq=False)  # hashed by identity
class Data:
    """What a run trains on, chooses by and is measured on."""

    train: Split
    val: Split
    test: Split


def read(cfg: CircuitnetConfig) -> Data:
    """All splits of a config; the validation layouts are taken out of the training ones.

    Raises:
        AssayError: a csv or a file is missing or bad, or too few layouts to split.
    """
    if cfg.dataroot is None:
        whole, test = _generated(cfg)
    else:
        whole, test = (_files(cfg, cfg.dataroot, which) for which in ("train", "test"))
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
    return Split([split.names[i] for i in which], lambda i: split.one(which[i]))


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
    settings = raw.parse(name).settings
    if "flavour" not in settings:
        return raw.parse(name).design
    return "-".join(settings[k] for k in ("design", "flavour", "macros", "clock"))


def _generated(cfg: CircuitnetConfig) -> tuple[Split, Split]:
    """The first designs are for the test, so that more designs never change it."""
    recipe = preprocess.Recipe(RAW_TASK[cfg.task], cfg.mode, cfg.synth_grid)
    made = functools.partial(generate, recipe, cfg.synth_seed, cfg.synth_cells)

    def split(first: int, last: int) -> Split:
        names = [f"design {i}" for i in range(first, last)]
        return Split(names, lambda i: made(first + i))

    return split(cfg.synth_test, cfg.synth_designs), split(0, cfg.synth_test)


@functools.lru_cache(KEPT)
def generate(recipe: preprocess.Recipe, seed: int, cells: int, index: int) -> Maps:
    """Feature and label of a generated layout; the process remembers them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a design without overflow is no accident
        maps = synth.layout(seed, index, recipe.size, cells).maps
        return _channels_first(*preprocess.pack(maps, recipe)[:2])


def _channels_first(feature: np.ndarray, label: np.ndarray) -> Maps:
    moved = (np.ascontiguousarray(a.transpose(2, 0, 1), dtype=np.float32) for a in (feature, label))
    return next(moved), next(moved)


def _files(cfg: CircuitnetConfig, root: Path, which: str) -> Split:
    """The layouts of an annotation file."""
    path = list_of(cfg, which)
    found = annotation.present(annotation.read(path), root, cfg.allow_missing)
    if found.missing:
        say(f"{path}: {found.missing} rows left out, their files are missing")
    rows = found.rows

    def one(i: int) -> Maps:
        feature = read_map(root / rows[i].feature, cfg.channels)
        label = read_map(root / rows[i].label, 1)
        if feature.shape[:2] != label.shape[:2]:
            raise AssayError(
                f"{rows[i].name}: feature {feature.shape} and label {label.shape} differ in size",
                "Preprocess this layout again",
                code="bad_shape",
            )
        return _channels_first(feature, label)

    return Split([r.name for r in rows], one)


def list_of(cfg: CircuitnetConfig, which: str) -> Path:
    """The annotation file of `train` or `test`: as given, else <which>.csv of the data root."""
    given: Path | None = getattr(cfg, f"ann_file_{which}")
    return given or (cfg.dataroot or Path()) / f"{which}.csv"


def read_map(path: Path, channels: int) -> np.ndarray:
    """A preprocessed map H W C.

    Raises:
        AssayError: missing, no npy file, needs pickle, another number of channels, sides that are
            no multiples of 4, or values that are not finite.
    """
    try:
        found: np.ndarray = np.load(path, allow_pickle=False)
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
    if bad := int((~np.isfinite(found)).sum()):
        raise AssayError(f"{path} holds {bad} values that are not finite", code="bad_map")
    return found
