"""Cost modes, their parameters and networks; pooling and coordinates; learned maps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from core.errors import AssayError
from tasks.route.cost import Bounded, Cost, CostOptions, residual_penalty, total_variation
from tasks.route.eikonal import Options, distances, solve, trace
from tasks.route.grid import endpoint_offset, grid_shape, path_pixels, pool, pool_cost, to_cells
from tasks.route.prob_param import ProbMap


def at(p: float, **kw: object) -> float:
    prob = torch.full((1, 1, 1), p, dtype=torch.float64)
    return Cost(CostOptions(**kw))(prob).item()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("p", "cost"),
    [(1, 1.0), (0.9, 1.2), (0.7, 2.8), (0.5, 6.0), (0.3, 10.8), (0.1, 17.2), (0, 21.0)],
)
def test_add_has_the_values_of_the_specification(p: float, cost: float) -> None:
    assert at(p) == pytest.approx(cost, abs=1e-4)
    assert at(p, learn=False) == pytest.approx(cost, abs=1e-4)


def test_the_step_and_the_exponential_form() -> None:
    # the middle of the step adds half of it
    assert at(0.05, block=50.0) == pytest.approx(1 + 20 * 0.95**2 + 25)
    assert at(0.9, block=50.0) == pytest.approx(1.2)
    assert at(1.0, mode="exp", gamma=3.0) == pytest.approx(1, abs=1e-6)
    assert at(0.05, mode="exp", gamma=3.0) == pytest.approx(100 ** (0.95**3) * 5.5)
    assert at(0.6, mode="exp", gamma=3.0) == pytest.approx(100 ** (0.4**3), rel=1e-6)


@pytest.mark.parametrize("mode", ["add", "exp"])
@pytest.mark.parametrize("net", ["none", "basic", "multiscale"])
def test_cost_is_finite_and_positive_with_gradients_for_any_probability(
    mode: str, net: str
) -> None:
    torch.manual_seed(0)
    options = CostOptions(
        mode=mode,
        net=net,
        block=50.0,
        learn_block=mode == "add",
        use_edges=True,
        use_coords=True,  # type: ignore[arg-type]
    )
    cost = Cost(options)
    if cost.net is not None:  # as after some training
        for p in cost.net.parameters():
            torch.nn.init.normal_(p, std=3)
    prob = torch.rand(2, 17, 23)
    prob[0, :4] = torch.tensor([0.0, 1.0, -0.1, 1.1]).repeat(4, 6)[:, :23]
    prob.requires_grad_()
    c = cost(prob)
    assert c.shape == prob.shape
    assert torch.isfinite(c).all()
    assert (c > 0).all()
    if net == "none" and mode == "add":
        assert (c >= 1).all()
    c.sum().backward()
    assert prob.grad is not None
    assert torch.isfinite(prob.grad).all()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in cost.parameters())


@pytest.mark.parametrize("net", ["basic", "multiscale"])
@pytest.mark.parametrize("gated", [False, True])
def test_a_fresh_network_changes_nothing_and_a_trained_one_only_so_much(
    net: str, gated: bool
) -> None:
    prob = torch.rand(1, 21, 30)
    plain = Cost(CostOptions())(prob)
    cost = Cost(CostOptions(net=net, gated=gated))  # type: ignore[arg-type]
    assert torch.equal(cost(prob), plain)
    cost(prob).sum().backward()
    assert cost.net is not None
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in cost.net.parameters())
    torch.nn.init.constant_(list(cost.net.parameters())[-1], 1e4)
    ratio = cost(prob) / plain
    limit = math.exp(0.75) * (1 + 1e-5)
    assert ratio.max() <= limit
    assert ratio.min() >= 1 / limit


def test_a_smooth_bound_always_has_a_gradient_and_a_clamp_has_none_outside() -> None:
    for form, moves in (("smooth", True), ("clamp", False)):
        alpha = Bounded(20, 5, 100, form, True, "alpha")
        assert alpha().item() == pytest.approx(20)
        with torch.no_grad():
            alpha.raw.fill_(8.0)  # far out, by either form
        alpha().backward()
        assert alpha.raw.grad is not None
        assert (alpha.raw.grad.item() != 0) is moves
        assert 5 <= alpha().item() <= 100 + 1e-9
    with pytest.raises(AssayError, match=r"alpha is 200.*between 5 and 100"):
        Cost(CostOptions(alpha=200.0))


def test_penalties_against_their_formulas() -> None:
    d = torch.tensor([[[1.0, -3.0], [2.0, 4.0]]])
    assert residual_penalty(d).item() == pytest.approx(30 / 4 + 1)
    assert total_variation(d).item() == pytest.approx((1 + 7) / 2 + (4 + 2) / 2)


def test_pooling_against_loops() -> None:
    prob = torch.rand(2, 13, 18)
    ds = 4
    rows, cols = grid_shape(13, 18, ds)
    assert (rows, cols) == (4, 5)
    for y in range(rows):
        for x in range(cols):
            part = prob[:, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
            assert torch.equal(pool(prob, ds, "max")[:, y, x], part.amax((1, 2)))
            mean = part.sum((1, 2)) / 16  # what lies beyond the image is no road
            torch.testing.assert_close(pool(prob, ds, "mean")[:, y, x], mean)
            assert torch.equal(pool_cost(prob, ds)[:, y, x], part.amin((1, 2)))
    assert torch.equal(pool(prob, 1, "max"), prob)
    with pytest.raises(AssayError, match=r"downsample 14 .* 13 x 18"):
        pool(prob, 14, "max")


def test_pixels_and_cells_agree_on_a_map_that_is_not_square() -> None:
    points = torch.tensor([[0, 0], [12, 17], [3, 4], [-1, -1]])
    assert to_cells(points, 4).tolist() == [[0, 0], [3, 4], [0, 1], [-1, -1]]
    # one road pixel: its cell, and only its cell, is road
    prob = torch.zeros(1, 13, 18)
    prob[0, 9, 2] = 1
    assert pool(prob, 4, "max")[0].nonzero().tolist() == [
        to_cells(torch.tensor([9, 2]), 4).tolist()
    ]


def test_a_path_goes_from_pixel_to_pixel_and_the_offset_is_signed() -> None:
    cost = np.full((20, 30), 2.0)
    T = solve(torch.from_numpy(cost)[None], torch.tensor([[[10, 2]]]), Options(h=4.0)).T[0].numpy()
    path = trace(T, cost, (10, 25), 4.0)
    pixels = path_pixels(path, 4, (41, 103), (40, 8))
    assert pixels[0].tolist() == [41, 103]
    assert pixels[-1].tolist() == [40, 8]
    assert pixels[1].tolist() == [41.5, 97.5]  # the centre of cell (10, 24)
    # the cell's centre is pixel 101.5; pixel 103 lies 1.5 farther along, 100 1.5 nearer
    assert endpoint_offset(path, 4, (41, 103), 2.0) == pytest.approx(3.0)
    assert endpoint_offset(path, 4, (41, 100), 2.0) == pytest.approx(-3.0)


@pytest.mark.parametrize("param", ["logit", "direct"])
def test_a_learned_map_moves_only_where_the_route_goes(param: str) -> None:
    torch.manual_seed(1)
    prob = torch.rand(1, 64, 64).mul(0.6).add(0.2)
    learned = ProbMap(prob, param)  # type: ignore[arg-type]
    torch.testing.assert_close(learned(), prob)
    cost = Cost(CostOptions(learn=False))
    src, tgt = torch.tensor([[[2, 3]]]), torch.tensor([[[12, 13]]])
    opt = torch.optim.AdamW([learned.group(0.05)], weight_decay=0.5)

    def away() -> torch.Tensor:
        at = distances(cost(pool(learned(), 4, "max")), src, tgt, Options(h=4.0)).at
        return (at - 80).abs().sum()

    first = away().item()
    for _ in range(30):
        opt.zero_grad()
        away().backward()
        opt.step()
        learned.settle()
    assert away().item() < 0.5 * first
    change = learned.change()
    assert (
        0 < change.touched < 0.1 * prob.numel()
    )  # of a cell its best pixel, and no decay elsewhere
    assert 0 < change.mean <= change.greatest
    assert ((learned() >= 1e-6) & (learned() <= 1 - 1e-6)).all()
    still = (learned() - prob).abs() <= 1e-6
    assert learned.change(where=still).touched == 0
    assert learned.proximity().item() > 0
    assert learned.roughness().item() > 0
