"""Layouts from a real placed netlist: its features are computed, its label comes from our router.

A placement is an npz without pickles: inst_bbox_gcell int (n 4: x0 y0 x1 y1, the gcells of an
instance's corners, both inside), pin_net and pin_inst int (p), n_nets. Two are bundled.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import AssayError
from tasks.circuitnet import floorplan, raw, router, synth
from tasks.circuitnet.floorplan import Boxes, Floats
from tasks.circuitnet.rudy import Ints, Nets

MACRO = 4  # gcells: an instance that is wider or higher is a macro
JITTER = 0.7  # gcells, standard deviation of each cell's own shift
TIGHTNESS = (
    1.3,
    1.9,
)  # as in synth; above its range: real macros are larger, all wires are around them
DRIFT = 4.0  # gcells, standard deviation of the shift that neighbours share
DRIFT_KNOTS = 5  # of it along each side
NEEDED = ("inst_bbox_gcell", "pin_net", "pin_inst", "n_nets")


class Placement(NamedTuple):
    """A placed netlist in gcells; the die is the placed area and the same margin on both sides."""

    name: str
    shape: tuple[int, int]
    centre: Floats  # n 2
    box: Boxes  # n 4, x1 and y1 outside
    pin_net: Ints  # p, rising
    pin_inst: Ints  # p

    @property
    def is_macro(self) -> NDArray[np.bool_]:
        """Instances that are macros: n."""
        width, height = (self.box[:, 2:] - self.box[:, :2]).T
        large: NDArray[np.bool_] = (width > MACRO + 1) | (height > MACRO + 1)
        return large


def read(path: Path) -> Placement:
    """A placement file.

    Raises:
        AssayError: unreadable, pickled, arrays missing or inconsistent, or no net of two instances.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {key: archive[key].astype(np.int64) for key in NEEDED}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise AssayError(
            f"{path} is no placement ({error})", f"An npz with {', '.join(NEEDED)}, no pickles"
        ) from error
    corners, net, inst, n_nets = (found[key] for key in NEEDED)
    fits = (
        corners.ndim == 2
        and corners.shape[1] == 4
        and net.shape == inst.shape
        and len(net) > 0
        and 0 <= net.min() <= net.max() < n_nets
        and 0 <= inst.min() <= inst.max() < len(corners)
        and corners.min() >= 0
        and (corners[:, 2:] >= corners[:, :2]).all()
    )
    if not fits:
        raise AssayError(f"{path}: its arrays do not fit together", f"See {', '.join(NEEDED)}")
    pairs = np.unique(np.stack([net, inst]), axis=1)  # an instance counts once for a net
    degree = np.bincount(pairs[0], minlength=int(n_nets))
    net, inst = pairs[:, degree[pairs[0]] >= 2]
    if not len(net):
        raise AssayError(f"{path}: no net joins two instances")
    box = np.concatenate([corners[:, :2], corners[:, 2:] + 1], axis=1)
    width, height = box[:, 2:].max(0) + box[:, :2].min(0)
    centre = (box[:, :2] + box[:, 2:]) / 2
    return Placement(path.stem, (int(width), int(height)), centre, box, net, inst)


class Order(NamedTuple):
    """A layout of a placement to be made and written below `out`; layout 0 is the original."""

    out: Path
    placement: Path
    seed: int
    number: int
    perturb: bool
    route: router.Router


def write(order: Order) -> str:
    """Make a layout and write its raw maps; its name."""
    made = layout(read(order.placement), order.seed, order.number, order.perturb, order.route)
    raw.write(order.out, made.name, made.maps)
    return made.name


def layout(
    placed: Placement, seed: int, number: int, perturb: bool = True, route: router.Router = "l"
) -> synth.Layout:
    """Layout `number` of a netlist: number 0, or all without `perturb`, as placed; else varied.

    A variation mirrors and turns the die and moves the cells, neighbours together; a cell that
    would land on a macro or outside stays. Capacity is drawn in any case.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, number]))
    if perturb and number:
        placed = turned(moved(placed, rng), rng)
    macro = placed.is_macro
    taken = floorplan.region(placed.box[macro], placed.shape)
    start = np.flatnonzero(np.diff(placed.pin_net, prepend=-1, append=-1))
    nets = Nets(_pins(placed, macro, start), start)
    cells = placed.centre[~macro]
    maps = synth.maps(rng, nets, cells, taken, route, TIGHTNESS)
    return synth.Layout(_name(placed.name, number), maps)


def _name(name: str, number: int) -> str:
    """The layout's name: its own id, and the placement's family and settings."""
    identity, _, rest = name.partition("-")
    return f"{identity}{number:04d}-{rest}" if rest else f"{number}-{name}"


def moved(placed: Placement, rng: np.random.Generator) -> Placement:
    """All cells shifted, each a little and neighbours together; macros stay."""
    from scipy.ndimage import map_coordinates

    knots = rng.normal(0, DRIFT, (2, DRIFT_KNOTS, DRIFT_KNOTS))
    at = placed.centre.T / np.array(placed.shape)[:, None] * (DRIFT_KNOTS - 1)
    drift = np.stack([map_coordinates(k, at, order=3, mode="nearest") for k in knots], axis=1)
    to = placed.centre + drift + rng.normal(0, JITTER, placed.centre.shape)
    low, high = placed.centre.min(0), placed.centre.max(0)
    cell = np.floor(np.clip(to, low, high)).astype(np.int64)
    taken = floorplan.region(placed.box[placed.is_macro], placed.shape)
    good = ((to >= low) & (to <= high)).all(1) & (taken[cell[:, 0], cell[:, 1]] == 0)
    good &= ~placed.is_macro
    return placed._replace(centre=np.where(good[:, None], to, placed.centre))


def turned(placed: Placement, rng: np.random.Generator) -> Placement:
    """The die mirrored or not, and turned by 0 or 90 degrees: one of eight ways."""
    shape, centre, box = np.array(placed.shape), placed.centre, placed.box
    for axis in range(2):
        if rng.random() < 0.5:
            centre, box = centre.copy(), box.copy()
            centre[:, axis] = shape[axis] - centre[:, axis]
            box[:, [axis, axis + 2]] = shape[axis] - box[:, [axis + 2, axis]]
    if rng.random() < 0.5:
        shape, centre, box = shape[::-1], centre[:, ::-1], box[:, [1, 0, 3, 2]]
    return placed._replace(shape=(int(shape[0]), int(shape[1])), centre=centre, box=box)


def _pins(placed: Placement, macro: NDArray[np.bool_], start: Ints) -> Floats:
    """Where the pins are: at their cell, or on their macro's edge where it is nearest to the net.

    The data gives no pin offsets.
    """
    pins = placed.centre[placed.pin_inst]
    on_macro = np.flatnonzero(macro[placed.pin_inst])
    if not len(on_macro):
        return pins
    degree = np.diff(start)
    middle = np.repeat(np.add.reduceat(pins, start[:-1]) / degree[:, None], degree, axis=0)
    box = placed.box[placed.pin_inst[on_macro]].astype(np.float64)
    low, high = box[:, :2], box[:, 2:]
    point = np.clip(middle[on_macro], low, high)
    to_edge = np.hstack([point - low, high - point])  # n 4: which edge is nearest
    row, edge = np.arange(len(point)), to_edge.argmin(1)
    point[row, edge % 2] = np.hstack([low, high])[row, edge]
    outside = np.where(edge < 2, -0.5, 0.5)  # half a gcell off the macro
    point[row, edge % 2] += outside
    pins[on_macro] = np.clip(point, 0, placed.shape)
    return pins
