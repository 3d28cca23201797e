"""The street as a Mitsuba scene: what stands where, and which lights burn at hour t.

Metres; x east, y north (into the picture), z up; the camera looks north along the road. Everything
is drawn from one seed but the lights, which follow the clock, so that only light and shadow change.
Needs no Mitsuba: a scene is the dict that `mi.load_dict` takes, textures are arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.lightmap.synth import Sun, sun

Scene = dict[str, Any]
Texture = Callable[[NDArray[np.float64]], Any]  # H W 3 reflectances to Mitsuba's bitmap
Place = Callable[..., Any]  # (translate, scale, [turn about z in degrees]) to Mitsuba's transform

TEXELS = 256
DUSK = (math.radians(-6), math.radians(2))  # between these heights of the sun lamps go on and off
LAMP = np.array([4.0, 2.7, 1.4])  # radiance; the sun's scale of Mitsuba's sunsky is 1
MOON = np.array([0.02, 0.026, 0.04])
NIGHT_SKY = np.array([0.004, 0.0055, 0.01])


class House(NamedTuple):
    """A box with windows to the street."""

    x: float  # centre
    y: float
    width: float
    depth: float
    height: float
    colour: tuple[float, float, float]


HOUSES = (
    House(-11, 4, 9, 9, 8, (0.45, 0.21, 0.15)),
    House(-11, 15, 9, 10, 12, (0.55, 0.5, 0.41)),
    House(-11.5, 27, 10, 11, 9, (0.4, 0.3, 0.22)),
    House(11, 7, 9, 11, 7, (0.47, 0.43, 0.37)),
    House(11.5, 20, 10, 12, 14, (0.41, 0.19, 0.14)),
    House(0, 42, 16, 8, 10, (0.5, 0.46, 0.42)),
)
CARS = (
    (-2.6, 4, (0.55, 0.05, 0.04)),
    (-2.6, 15, (0.08, 0.16, 0.45)),
    (2.6, 10, (0.7, 0.7, 0.68)),
    (2.6, 24, (0.1, 0.1, 0.11)),
)


def smoothstep(low: float, high: float, x: float) -> float:
    """0 below `low`, 1 above `high`, smooth between."""
    u = min(max((x - low) / (high - low), 0.0), 1.0)
    return u * u * (3 - 2 * u)


def exposure(at: Sun) -> float:
    """What the light is multiplied by: the camera opens at night, but not as far as the eye."""
    return 8.0 - 6.0 * smoothstep(math.radians(-10), math.radians(25), at.elevation)


def describe(t: float, texture: Texture, place: Place, seed: int) -> Scene:
    """Everything but camera and integrator at hour t."""
    at, rng = sun(t), np.random.default_rng(seed)
    scene: Scene = {"type": "scene", **_sky(at), **_ground(texture, place, rng)}
    for i, house in enumerate(HOUSES):
        scene |= _house(f"house{i}", house, t, texture, place, rng)
    for i, y in enumerate(np.arange(-3, 36, 5.5)):
        for side in (-1, 1):
            scene |= _tree(f"tree{i}{side}", side * 6.2, y + rng.uniform(-1, 1), rng)
    lit = 1 - smoothstep(*DUSK, at.elevation)
    for i, y in enumerate((0, 10, 20, 30)):
        for side in (-1, 1):
            scene |= _lamp(f"lamp{i}{side}", side * 4.3, y, lit)
    for i, (x, y, colour) in enumerate(CARS):
        body, cabin = (
            place((x, y, 0.6), (0.85, 2.0, 0.38)),
            place((x, y + 0.2, 1.15), (0.7, 1.1, 0.3)),
        )
        scene[f"car{i}"] = {"type": "cube", "to_world": body, "bsdf": _plastic(colour)}
        scene[f"cabin{i}"] = {
            "type": "cube",
            "to_world": cabin,
            "bsdf": _plastic((0.04, 0.05, 0.06)),
        }
    return scene


def _sky(at: Sun) -> Scene:
    """Sun and sky by day, moon and a dim dome by night."""
    day = smoothstep(math.radians(-9), math.radians(2), at.elevation)
    scene: Scene = {}
    if day:
        scene["sky"] = {
            "type": "sunsky",
            "sun_direction": _towards(max(at.elevation, math.radians(1)), at.azimuth),
            "turbidity": 3.0,
            "sky_scale": day,
            "sun_scale": smoothstep(math.radians(-1), math.radians(3), at.elevation),
            "sun_aperture": 1.6,
            "sampling_weight": 40.0 if day > 0.2 else 4.0,  # else every lamp draws as many samples
        }
    else:
        scene["dome"] = {"type": "constant", "radiance": _rgb(NIGHT_SKY)}
    night = 1 - smoothstep(math.radians(-10), math.radians(4), at.elevation)
    if night:
        height = max(-at.elevation, math.radians(15))  # the full moon stands opposite the sun
        down = [-v for v in _towards(height, at.azimuth + math.pi)]
        moon = {"type": "directional", "direction": down, "irradiance": _rgb(night * MOON)}
        scene["moon"] = moon
    return scene


def _towards(elevation: float, azimuth: float) -> list[float]:
    """Unit vector to a point of the sky; azimuth from north over east."""
    flat = math.cos(elevation)
    return [flat * math.sin(azimuth), flat * math.cos(azimuth), math.sin(elevation)]


def _ground(texture: Texture, place: Place, rng: np.random.Generator) -> Scene:
    """Grass, a road with its lines, two pavements."""
    grain = rng.uniform(0.7, 1.3, (TEXELS, TEXELS, 1))
    grass = np.array([0.16, 0.23, 0.07]) * grain
    road = 0.16 * grain.repeat(3, 2)
    along, across = np.mgrid[0:TEXELS, 0:TEXELS] / TEXELS
    lines = (abs(across - 0.5) < 0.012) & (along * 16 % 1 < 0.55)
    lines |= abs(abs(across - 0.5) - 0.45) < 0.008
    crossing = (along > 0.3) & (along < 0.35) & (across * 12 % 1 < 0.5)
    road[lines | crossing] = 0.7
    scene: Scene = {
        "grass": {"type": "rectangle", "to_world": place((0, 20, 0), (90, 90, 1))},
        "road": {"type": "rectangle", "to_world": place((0, 10, 0.03), (3.6, 40, 1))},
    }
    for name, colours in (("grass", grass), ("road", road)):
        scene[name]["bsdf"] = {"type": "diffuse", "reflectance": texture(colours)}
    for side in (-1, 1):
        at = place((side * 4.6, 10, 0.05), (0.95, 40, 0.1))
        scene[f"pavement{side}"] = {
            "type": "cube",
            "to_world": at,
            "bsdf": _diffuse((0.4, 0.4, 0.37)),
        }
    return scene


def _house(
    name: str, house: House, t: float, texture: Texture, place: Place, rng: np.random.Generator
) -> Scene:
    """A box, its parapet, and a facade with windows towards the road and towards the camera."""
    box = (house.width / 2, house.depth / 2, house.height / 2)
    centre = (house.x, house.y, house.height / 2)
    top = (house.x, house.y, house.height + 0.15)
    scene: Scene = {
        name: {"type": "cube", "to_world": place(centre, box), "bsdf": _diffuse(house.colour)},
        f"{name}_roof": {
            "type": "cube",
            "to_world": place(top, (box[0] + 0.15, box[1] + 0.15, 0.18)),
            "bsdf": _diffuse((0.5, 0.49, 0.46)),
        },
    }
    inward = -math.copysign(1, house.x) if house.x else 0
    faces = [((house.x, house.y - box[1] - 0.02), 0.0, house.width)]
    faces += [((house.x + inward * (box[0] + 0.02), house.y), 90 * inward, house.depth)] * bool(
        inward
    )
    for i, ((x, y), turn, width) in enumerate(faces):
        windows = Windows(max(2, int(house.height / 2.2)), max(2, int(width / 1.8)))
        wall = place((x, y, house.height / 2), (width / 2, house.height / 2, 1), turn)
        colours = windows.wall(house.colour, rng)
        scene[f"{name}_wall{i}"] = {
            "type": "rectangle",
            "to_world": wall,
            "bsdf": {
                "type": "twosided",
                "bsdf": {"type": "diffuse", "reflectance": texture(colours)},
            },
        }
        for j, glow in enumerate(windows.glow(t, rng)):
            dx, dz = windows.centre(j)
            side = math.radians(turn)
            offset = (dx * width * math.cos(side), dx * width * math.sin(side))
            if glow.any():
                scene[f"{name}_window{i}_{j}"] = {
                    "type": "rectangle",
                    "to_world": place(
                        (
                            x + offset[0] - 0.04 * -math.sin(side),
                            y + offset[1] - 0.04 * math.cos(side),
                            dz * house.height,
                        ),
                        (0.28 * width / windows.columns, 0.27 * house.height / windows.rows, 1),
                        turn,
                    ),
                    "emitter": {"type": "area", "radiance": _rgb(glow)},
                }
    return scene


class Windows(NamedTuple):
    """The windows of one wall, counted row by row from below."""

    rows: int
    columns: int

    def centre(self, number: int) -> tuple[float, float]:
        """Where a window is: across from the wall's middle and up from its foot, as shares."""
        row, column = divmod(number, self.columns)
        return (column + 0.5) / self.columns - 0.5, (row + 0.5) / self.rows

    def wall(
        self, colour: tuple[float, float, float], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Reflectances: courses of stone, panes and their frames."""
        up, across = np.mgrid[0:TEXELS, 0:TEXELS] / TEXELS
        stone = rng.uniform(0.8, 1.2, (TEXELS // 4, TEXELS // 8)).repeat(4, 0).repeat(8, 1)
        wall = np.array(colour) * stone[..., None]
        x, y = abs(across * self.columns % 1 - 0.5), abs(up * self.rows % 1 - 0.5)
        wall[(x < 0.33) & (y < 0.32)] = 0.7
        wall[(x < 0.28) & (y < 0.27)] = 0.06
        return wall.clip(0, 0.9)

    def glow(self, t: float, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        """Radiance of every window at hour t: a third of them burn, each on its own schedule."""
        made = []
        for _ in range(self.rows * self.columns):
            used, on, off = rng.random() < 0.3, rng.uniform(17.2, 20.5), rng.uniform(21.5, 26.5)
            tint = np.array([1.0, rng.uniform(0.62, 0.85), rng.uniform(0.3, 0.6)])
            evening = t if t > 4.5 else t + 24
            lit = smoothstep(on, on + 0.6, evening) * (1 - smoothstep(off, off + 0.6, evening))
            made.append(0.16 * used * lit * tint)
        return made


def _tree(name: str, x: float, y: float, rng: np.random.Generator) -> Scene:
    """A trunk and a crown of forty balls."""
    tall, wide = rng.uniform(1.8, 2.6), rng.uniform(1.0, 1.5)
    trunk = {
        "type": "cylinder",
        "p0": [x, y, 0],
        "p1": [x, y, tall + 0.5],
        "radius": 0.13,
        "bsdf": _diffuse((0.16, 0.11, 0.07)),
    }
    scene: Scene = {name: trunk}
    for i in range(40):
        away = rng.normal(size=3)
        away *= wide * rng.uniform(0.4, 1.0) / np.linalg.norm(away)
        green = rng.uniform(0.75, 1.3) * np.array([0.11, 0.2, 0.05])
        scene[f"{name}_{i}"] = {
            "type": "sphere",
            "center": [x + away[0], y + away[1], tall + wide + away[2]],
            "radius": rng.uniform(0.2, 0.42),
            "bsdf": _diffuse(green),
        }
    return scene


def _lamp(name: str, x: float, y: float, lit: float) -> Scene:
    """A post and a ball of light that hangs over the road."""
    over = x - math.copysign(0.5, x)
    post = {"type": "cylinder", "p0": [x, y, 0], "p1": [x, y, 4.4], "radius": 0.06}
    ball: Scene = {"type": "sphere", "center": [over, y, 4.35], "radius": 0.17}
    if lit:
        ball["emitter"] = {"type": "area", "radiance": _rgb(lit * LAMP)}
    return {name: post | {"bsdf": _diffuse((0.1, 0.1, 0.1))}, f"{name}_ball": ball}


def _rgb(value: Any) -> Mapping[str, Any]:
    return {"type": "rgb", "value": [float(v) for v in value]}


def _diffuse(colour: Any) -> Scene:
    return {"type": "diffuse", "reflectance": _rgb(colour)}


def _plastic(colour: Any) -> Scene:
    return {"type": "plastic", "diffuse_reflectance": _rgb(colour)}
