"""Made-up layouts with CircuitNet's maps: what to train on where the data set is not at hand.

A layout is a function of (seed, index) and its settings: who makes it, and in what order, does not
matter. The maps of `layout` have CircuitNet's names, X Y float64.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.errors import AssayError
from tasks.circuitnet import floorplan, netlist, raw, router, rudy
from tasks.circuitnet.floorplan import Floats
from tasks.circuitnet.rudy import Nets

TIGHTNESS = (0.5, 0.8)  # drawn factor on the router's capacity; see docs, Data
DRC_RATE = 120.0  # violations where overflow and pin density are both extreme; with it 1 to 10 % of
DRC_FREE = 0.05  # gcells have the 20 that count as hot; below this crowding there are none


class Layout(NamedTuple):
    """One layout: its name in CircuitNet's pattern, and its maps by CircuitNet's names."""

    name: str
    maps: dict[str, Floats]


def layout(
    seed: int, index: int, grid: int = 256, cells: int = 20_000, route: router.Router = "l"
) -> Layout:
    """Layout `index` of a made-up collection, on a die of grid x grid gcells."""
    if grid < 16 or cells < 10:
        raise AssayError(
            f"a layout of {grid}x{grid} gcells and {cells} cells", "grid >= 16 and cells >= 10"
        )
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    macros = floorplan.place(rng, grid)
    taken = floorplan.region(macros, (grid, grid))
    where = netlist.place_cells(rng, cells, grid, taken)
    nets = netlist.connect(rng, where, macros, grid)
    name = f"{index}-synth{index}-a-{len(macros)}-c0-u{cells / grid**2:.2f}-m0-p0-f0"
    return Layout(name, maps(rng, nets, where, taken, route))


def maps(
    rng: np.random.Generator,
    nets: Nets,
    cells: Floats,
    taken: Floats,
    route: router.Router = "l",
    tightness: tuple[float, float] = TIGHTNESS,
) -> dict[str, Floats]:
    """All maps of a placed netlist; the router's capacity is drawn."""
    shape = (taken.shape[0], taken.shape[1])
    box = rudy.boxes(nets, shape)
    each, short = rudy.density(box), rudy.local(box)
    long_map, short_map = rudy.rudy(box[~short], shape), rudy.rudy(box[short], shape)
    wire = router.wires(nets, shape)
    local = router.local_demand(nets, shape)
    free = router.tracks_for(wire, local, rng.uniform(*tightness))
    routed = router.route(wire, local, router.capacity(free, taken), route)
    made = {
        "macro_region": taken,
        "RUDY": long_map + short_map,
        "RUDY_long": long_map,
        "RUDY_short": short_map,
        "RUDY_pin": rudy.rudy_pin(nets, each, shape),
        "RUDY_pin_long": rudy.rudy_pin(rudy.select(nets, ~short), each[~short], shape),
        "cell_density": rudy.histogram(rudy.gcells(cells, shape), shape),
    }
    for kind, early in (("GR", False), ("eGR", True)):
        over, used = routed.overflow(early), routed.utilisation(early)
        for i, direction in enumerate(("horizontal", "vertical")):
            made[f"congestion_{kind}_{direction}_overflow"] = over[i]
            made[f"congestion_{kind}_{direction}_util"] = used[i]
    made["DRC_all"] = violations(rng, routed.overflow().sum(0), made["RUDY_pin"])
    return made


def violations(rng: np.random.Generator, overflow: Floats, pins: Floats) -> Floats:
    """A stand-in for design-rule violations: Poisson counts, likely where wires and pins crowd.

    No rule is checked: the map only gives the DRC task something that its features can explain.
    """
    from scipy.ndimage import gaussian_filter

    near_pins = gaussian_filter(pins, 1.0) / max(pins.max(), 1e-9)
    crowd = gaussian_filter(overflow, 1.0) * (0.2 + near_pins)
    count: Floats = rng.poisson(DRC_RATE * np.maximum(0, crowd - DRC_FREE)).astype(np.float64)
    return count


class Order(NamedTuple):
    """A layout to be made and written below `out`."""

    out: Path
    seed: int
    number: int
    grid: int
    cells: int
    route: router.Router


def write(order: Order) -> str:
    """Make a layout and write its raw maps; its name."""
    made = layout(order.seed, order.number, order.grid, order.cells, order.route)
    raw.write(order.out, made.name, made.maps)
    return made.name
