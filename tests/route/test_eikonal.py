"""The Eikonal fixed point against closed forms, scikit-fmm, Dijkstra and plain Jacobi passes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import skfmm
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from skimage.graph import MCP_Geometric

from core.errors import AssayError
from tasks.route.eikonal import Options, cpu, solve
from tasks.route.eikonal.jit import HAVE_NUMBA

BACKENDS = ("numba", "torch", "blocks")
pytestmark = pytest.mark.skipif(not HAVE_NUMBA, reason="numba is not installed")


def times(cost: np.ndarray, src: object, stencil: int, h: float = 1.0, **kw: object) -> np.ndarray:
    """T of one map from one or more (y, x)."""
    cells = torch.tensor(np.atleast_2d(np.array(src)))[None]
    options = Options(h=h, stencil=stencil, **kw)  # type: ignore[arg-type]
    return solve(torch.from_numpy(cost)[None], cells, options).T[0].numpy()


def jacobi(cost: np.ndarray, src: list[tuple[int, int]], stencil: int) -> np.ndarray:
    """The fixed point cell by cell and formula by formula, in no clever order."""
    height, width = cost.shape
    T = np.full((height + 2, width + 2), np.inf)
    for y, x in src:
        T[y + 1, x + 1] = 0
    while True:
        before = T.copy()
        for y in range(1, height + 1):
            for x in range(1, width + 1):
                T[y, x] = min(T[y, x], one_cell(T, y, x, cost[y - 1, x - 1], stencil))
        if np.array_equal(T, before):
            return T[1:-1, 1:-1]


def one_cell(T: np.ndarray, y: int, x: int, q: float, stencil: int) -> float:
    best = math.inf
    if stencil == 4:
        a, b = min(T[y, x - 1], T[y, x + 1]), min(T[y - 1, x], T[y + 1, x])
        if math.isinf(min(a, b)) or abs(a - b) >= q:
            return float(min(a, b) + q)
        return float((a + b + math.sqrt(2 * q * q - (a - b) ** 2)) / 2)
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        for side in (-1, 1):
            A, D = T[y + dy, x + dx], T[y + dy + side * dx, x + dx + side * dy]
            best = min(best, A + q, D + math.sqrt(2) * q)
            if math.inf > A and math.inf > D and 0 < (A - D) / q < 1 / math.sqrt(2):
                best = min(best, A + q * math.sqrt(1 - ((A - D) / q) ** 2))
    return float(best)


def graph(cost: np.ndarray, src: tuple[int, int], diagonal: bool) -> np.ndarray:
    """Dijkstra on the 4- or 8-neighbour graph; an edge costs its length times c at its end."""
    height, width = cost.shape
    index = np.arange(height * width).reshape(height, width)
    moves = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    moves += [(1, 1), (1, -1), (-1, 1), (-1, -1)] if diagonal else []
    rows, cols, weights = [], [], []
    for dy, dx in moves:
        to = index[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
        start = index[max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
        rows.append(start.ravel())
        cols.append(to.ravel())
        weights.append(cost.ravel()[to.ravel()] * math.hypot(dy, dx))
    edges = coo_array((np.concatenate(weights), (np.concatenate(rows), np.concatenate(cols))))
    return dijkstra(edges.tocsr(), indices=index[src]).reshape(height, width)


def rough(seed: int, shape: tuple[int, int] = (37, 52), top: float = 21.0) -> np.ndarray:
    return 1 + (top - 1) * np.random.default_rng(seed).random(shape) ** 2


@pytest.mark.parametrize("stencil", [4, 8])
def test_a_front_that_outgrows_the_queue_makes_it_larger(
    stencil: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of sources at once: more entries than the queue begins with."""
    rng = np.random.default_rng(4)
    cost, src = 1 + 0.5 * rng.random((400, 403)), rng.integers(0, 400, (6000, 2))
    grown = []
    resize = np.resize

    def noted(array: np.ndarray, size: int) -> np.ndarray:
        grown.append(size)
        return resize(array, size)

    monkeypatch.setattr(cpu.np, "resize", noted)
    got = times(cost, src, stencil)
    assert grown
    np.testing.assert_allclose(got, times(cost, src, stencil, backend="torch"), rtol=1e-12)


