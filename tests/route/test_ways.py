"""Traced ways by hand: lengths, shares, the target's own pixel, APLS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tasks.route import metrics, report, routing, ways
from tasks.route.geotiff import Geo, Picture
from tasks.route.regions import Region
from tasks.route.sampling import by_hand
from tasks.route.scene import Scene
from tasks.route.ways import Way
from tests.route.conftest import config

METRES = Geo(0, 0, 0.5, 2.0, 32633, geographic=False)  # pixels 2 m high, 0.5 m wide


def scene(prob: np.ndarray, tgt: list[tuple[int, int]], src: tuple[int, int] = (10, 10)) -> Scene:
    rgb = np.zeros((*prob.shape, 3), np.uint8)
    mask = (prob * 255).astype(np.uint8)
    region = Region("a/b", Picture(rgb, None, METRES, []), mask, None)
    return Scene(region, prob, by_hand(src, tgt, *prob.shape))


def found(asked: Scene, **over: Any) -> tuple[routing.Found, list[Way | None]]:
    cfg = config(model="mask", gate=1.0, learn_gate=False, **over)
    with torch.no_grad():
        got = routing.answer(cfg, routing.Router(cfg), torch.from_numpy(asked.prob), asked.query)
    return got, ways.of(cfg, got, asked)


def corner() -> np.ndarray:
    """A road 3 pixels wide: 80 px to the right, then 60 px down; no other road."""
    prob = np.zeros((100, 120), np.float32)
    prob[9:12, 9:92] = 1
    prob[9:72, 89:92] = 1
    return prob


def test_lengths_and_shares_of_a_way_round_a_corner() -> None:
    _, (way, off) = found(scene(corner(), [(70, 90), (70, 20)]), downsample=1, alpha=90.0)
    assert way is not None
    assert way.length_px == pytest.approx(140, abs=4)  # the inner side of the bend is shorter
    assert way.length_m == pytest.approx(80 * 0.5 + 60 * 2, abs=6)
    assert way.on_road == pytest.approx(1, abs=0.02)
    assert way.on_map == pytest.approx(1, abs=0.02)
    assert off is not None
    assert off.on_map < 0.5  # straight down over the land is the way there


@pytest.mark.parametrize("x", [39, 40, 41])
def test_the_time_to_the_targets_own_pixel(x: int) -> None:
    """On free land cells of 3 px give multiples of 3; with the offset it is the distance."""
    asked = scene(np.ones((60, 90), np.float32), [(10, x)])  # the source is a cell's centre
    cfg = config(model="mask", downsample=3, endpoint="offset")
    got, traced = found(asked, downsample=3)
    (row,) = report.targets(cfg, got, asked, traced)
    assert row["T"] == pytest.approx(30, rel=1e-5)
    assert row["T_pixel"] == pytest.approx(x - 10, rel=1e-5)
    assert row["way_px"] == pytest.approx(x - 10, abs=1e-6)
    plain = report.targets(cfg.model_copy(update={"endpoint": "cell"}), got, asked, traced)
    assert "T_pixel" not in plain[0]


def test_apls_by_hand() -> None:
    def way(length: float, on_map: float = 1.0) -> Way:
        return Way(length, None, None, on_map, np.zeros((1, 2), np.intp), 0.0)

    gt = np.array([100.0, 100.0, 100.0, 100.0, 100.0, np.nan, 0.0])
    made = [way(100), way(80), way(250), way(100, on_map=0.89), None, way(1), way(1)]
    assert ways.apls(made, gt) == pytest.approx([1, 0.8, 0, 0, 0])


def test_a_gap_in_the_map_costs_its_pairs() -> None:
    whole = corner()
    broken = whole.copy()
    broken[:, 30:60] = 0
    gt = np.array([140.0])
    for prob, least, most in [(whole, 0.95, 1.0), (broken, 0.0, 0.0)]:
        _, traced = found(scene(prob, [(70, 90)]), downsample=2, alpha=90.0)
        (score,) = ways.apls(traced, gt)
        assert least <= score <= most
    assert metrics.THRESHOLD == 0.5
