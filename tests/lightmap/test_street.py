"""The street's generator: what its scene holds, without the renderer that draws it."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import AssayError
from core.kit.io import read_rgb
from tasks.lightmap.street_render import display, synth_street
from tasks.lightmap.street_scene import Windows, describe, exposure, smoothstep
from tasks.lightmap.synth import sun
from tests.lightmap.conftest import MakeRun, config


def scene(t: float, seed: int = 7) -> dict[str, Any]:
    """The scene with arrays and tuples in place of Mitsuba's bitmaps and transforms."""
    return describe(t, lambda colours: colours.round(6).tolist(), lambda *where: where, seed)


def lights(found: dict[str, Any]) -> dict[str, Any]:
    kinds = ("sunsky", "constant", "directional")
    return {
        k: v
        for k, v in found.items()
        if isinstance(v, dict) and ("emitter" in v or v["type"] in kinds)
    }


def test_only_lights_change_with_the_hour_and_everything_with_the_seed() -> None:
    noon, night = scene(12), scene(22)
    still = {k for k in noon if k not in lights(noon)} - set(lights(night))
    assert len(still) > 500
    assert all(noon[k] == night[k] for k in still)
    assert scene(12) == noon
    assert scene(12, seed=8)["grass"] != noon["grass"]


def test_lamps_and_windows_burn_at_night_alone() -> None:
    noon, evening, late = (set(lights(scene(t))) for t in (12, 21, 3.2))
    assert noon == {"sky"}
    assert sum("lamp" in name for name in evening) == sum("lamp" in name for name in late) == 8
    windows = [sum("window" in name for name in found) for found in (evening, late)]
    assert windows[0] > 20
    assert windows[1] == 0  # the last goes out at 26.5 + 0.6, 3:06
    assert {"dome", "moon"} <= late


def test_the_sky_s_sun_is_where_astronomy_puts_it() -> None:
    for t in (8.0, 12.0, 17.0):
        x, y, z = scene(t)["sky"]["sun_direction"]
        at = sun(t)
        assert math.asin(z) == pytest.approx(at.elevation)
        assert math.atan2(x, y) == pytest.approx(at.azimuth)  # from north over east
    assert scene(8.0)["sky"]["sun_direction"][0] > 0.5  # in the east


def test_light_never_jumps() -> None:
    """Quarter minutes apart, nothing changes by more than its steepest ramp allows."""
    values = []
    for t in np.arange(4.5, 7.5, 1 / 240):
        at = sun(t)
        values.append([exposure(at), smoothstep(math.radians(-6), math.radians(2), at.elevation)])
    assert np.abs(np.diff(np.array(values), axis=0)).max() < 0.02


def test_windows_lie_on_the_panes_of_their_wall() -> None:
    windows = Windows(rows=3, columns=4)
    wall = windows.wall((0.5, 0.5, 0.5), np.random.default_rng(0))
    for number in range(12):
        across, up = windows.centre(number)
        assert wall[int(up * 256), int((across + 0.5) * 256)].max() == 0.06


def test_display_is_srgb_of_light_that_rolls_off() -> None:
    light = np.array([[[0, 1, 1e9], [0.001, -1, 3]]], np.float32)
    want = [0, 0.7353570, 1, 12.92 * 0.001 / 1.001, 0, 0.8808250]  # 0.5 and 0.75 in sRGB
    np.testing.assert_allclose(display(light).flatten(), want, atol=1e-5)


@pytest.mark.skipif(
    importlib.util.find_spec("mitsuba") is not None, reason="says what to install without Mitsuba"
)
def test_without_mitsuba_the_tool_says_what_to_install(make_run: MakeRun, tmp_path: Path) -> None:
    cfg = config()
    with pytest.raises(AssayError, match="not installed") as error:
        synth_street(cfg, make_run(cfg), output_dir=str(tmp_path))
    assert "lightmap-data" in str(error.value.hint)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mitsuba") is None, reason="needs Mitsuba")
def test_a_tiny_street_is_traced(make_run: MakeRun, tmp_path: Path) -> None:
    cfg = config()
    made = synth_street(
        cfg, make_run(cfg), output_dir=str(tmp_path), output_size="48x27", spp=2, step=12
    )
    assert [p.name for p in made] == ["tod_0.png", "tod_12.png"]
    night, noon = (read_rgb(p).mean() for p in made)
    assert noon > night > 0
