"""Raw maps to what the networks read: `feature/NAME.npy` (H W C) and `label/NAME.npy` (H W 1).

`compat` is the official preprocessing to the last bit, quirks included, because all published
numbers stand on it: cubic zoom overshoots, and min-max then lifts an empty background above 0.
`clean` resizes by area (masks by nearest), keeps 0 at 0 and divides by the maximum.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from core.errors import AssayError, unknown
from tasks.circuitnet import resize
from tasks.circuitnet.resize import Range

Array = NDArray[Any]
Mode = Literal["compat", "clean"]
SIZE = 256


class Channels(NamedTuple):
    """The raw maps that a task's feature and label are made of, in order."""

    feature: Sequence[str]
    label: Sequence[str]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind of map, once."""
        return tuple(dict.fromkeys([*self.feature, *self.label]))


_GR = tuple(f"congestion_GR_{way}_overflow" for way in ("horizontal", "vertical"))
_EGR = tuple(f"congestion_eGR_{way}_overflow" for way in ("horizontal", "vertical"))
TASKS: Mapping[str, Channels] = {
    "congestion": Channels(("macro_region", "RUDY", "RUDY_pin"), _GR),
    "DRC": Channels(
        ("macro_region", "cell_density", "RUDY_long", "RUDY_short", "RUDY_pin_long", *_EGR, *_GR),
        ("DRC_all",),
    ),
    "IR_drop": Channels(("power_i", "power_s", "power_sca", "power_all", "power_t"), ("IR_drop",)),
}
DEPTH = {"power_t": 3}  # axes of a raw map, where not 2: time slices first
DRC_CAP = 200  # violations that count as 1
IR_RANGE = (1e-6, 50.0)  # mV, on a logarithmic scale


class Recipe(NamedTuple):
    """How maps are made: everything that decides a number."""

    task: str = "congestion"
    mode: Mode = "compat"
    size: int = SIZE
    labels: bool = True  # False: features alone, of layouts that have no label
    label_scale: float | None = None  # clean congestion: overflow that counts as 1; None: the map's

    def check(self) -> Recipe:
        """Itself.

        Raises:
            AssayError: no such task or mode, or a size or scale that makes no sense.
        """
        if self.task not in TASKS:
            raise unknown("CircuitNet task", self.task, TASKS)
        if self.mode not in get_args(Mode):
            raise unknown("preprocess mode", self.mode, get_args(Mode))
        if self.size < 4 or self.size % 4:
            raise AssayError(f"a size of {self.size}", "The networks need a multiple of 4")
        if self.label_scale is not None and not 0 < self.label_scale < np.inf:
            raise AssayError(f"label_scale {self.label_scale}", "Give a number above 0")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind of raw map that is read."""
        channels = TASKS[self.task]
        return channels.kinds if self.labels else tuple(channels.feature)


class Packed(NamedTuple):
    """One layout, ready: feature H W C, label H W 1, and the range of every channel by name."""

    feature: Array
    label: Array
    ranges: dict[str, Range]


def pack(maps: Mapping[str, Array], recipe: Recipe) -> Packed:
    """Feature and label of one layout's raw maps."""
    feature, ranges = features(maps, recipe)
    label, ranges["label"] = _label(maps, recipe)
    return Packed(feature, label[..., None].astype(feature.dtype, copy=False), ranges)


def features(maps: Mapping[str, Array], recipe: Recipe) -> tuple[Array, dict[str, Range]]:
    """The feature alone, H W C, and the range of every channel: for layouts without a label."""
    ranges: dict[str, Range] = {}
    channels = []
    for kind in TASKS[recipe.task].feature:
        slices = maps[kind] if DEPTH.get(kind) == 3 else maps[kind][None]
        names = [kind] if len(slices) == 1 else [f"{kind}_{i}" for i in range(len(slices))]
        for name, one in zip(names, slices, strict=True):
            scaled, ranges[name] = _scaled(name, _resized(kind, one, recipe), recipe)
            channels.append(scaled)
    dtype = np.float64 if recipe.mode == "compat" else np.float32
    return np.stack(channels, axis=2).astype(dtype, copy=False), ranges


def _scaled(name: str, resized: Array, recipe: Recipe) -> tuple[Array, Range]:
    compat = recipe.mode == "compat"
    out, span = resize.stretch(resized) if compat else _from_zero(resized, None)
    if span.low == span.high:
        warnings.warn(f"{name} is constant: it becomes zeros", stacklevel=2)
    return out, span


def _resized(kind: str, a: Array, recipe: Recipe) -> Array:
    if recipe.mode == "clean" and kind == "macro_region":
        return resize.nearest(a, recipe.size)
    if recipe.mode == "clean" or recipe.task == "IR_drop":
        return resize.area(a, recipe.size)
    return resize.cubic(a, recipe.size)


def _label(maps: Mapping[str, Array], recipe: Recipe) -> tuple[Array, Range]:
    first = maps[TASKS[recipe.task].label[0]]
    if recipe.task == "DRC":
        count = resize.area(np.clip(first, 0, DRC_CAP), recipe.size)
        return count / DRC_CAP, Range(0.0, float(DRC_CAP))
    if recipe.task == "IR_drop":
        low, high = (float(np.log10(v)) for v in IR_RANGE)
        drop = resize.area(np.clip(first, *IR_RANGE), recipe.size)
        return (np.log10(drop) - low) / (high - low), Range(low, high)  # of the logarithm
    total = overflow(maps, recipe)
    if recipe.mode == "compat" or recipe.label_scale is None:
        return _scaled("label", total, recipe)
    return _from_zero(total, recipe.label_scale)


def overflow(maps: Mapping[str, Array], recipe: Recipe) -> Array:
    """Horizontal and vertical overflow, each resized by its own shape, together."""
    total = np.zeros((recipe.size, recipe.size))
    for kind in TASKS["congestion"].label:
        total += _resized(kind, maps[kind], recipe)
    return total


def _from_zero(a: Array, high: float | None) -> tuple[Array, Range]:
    """The map over `high`, in [0, 1] with 0 kept at 0; `high` is the map's maximum when None."""
    a = np.clip(a, 0, None)
    high = float(a.max()) if high is None else high
    return (np.minimum(a / high, 1), Range(0.0, high)) if high > 0 else (a, Range(0.0, 1.0))
