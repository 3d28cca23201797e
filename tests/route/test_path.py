"""Backtracked paths against straight lines, Snell's law, the travel time and mazes."""

from __future__ import annotations

import math
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from core.errors import AssayError
from tasks.route.eikonal import Options, length_m, road_share, solve, to_pixels, trace
from tests.route.test_eikonal import serpentine


def times(cost: np.ndarray, src: tuple[int, int], stencil: int = 8, h: float = 1.0) -> np.ndarray:
    options = Options(h=h, stencil=stencil)
    return solve(torch.from_numpy(cost)[None], torch.tensor([[src]]), options).T[0].numpy()


@pytest.mark.parametrize("stencil", [4, 8])
@pytest.mark.parametrize("target", [(70, 110), (5, 118), (100, 22), (20, 20), (20, 90)])
def test_a_uniform_map_gives_the_straight_line(target: tuple[int, int], stencil: int) -> None:
    cost, src = np.ones((120, 130)), (20, 20)
    path = trace(times(cost, src, stencil), cost, target)
    np.testing.assert_array_equal(path.points[0], target)
    np.testing.assert_array_equal(path.points[-1], src)
    along = np.subtract(target, src)
    straight = math.hypot(*along)
    if straight:
        off = np.abs((path.points - src) @ np.array([along[1], -along[0]])) / straight
        assert off.max() < (1.0 if stencil == 8 else 3.0)  # cells; stencil 4 is the coarser field
    assert path.pixels == pytest.approx(straight, rel=0.005 if stencil == 8 else 0.01)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("h", [1.0, 4.0])
def test_the_cost_along_the_path_is_the_time(seed: int, h: float) -> None:
    rng = np.random.default_rng(seed)
    prob = gaussian_filter(rng.normal(size=(140, 160)), 4)
    cost = 1 + 20 * (1 - np.clip(prob / prob.std() / 3 + 0.5, 0, 1)) ** 2
    T = times(cost, (70, 12), h=h)
    target = (int(rng.integers(140)), int(rng.integers(100, 160)))
    path = trace(T, cost, target, h)
    assert path.cost == pytest.approx(T[target], rel=0.03)
    assert _integral(path.points, cost) * h == pytest.approx(T[target], rel=0.03)


def _integral(points: np.ndarray, cost: np.ndarray) -> float:
    """Cost along a polyline from the bilinear map in steps far below a cell, without path.py."""
    total = 0.0
    for a, b in pairwise(points):
        at = a + (np.arange(32)[:, None] + 0.5) / 32 * (b - a)
        low = np.minimum(at.astype(int), np.subtract(cost.shape, 2))
        f = at - low
        corner = [[cost[low[:, 0] + i, low[:, 1] + j] for j in (0, 1)] for i in (0, 1)]
        top = corner[0][0] + f[:, 1] * (corner[0][1] - corner[0][0])
        bottom = corner[1][0] + f[:, 1] * (corner[1][1] - corner[1][0])
        total += (top + f[:, 0] * (bottom - top)).mean() * math.hypot(*(b - a))
    return total


def test_the_path_bends_at_a_border_as_snell_says() -> None:
    cost = np.ones((201, 201))
    cost[100:] = 3.0
    path = trace(times(cost, (20, 20)), cost, (180, 150)).points
    upper, lower = path[path[:, 0] < 95], path[path[:, 0] > 105]

    def sine(part: np.ndarray) -> float:
        y, x = part[0] - part[-1]
        return abs(x) / math.hypot(y, x)

    assert sine(upper) / sine(lower) == pytest.approx(3, rel=0.08)


def test_backtracking_is_neither_greedy_nor_a_loop_of_python() -> None:
    """Defect 11: the origin went from cell to cell of 8, in Python.

    Such a way is longer than the line by up to 8 %, most at 22.5 degrees; and Python would be
    called once a step, so ten times as often on a way ten times as long.
    """
    cost = np.ones((200, 420))
    T = times(cost, (10, 10))
    end = (10 + round(400 * math.tan(math.radians(22.5))), 410)
    found = trace(T, cost, end)
    line = math.hypot(end[0] - 10, 400)
    diagonal = end[0] - 10
    greedy = 400 - diagonal + math.sqrt(2) * diagonal
    assert greedy > 1.08 * line
    assert found.pixels < 1.005 * line

    def calls(target: tuple[int, int]) -> int:
        count = 0

        def seen(frame: object, event: str, arg: object) -> None:
            nonlocal count
            count += event == "call"

        sys.setprofile(seen)
        try:
            trace(T, cost, target)
        finally:
            sys.setprofile(None)
        return count

    if "numba" in sys.modules:  # without it the same code is interpreted
        assert calls((10, 410)) == calls((10, 50))


@pytest.mark.parametrize("stencil", [4, 8])
def test_a_serpentine_is_walked_to_its_start(stencil: int) -> None:
    cost = serpentine(20, 40)
    path = trace(times(cost, (1, 0), stencil), cost, (39, 0))
    assert path.pixels > 20 * 37
    assert path.cost == pytest.approx(times(cost, (1, 0), stencil)[39, 0], rel=0.05)


@pytest.mark.parametrize("shape", [(1, 30), (30, 1), (1, 1), (2, 2)])
def test_maps_one_cell_wide_work(shape: tuple[int, int]) -> None:
    cost = np.full(shape, 2.0)
    end = (shape[0] - 1, shape[1] - 1)
    path = trace(times(cost, (0, 0)), cost, end)
    assert path.pixels == pytest.approx(math.hypot(*end))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("stencil", [4, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rough_maps_never_trap_it(seed: int, stencil: int, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    cost = np.exp(rng.random((50, 40)) * rng.choice([1.0, 5.0, 9.0])).astype(dtype)
    T = times(cost, (9, 30), stencil)
    for y, x in rng.integers(0, 40, (20, 2)):
        points = trace(T, cost, (int(y), int(x))).points
        np.testing.assert_array_equal(points[-1], (9, 30))
        assert (points >= 0).all()
        assert (points <= np.subtract(cost.shape, 1)).all()


def test_an_unreached_target_has_no_path() -> None:
    T = np.full((4, 4), np.inf)
    T[0, 0] = 0
    with pytest.raises(AssayError, match=r"no path from cell \(y 3, x 3\)"):
        trace(T, np.ones((4, 4)), (3, 3))


def test_cells_become_pixels_at_their_centres() -> None:
    corners = np.array([[0.0, 0.0], [2.0, 1.0]])
    # a cell of 4 pixels: the mean of pixels 0, 1, 2, 3 is 1.5
    np.testing.assert_array_equal(to_pixels(corners, 4), [[1.5, 1.5], [9.5, 5.5]])
    np.testing.assert_array_equal(to_pixels(corners, 1), corners)


def test_metres_use_the_height_and_the_width_of_a_pixel() -> None:
    points = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    assert length_m(points, (2.0, 0.5)) == pytest.approx(6 + 2 + math.hypot(6, 2))


def test_road_share_is_of_length() -> None:
    road = np.zeros((10, 40), dtype=bool)
    road[:, 10:] = True
    assert road_share(np.array([[5.0, -0.5], [5.0, 39.5]]), road) == pytest.approx(0.75)