@pytest.mark.parametrize(("stencil", "limit"), [(4, 0.03), (8, 0.008)])
def test_uniform_cost_gives_the_distance_and_halving_the_grid_halves_the_error(
    stencil: int, limit: float
) -> None:
    worst = []
    for n in (201, 401, 801):
        y, x = np.mgrid[:n, :n] - n // 2
        r = np.hypot(y, x)
        T = times(np.full((n, n), 3.0), (n // 2, n // 2), stencil)
        worst.append(np.abs(T / 3 - r)[r >= n / 8].max() / n)
        far = r >= n / 8
        if n == 401:
            assert (np.abs(T / 3 - r) / np.maximum(r, 1))[far].max() <= limit
    assert worst[1] / worst[2] >= 1.5


@pytest.mark.parametrize("stencil", [4, 8])
def test_light_bends_at_a_border_as_snell_says(stencil: int) -> None:
    n, c = 301, (1.0, 3.0)
    cost = np.full((n, n), c[0])
    cost[n // 2 :] = c[1]  # the border lies half a cell above this row's centres
    src, border = (40, 60), n // 2 - 0.5
    T = times(cost, src, stencil)
    for target in ((220, 150), (280, 260), (200, 70)):

        def time(x: float, target: tuple[int, int] = target) -> float:
            first = math.hypot(border - src[0], x - src[1])
            return c[0] * first + c[1] * math.hypot(target[0] - border, target[1] - x)

        true = minimize_scalar(time, bounds=(0, n), method="bounded").fun
        assert abs(T[target] - true) / true <= 0.01


@pytest.mark.parametrize(("stencil", "limit"), [(4, 0.045), (8, 0.018)])
def test_speed_that_grows_with_depth_gives_the_closed_form(stencil: int, limit: float) -> None:
    height, width, g = 200, 260, 0.02
    y, x = np.mgrid[:height, :width].astype(float)
    speed, src = 1 + g * y, (20, 30)
    T = times(1 / speed, src, stencil)
    r2 = (y - src[0]) ** 2 + (x - src[1]) ** 2
    true = np.arccosh(1 + g * g * r2 / (2 * speed * speed[src])) / g
    far = r2 > 25**2
    assert (np.abs(T - true) / np.maximum(true, 1))[far].max() <= limit


@pytest.mark.parametrize("seed", range(20))
def test_stencil_4_is_scikit_fmm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = rough(seed, (int(rng.integers(20, 70)), int(rng.integers(20, 70))))
    src = (int(rng.integers(cost.shape[0])), int(rng.integers(cost.shape[1])))
    phi = np.ones_like(cost)
    phi[src] = 0
    theirs = skfmm.travel_time(phi, 1 / cost, dx=4.0, order=1)
    np.testing.assert_allclose(times(cost, src, 4, h=4.0), theirs, rtol=1e-9)


@st.composite
def maps(draw: st.DrawFn) -> tuple[np.ndarray, list[tuple[int, int]]]:
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cost = np.exp(rng.random((height, width)) * draw(st.sampled_from([0.0, 1.0, math.log(1e4)])))
    corner = st.sampled_from([(0, 0), (height - 1, 0), (0, width - 1), (height - 1, width - 1)])
    inside = st.tuples(st.integers(0, height - 1), st.integers(0, width - 1))
    return cost, draw(st.lists(corner | inside, min_size=1, max_size=3))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("stencil", [4, 8])
@given(case=maps())
def test_every_backend_is_the_fixed_point(
    backend: str, stencil: int, case: tuple[np.ndarray, list[tuple[int, int]]]
) -> None:
    cost, src = case
    got = times(cost, src, stencil, backend=backend)
    np.testing.assert_allclose(got, jacobi(cost, src, stencil), rtol=1e-9, atol=0)


@pytest.mark.parametrize("stencil", [4, 8])
def test_costs_too_far_apart_for_buckets_take_the_heap(stencil: int) -> None:
    cost = np.exp(np.random.default_rng(5).random((17, 19)) * math.log(1e7))
    found, march = cpu.march(cost, np.array([[3, 4]]), h=1.0, stencil=stencil)
    assert march.queue == "heap"
    np.testing.assert_allclose(found, jacobi(cost, [(3, 4)], stencil), rtol=1e-9)
    until = np.array([[12, 3], [5, 15]])
    early, _ = cpu.march(cost, np.array([[3, 4]]), until, h=1.0, stencil=stencil)
    np.testing.assert_array_equal(early[tuple(until.T)], found[tuple(until.T)])
    assert np.isin(early[np.isfinite(early)], found).all()
    assert not np.isfinite(early).all()


@pytest.mark.parametrize("seed", range(5))
def test_it_is_never_longer_than_along_the_grid(seed: int) -> None:
    cost = rough(seed)
    t4, t8 = times(cost, (5, 9), 4), times(cost, (5, 9), 8)
    tiny = 1e-9 * t4.max()
    assert (t4 <= graph(cost, (5, 9), diagonal=False) + tiny).all()
    assert (t8 <= graph(cost, (5, 9), diagonal=True) + tiny).all()


def test_smooth_maps_agree_with_skimage() -> None:
    y, x = np.mgrid[:120, :150] / 25
    cost = 3 + np.sin(y) + np.cos(1.3 * x)
    theirs = MCP_Geometric(cost).find_costs([(60, 20)])[0]
    far = theirs > 20
    for stencil in (4, 8):
        assert (np.abs(times(cost, (60, 20), stencil) / np.maximum(theirs, 1) - 1))[
            far
        ].max() < 0.12


@pytest.mark.parametrize("degrees", [15, 30, 45])
def test_a_narrow_slanting_road_is_why_stencil_8_is_the_default(degrees: int) -> None:
    angle, n = math.radians(degrees), 120
    along = np.array([math.sin(angle), math.cos(angle)])  # y, x
    y, x = np.mgrid[:n, :n] - 10.0
    cost = np.where(np.abs(y * along[1] - x * along[0]) <= 0.75, 1.0, 21.0)
    end = np.rint(10 + 90 * along).astype(int)
    length = math.hypot(*(end - 10))
    assert times(cost, (10, 10), 8)[tuple(end)] / length < 1.06
    assert times(cost, (10, 10), 4)[tuple(end)] / length > 1.1


@pytest.mark.parametrize("stencil", [4, 8])
def test_flips_and_transposes_of_the_map_are_those_of_the_times(stencil: int) -> None:
    cost, src = rough(3), (11, 40)
    T = times(cost, src, stencil)
    flipped = times(cost[::-1].copy(), (cost.shape[0] - 1 - src[0], src[1]), stencil)
    np.testing.assert_array_equal(flipped[::-1], T)
    np.testing.assert_array_equal(times(cost.T.copy(), src[::-1], stencil).T, T)


@pytest.mark.parametrize("stencil", [4, 8])
def test_the_way_back_takes_as_long(stencil: int) -> None:
    y, x = np.mgrid[:160, :160] / 20
    cost = 2 + np.sin(y) * np.cos(x)
    there, back = times(cost, (10, 15), stencil), times(cost, (140, 130), stencil)
    assert there[140, 130] == pytest.approx(back[10, 15], rel=0.02)


@pytest.mark.parametrize("stencil", [4, 8])
@given(seed=st.integers(0, 2**32 - 1))
def test_a_higher_cost_anywhere_lowers_no_time(stencil: int, seed: int) -> None:
    cost, rng = rough(seed, (13, 17)), np.random.default_rng(seed)
    higher = cost.copy()
    higher[rng.integers(13), rng.integers(17)] *= 1 + rng.random() * 3
    before, after = times(cost, (4, 4), stencil), times(higher, (4, 4), stencil)
    assert (after >= before * (1 - 1e-14)).all()


@pytest.mark.parametrize("stencil", [4, 8])
def test_scaling_by_a_power_of_two_is_exact(stencil: int) -> None:
    cost = rough(8)
    np.testing.assert_array_equal(
        times(cost * 8, (1, 1), stencil), times(cost, (1, 1), stencil) * 8
    )
    np.testing.assert_array_equal(
        times(cost, (1, 1), stencil, h=8.0), times(cost * 8, (1, 1), stencil)
    )


@pytest.mark.parametrize("stencil", [4, 8])
@pytest.mark.parametrize("seed", range(10))
def test_an_early_stop_changes_nothing_up_to_the_targets(stencil: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = rough(seed, (60, 80))
    src, until = rng.integers(0, 60, (1, 2)), rng.integers(0, 60, (3, 2))
    full, _ = cpu.march(cost, src, h=1.0, stencil=stencil)
    early, march = cpu.march(cost, src, until, h=1.0, stencil=stencil)
    last = full[tuple(until.T)].max()
    np.testing.assert_array_equal(early[full <= last], full[full <= last])
    assert set(early[full > last]) <= {*full[full > last], np.inf}
    assert march.visited < 1 or last > 0.7 * full.max()


@pytest.mark.parametrize("stencil", [4, 8])
def test_float32_ends_and_agrees_with_float64(stencil: int) -> None:
    cost = rough(2, (150, 170))
    single = times(cost.astype(np.float32), (70, 80), stencil)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, times(cost, (70, 80), stencil), rtol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_half_precision_is_computed_in_float32(backend: str) -> None:
    cost = torch.full((1, 300, 3), 300.0, dtype=torch.float16)  # the far end passes 65504
    T = solve(cost, torch.tensor([[[0, 1]]]), Options(backend=backend)).T  # type: ignore[arg-type]
    assert T.dtype == torch.float32
    assert T[0, -1, 1].item() == pytest.approx(300 * 299, rel=1e-5)


def serpentine(turns: int, side: int) -> np.ndarray:
    """A road of cost 1 that goes to and fro through cost 1000: about turns * side cells long."""
    cost = np.full((2 * turns + 1, side), 1000.0)
    cost[1::2] = 1
    for k in range(1, turns):
        cost[2 * k, -1 if k % 2 else 0] = 1
    return cost


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("stencil", [4, 8])
def test_a_serpentine_is_followed_to_its_end(backend: str, stencil: int) -> None:
    cost = serpentine(20, 40)
    end = (39, 0)  # of the 20th row, which is walked from the right
    T = times(cost, (1, 0), stencil, backend=backend)
    steps = graph(cost, (1, 0), diagonal=stencil == 8)
    assert steps[end] > 20 * 38
    corner_cut = 1 if stencil == 8 else 0.97  # stencil 4 rounds the two corners of each turn
    assert corner_cut * steps[end] - 1e-9 <= T[end] <= steps[end]


def test_walls_are_not_crossed() -> None:
    cost, free = np.ones((9, 9)), np.ones((9, 9), dtype=bool)
    free[4] = False
    src = torch.tensor([[[0, 0]]])
    for backend in BACKENDS:
        solved = solve(
            torch.from_numpy(cost)[None],
            src,
            Options(backend=backend),  # type: ignore[arg-type]
            mask=torch.from_numpy(free)[None],
        )
        assert torch.isinf(solved.T[0, 4:]).all()
        assert torch.isfinite(solved.T[0, :4]).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, 1e31])
def test_a_cost_that_is_no_cost_is_refused(backend: str, bad: float) -> None:
    cost = torch.ones(1, 5, 6, dtype=torch.float64)
    cost[0, 2, 3] = bad
    with pytest.raises(AssayError, match=r"cell \(y 2, x 3\)"):
        solve(cost, torch.tensor([[[0, 0]]]), Options(backend=backend))  # type: ignore[arg-type]


def test_points_outside_are_refused_and_negative_ones_are_none() -> None:
    cost = torch.ones(1, 5, 6)
    with pytest.raises(AssayError, match=r"source cell \(y 5, x 0\)"):
        solve(cost, torch.tensor([[[5, 0]]]))
    only = solve(cost, torch.tensor([[[1, 1]]])).T
    both = solve(cost, torch.tensor([[[-1, -1], [1, 1]]])).T
    assert torch.equal(only, both)
    none = solve(cost, torch.tensor([[[-1, -1]]])).T
    assert torch.isinf(none).all()


def test_a_batch_is_its_maps_one_by_one() -> None:
    costs = torch.stack([torch.from_numpy(rough(s)) for s in range(3)])
    src = torch.tensor([[[0, 0], [5, 5]], [[36, 51], [-1, -1]], [[9, 9], [9, 9]]])
    together = solve(costs, src).T
    for cost, cells, T in zip(costs, src, together, strict=True):
        assert torch.equal(solve(cost[None], cells[None]).T[0], T)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("stencil", [4, 8])
def test_a_gpu_agrees_with_the_cpu(stencil: int) -> None:
    cost, src = torch.from_numpy(rough(1, (300, 333))).float()[None], torch.tensor([[[9, 9]]])
    here = solve(cost, src, Options(stencil=stencil)).T
    there = solve(cost.cuda(), src.cuda(), Options(stencil=stencil, backend="blocks")).T
    torch.testing.assert_close(there.cpu(), here, rtol=1e-5, atol=0)
