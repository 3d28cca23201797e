"""Tubes: where they lie, what they report, and that a certificate of exactness is never wrong."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from tasks.route.eikonal import Options, distances, solve
from tasks.route.eikonal.sweep import SweepOptions
from tasks.route.grid import pool_cost
from tasks.route.multigrid import (
    Box,
    Multigrid,
    Tube,
    TubeMeta,
    certified,
    kappa,
    multigrid,
    tube_around,
)

OPTIONS = Options(h=4.0)
SMALL = Tube(min_pc=1, radius_c=3, pad_c=1)


def town(seed: int = 0, shape: tuple[int, int] = (150, 190)) -> torch.Tensor:
    """Cost 1 on a grid of roads with gaps, to 21 off them; 1 Hf Wf."""
    rng = np.random.default_rng(seed)
    p = np.zeros(shape)
    for y in range(10, shape[0], 24):
        p[y : y + 2] = 1
    for x in range(10, shape[1], 31):
        p[:, x : x + 2] = 1
    p[rng.random(shape) < 0.03] = 0
    p = np.clip(gaussian_filter(p, 0.7) * 1.6, 0, 1)
    return torch.from_numpy(1 + 20 * (1 - p) ** 2)[None]


def points(*cells: tuple[int, int]) -> torch.Tensor:
    return torch.tensor([cells])


def run(
    cost: torch.Tensor,
    src: torch.Tensor,
    tgt: torch.Tensor,
    tube: Tube | None = SMALL,
    valid: torch.Tensor | None = None,
    factor: int = 4,
    options: Options = OPTIONS,
    sweeps: SweepOptions | None = None,
) -> tuple[torch.Tensor, TubeMeta]:
    valid = torch.ones(tgt.shape[:2], dtype=torch.bool) if valid is None else valid
    grid = Multigrid(factor)
    found = multigrid(cost, pool_cost(cost, factor), src, tgt, valid, options, grid, tube, sweeps)
    return found.at[0], found.meta[0]


@pytest.mark.parametrize("shape", ["bbox", "corridor"])
@pytest.mark.parametrize("stencil", [4, 8])
def test_a_tube_is_never_below_the_whole_grid(shape: str, stencil: int) -> None:
    options = Options(h=4.0, stencil=stencil)
    smaller = 0
    for seed in range(6):
        cost = town(seed)
        rng = np.random.default_rng(seed)
        src = torch.from_numpy(rng.integers(0, 150, (1, 1, 2)))
        tgt = torch.from_numpy(rng.integers(0, 150, (1, 3, 2)))
        at, meta = run(cost, src, tgt, replace(SMALL, shape=shape, verify=True), options=options)  # type: ignore[arg-type]
        full = distances(cost, src, tgt, options).at[0]
        assert (at >= full - 1e-9).all()
        smaller += meta.use_tube
        if meta.tube_exact == "exact":
            torch.testing.assert_close(at, full, rtol=1e-12, atol=0)
        assert meta.gap == pytest.approx(((at - full) / full).max().item(), abs=1e-12)
        assert meta.oob_count == 0
    assert smaller >= 3


def test_the_meta_is_what_the_seed_prints_and_json() -> None:
    at, meta = run(town(), points((60, 80)), points((75, 110), (50, 66)))
    wanted = {"use_tube", "reason_if_not", "Hf", "Wf", "Hc", "Wc", "ds", "mg_factor", "y0", "x0"}
    wanted |= {"tube_h", "tube_w", "area_ratio", "shape", "iters_coarse", "iters_fine"}
    wanted |= {"visited_ratio", "oob_count", "tube_exact", "t_coarse", "t_fine"}
    assert wanted <= set(meta.json())
    assert meta.use_tube
    assert (meta.Hf, meta.Wf, meta.Hc, meta.Wc, meta.ds) == (150, 190, 38, 48, 4)
    assert meta.area_ratio == pytest.approx(meta.tube_h * meta.tube_w / (150 * 190))
    assert 0 < meta.visited_ratio <= meta.area_ratio
    # all three points and the room around them are inside
    room = 4 * 4
    assert meta.y0 <= 50 - room
    assert meta.y0 + meta.tube_h >= 75 + room
    assert meta.x0 <= 66 - room
    assert meta.x0 + meta.tube_w >= 110 + room
    assert torch.isfinite(at).all()


@pytest.mark.parametrize("seed", range(10))
def test_a_tube_contains_its_targets_without_moving_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = town(seed, (130, 170))
    ends = rng.integers(0, 130, (5, 2))
    ends[0] = (0, 0) if seed % 2 else (129, 169)
    for shape in ("bbox", "corridor"):
        tube = Tube(shape=shape, radius_c=0, pad_c=0, min_side=1, max_area_ratio=1.0, min_pc=1)  # type: ignore[arg-type]
        src, tgt = torch.from_numpy(ends[None, :1]), torch.from_numpy(ends[None, 1:])
        at, meta = run(cost, src, tgt, tube)
        assert meta.oob_count == 0
        assert torch.isfinite(at).all()


def test_a_target_outside_is_reported_and_not_moved() -> None:
    """Defect 9: the origin clamped targets into its grid."""
    box = Box(10, 20, 30, 40)
    assert box.shift(torch.tensor([[10, 20], [39, 59], [40, 30], [9, 30], [-1, -1]])).tolist() == [
        [0, 0],
        [29, 39],
        [-1, -1],
        [-1, -1],
        [-1, -1],
    ]
    free = np.ones((30, 40), bool)
    free[5, 5] = False
    assert box._replace(free=free).shift(torch.tensor([[15, 25]])).tolist() == [[-1, -1]]


@pytest.mark.parametrize("fallback", ["none", "full"])
def test_targets_out_of_the_tube_are_counted_and_solved_again_if_told(
    fallback: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tube that is wrong on purpose: nothing hides it."""
    monkeypatch.setattr("tasks.route.multigrid.tube_around", lambda *_: Box(0, 0, 60, 60))
    cost = town().requires_grad_()
    src, tgt = points((20, 20)), points((40, 40), (100, 100))
    at, meta = run(cost, src, tgt, replace(SMALL, fallback=fallback))  # type: ignore[arg-type]
    assert meta.oob_count == 1
    assert meta.tube_exact == "unknown"
    full = distances(cost, src, tgt, OPTIONS).at[0]
    if fallback == "none":
        assert at[1] == torch.inf
        (grad,) = torch.autograd.grad(at[1], cost)
        assert (grad == 0).all()
    else:
        assert at[1].item() == pytest.approx(full[1].item())
        (grad,) = torch.autograd.grad(at[1], cost)
        assert (grad * cost).sum().item() == pytest.approx(full[1].item(), rel=1e-9)


def test_validity_alone_decides_who_gets_a_tube() -> None:
    """Defect 4: no ground truth is needed; an invalid target neither widens it nor is answered."""
    cost, src = town(), points((60, 80))
    tgt, valid = points((75, 110), (149, 0)), torch.tensor([[True, False]])
    at, meta = run(cost, src, tgt, valid=valid)
    alone, meta_alone = run(cost, src, tgt[:, :1])
    assert at[0] == alone[0]
    assert at[1] == torch.inf
    assert meta.oob_count == 0
    assert (meta.y0, meta.x0, meta.tube_h, meta.tube_w) == (
        meta_alone.y0,
        meta_alone.x0,
        meta_alone.tube_h,
        meta_alone.tube_w,
    )


def test_a_corridor_is_as_wide_as_told_along_the_whole_path() -> None:
    """Defect 6: the origin's tube was the box around the path, whatever its width."""
    path = np.array([[2.0, 2.0], [12.0, 22.0], [30.0, 26.0]])  # coarse cells
    tube = Tube(shape="corridor", radius_c=2, pad_c=1, min_side=1)
    box = tube_around([path], (160, 160), 4, tube)
    assert box.free is not None
    along = np.concatenate(
        [a + np.linspace(0, 1, 400)[:, None] * (b - a) for a, b in pairwise(path)]
    )
    for y, x in np.ndindex(160, 160):
        inside = 0 <= y - box.y0 < box.height and 0 <= x - box.x0 < box.width
        free = inside and bool(box.free[y - box.y0, x - box.x0])
        away = np.abs(along - (y // 4, x // 4)).max(1).min()  # Chebyshev, coarse cells
        assert free or away > 2.5
        assert not free or away <= 3.5
    whole = tube_around([path], (160, 160), 4, replace(tube, shape="bbox"))
    assert box.cells < 0.5 * whole.cells


def test_each_image_has_its_own_tube() -> None:
    """Defect 6 again: the origin united them over the batch."""
    cost = torch.cat([town(0), town(1)])
    src = torch.tensor([[[20, 20]], [[120, 150]]])
    tgt = torch.tensor([[[40, 40]], [[100, 130]]])
    valid = torch.ones(2, 1, dtype=torch.bool)
    both = multigrid(cost, pool_cost(cost, 4), src, tgt, valid, OPTIONS, Multigrid(4), SMALL)
    for b in range(2):
        at, meta = run(cost[b : b + 1], src[b : b + 1], tgt[b : b + 1])
        assert torch.equal(at, both.at[b])
        assert (meta.y0, meta.x0) == (both.meta[b].y0, both.meta[b].x0)


@pytest.mark.parametrize(
    ("tube", "factor", "reason"),
    [
        (Tube(), 4, "below 256"),
        (replace(SMALL, max_area_ratio=0.01), 4, "limit 0.01"),
        (SMALL, 32, "below 8: no multigrid"),
        (None, 4, "tube off"),
    ],
)
def test_without_a_tube_the_reason_is_given_and_the_result_is_exact(
    tube: Tube | None, factor: int, reason: str
) -> None:
    cost, src, tgt = town(), points((60, 80)), points((75, 110))
    at, meta = run(cost, src, tgt, tube, factor=factor)
    assert not meta.use_tube
    assert reason in meta.reason_if_not
    assert meta.tube_exact == "exact"
    assert torch.equal(at, distances(cost, src, tgt, OPTIONS).at[0])


def test_min_side_and_borders() -> None:
    tube = Tube(radius_c=0, pad_c=0, min_side=16)
    for path in ([[0.0, 0.0]], [[9.0, 12.0]], [[4.0, 6.0]]):
        box = tube_around([np.array(path)], (40, 50), 4, tube)
        assert box.height == box.width == 16
        assert 0 <= box.y0 <= 40 - 16
        assert 0 <= box.x0 <= 50 - 16
    small = tube_around([np.array([[0.0, 0.0]])], (10, 50), 4, tube)
    assert (small.y0, small.height) == (0, 10)


def test_a_corridor_that_holds_the_whole_grid_is_the_whole_grid() -> None:
    cost, src, tgt = town(), points((60, 80)), points((75, 110), (149, 0))
    wide = Tube(shape="corridor", radius_c=60, pad_c=0, min_pc=1, max_area_ratio=1.1)
    at, meta = run(cost, src, tgt, wide)
    assert meta.use_tube
    assert meta.area_ratio == 1
    assert meta.tube_exact == "exact"
    assert torch.equal(at, distances(cost, src, tgt, OPTIONS).at[0])


@st.composite
def boxes(draw: st.DrawFn) -> tuple[np.ndarray, Box, np.ndarray, np.ndarray]:
    """A random maze, a random tube in it, a source and targets in the tube."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width = int(rng.integers(6, 26)), int(rng.integers(6, 26))
    cost = 1 + draw(st.sampled_from([0.5, 3.0, 50.0])) * (rng.random((height, width)) < 0.4)
    cost = cost + draw(st.sampled_from([0.0, 0.3])) * rng.random((height, width))
    h, w = int(rng.integers(3, height + 1)), int(rng.integers(3, width + 1))
    y0, x0 = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    free = None
    if draw(st.booleans()):
        free = gaussian_filter(rng.normal(size=(h, w)), 1.5) > -0.1
        free[h // 2, w // 2] = True
    inside = np.argwhere(np.ones((h, w), bool) if free is None else free)
    picked = inside[rng.integers(0, len(inside), 1 + int(rng.integers(1, 4)))]
    return cost, Box(y0, x0, h, w, free), picked[:1], picked[1:]


@pytest.mark.parametrize("stencil", [4, 8])
@settings(max_examples=400)
@given(case=boxes())
def test_what_is_certified_is_exact(
    stencil: int, case: tuple[np.ndarray, Box, np.ndarray, np.ndarray]
) -> None:
    cost, box, src, tgt = case
    options = Options(h=2.0, stencil=stencil)
    whole = torch.from_numpy(cost)[None]
    part = whole[:, box.y0 : box.y0 + box.height, box.x0 : box.x0 + box.width]
    free = None if box.free is None else torch.from_numpy(box.free)[None]
    T = solve(part, torch.from_numpy(src)[None], options, mask=free).T[0].numpy()
    corner = np.array([box.y0, box.x0])
    U = solve(whole, torch.from_numpy(src + corner)[None], options).T[0].numpy()
    for target in tgt:
        if certified(T, box, cost.shape, target[None], kappa(whole, options)):
            assert T[tuple(target)] == pytest.approx(U[tuple(target + corner)], rel=1e-12)
    early = solve(
        part, torch.from_numpy(src)[None], options, until=torch.from_numpy(tgt)[None], mask=free
    )
    both = [
        certified(t, box, cost.shape, tgt, kappa(whole, options)) for t in (T, early.T[0].numpy())
    ]
    assert both[0] == both[1]  # an early stop loses nothing


def test_nothing_is_certified_of_a_target_outside() -> None:
    T = np.zeros((6, 6))  # finite everywhere, the last cell too
    outside = Box(0, 0, 6, 6).shift(torch.tensor([[3, 3], [9, 9]])).numpy()
    assert not certified(T, Box(0, 0, 6, 6), (20, 20), outside, kappa=1.0)
    assert certified(T, Box(0, 0, 6, 6), (20, 20), outside[:1], kappa=1.0)


def test_the_certificate_is_often_given() -> None:
    """Else it would be true and useless."""
    given_ = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        at = rng.integers(60, 90, (1, 2, 2))
        src, tgt = torch.from_numpy(at[:, :1]), torch.from_numpy(at[:, 1:])
        _, meta = run(town(seed), src, tgt, Tube(min_pc=1, radius_c=4, pad_c=2))
        given_.append(meta.use_tube and meta.tube_exact == "exact")
    assert sum(given_) >= 4


def test_sweeps_have_floors_that_are_real_booleans() -> None:
    """Defect 12: `tube_iters_floor_full` is on by default, and its iterations follow the grid."""
    cost, src, tgt = town(), points((60, 80)), points((75, 110))
    sweeps = SweepOptions(mode="hard_eval", iters=30)
    assert Tube().iters_floor_full is True
    for full in (True, False):
        tube = replace(SMALL, iters_floor_full=full)
        at, meta = run(cost, src, tgt, tube, sweeps=sweeps, options=Options(h=4.0, stencil=4))
        assert meta.iters_coarse == max(20, 8, int(np.ceil(1.5 * 48)))
        longest = 190 if full else max(meta.tube_h, meta.tube_w)
        assert meta.iters_fine == max(24, int(np.ceil(0.8 * longest)))
        assert torch.isfinite(at).all()


def test_sweeps_from_a_coarse_start_come_near_the_exact_time() -> None:
    cost, src, tgt = town().requires_grad_(), points((60, 80)), points((75, 110))
    exact = distances(cost, src, tgt, Options(h=4.0, stencil=4)).at[0, 0].item()
    for detach in (True, False):
        coarse = pool_cost(cost, 4)
        found = multigrid(
            cost,
            coarse,
            src,
            tgt,
            torch.ones(1, 1, dtype=torch.bool),
            Options(h=4.0, stencil=4),
            Multigrid(4, detach_coarse=detach),
            SMALL,
            SweepOptions(mode="hard_eval", iters=200, gate_alpha=1.0),
        )
        assert found.at.item() == pytest.approx(exact, rel=0.02)
        (grad,) = torch.autograd.grad(found.at.sum(), coarse, allow_unused=True)
        assert (grad is None) is detach
