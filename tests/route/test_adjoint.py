"""Gradients of travel times against finite differences, Euler's identity and unrolled autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.route.eikonal import Options, distances, field, solve
from tasks.route.eikonal.jit import HAVE_NUMBA
from tasks.route.eikonal.torch_ref import place, update

BACKENDS = ("numba", "torch", "blocks")
SRC = torch.tensor([[[3, 4]], [[25, 30]]])
TGT = torch.tensor([[[20, 28], [9, 9], [-1, -1]], [[0, 0], [25, 30], [2, 17]]])
pytestmark = pytest.mark.skipif(not HAVE_NUMBA, reason="numba is not installed")


def maps(shape: tuple[int, int] = (26, 31), n: int = 2) -> torch.Tensor:
    rng = np.random.default_rng(7)
    return torch.from_numpy(1 + 20 * rng.random((n, *shape)) ** 2)


def at(cost: torch.Tensor, options: Options) -> torch.Tensor:
    found = distances(cost, SRC, TGT, options).at
    return found[found < torch.inf]


@pytest.mark.parametrize("stencil", [4, 8])
def test_points_against_central_differences(stencil: int) -> None:
    options = Options(h=4.0, stencil=stencil)
    cost = maps().requires_grad_()
    up = torch.linspace(0.5, 2, 5, dtype=torch.float64)
    (grad,) = torch.autograd.grad((at(cost, options) * up).sum(), cost)
    rng, step = np.random.default_rng(0), 1e-6
    cells = [
        (int(rng.integers(2)), int(rng.integers(26)), int(rng.integers(31))) for _ in range(60)
    ]
    cells += [tuple(c) for c in grad.nonzero()[::7].tolist()]  # where there is a gradient
    with torch.no_grad():
        for cell in cells:
            high, low = cost.detach().clone(), cost.detach().clone()
            high[cell] += step
            low[cell] -= step
            wanted = ((at(high, options) - at(low, options)) * up).sum() / (2 * step)
            assert grad[cell].item() == pytest.approx(wanted.item(), rel=2e-6, abs=2e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("stencil", [4, 8])
def test_cost_times_gradient_adds_up_to_the_time(stencil: int, backend: str) -> None:
    options = Options(h=2.0, stencil=stencil, backend=backend)  # type: ignore[arg-type]
    cost = maps((60, 47)).requires_grad_()
    found = distances(cost, SRC, TGT, options).at
    (grad,) = torch.autograd.grad(found[0, 0] + 2 * found[1, 0], cost)
    total = (cost * grad).sum().item()
    assert total == pytest.approx((found[0, 0] + 2 * found[1, 0]).item(), rel=1e-10)
    assert (grad >= 0).all()
    T = solve(cost.detach(), SRC, options).T
    later = found[:, 0].detach()[:, None, None] < T
    assert (grad[later] == 0).all()  # outside the cone


@pytest.mark.parametrize("stencil", [4, 8])
def test_the_field_equals_autograd_through_unrolled_passes(stencil: int) -> None:
    cost = maps((48, 48), 1).requires_grad_()
    src = torch.tensor([[[10, 30]]])
    up = torch.from_numpy(np.random.default_rng(3).normal(size=(1, 48, 48)))
    T = place(cost.detach(), list(src))
    for _ in range(300):
        inner = torch.minimum(T[:, 1:-1, 1:-1], _smooth_update(T, cost, stencil))
        T = torch.nn.functional.pad(inner, (1, 1, 1, 1), value=torch.inf)
    (wanted,) = torch.autograd.grad((T[:, 1:-1, 1:-1] * up).sum(), cost)
    for backend in BACKENDS:
        mine = field(cost, src, Options(stencil=stencil, backend=backend)).T  # type: ignore[arg-type]
        torch.testing.assert_close(mine, T[:, 1:-1, 1:-1], rtol=1e-12, atol=0)
        (grad,) = torch.autograd.grad((mine * up).sum(), cost)
        torch.testing.assert_close(grad, wanted, rtol=1e-9, atol=1e-9)


def _smooth_update(T: torch.Tensor, cost: torch.Tensor, stencil: int) -> torch.Tensor:
    """`update` with inf as a number: autograd through inf - inf would be NaN."""
    return update(T.nan_to_num(posinf=1e7), cost, stencil)


def test_gradcheck_from_probability_to_distance() -> None:
    prob = torch.from_numpy(
        np.random.default_rng(1).uniform(0.1, 0.9, (1, 24, 24))
    ).requires_grad_()
    alpha = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    src, tgt = torch.tensor([[[0, 0]]]), torch.tensor([[[11, 11], [2, 8]]])
    for stencil in (4, 8):

        def pipeline(p: torch.Tensor, a: torch.Tensor, stencil: int = stencil) -> torch.Tensor:
            pooled = torch.nn.functional.max_pool2d(p[:, None], 2)[:, 0]
            cost = 1 + a.exp() * (1 - pooled) ** 2
            return distances(cost, src, tgt, Options(h=2.0, stencil=stencil)).at

        assert torch.autograd.gradcheck(pipeline, (prob, alpha))


def test_unreached_targets_pass_nothing_on() -> None:
    cost = maps((20, 20), 1).requires_grad_()
    free = torch.ones(1, 20, 20, dtype=torch.bool)
    free[:, 10] = False
    for backend in BACKENDS:
        options = Options(backend=backend)  # type: ignore[arg-type]
        tgt = torch.tensor([[[15, 5], [5, 15]]])
        found = distances(cost, torch.tensor([[[2, 2]]]), tgt, options, mask=free).at
        assert torch.isinf(found[0, 0])
        (grad,) = torch.autograd.grad(found, cost, torch.ones_like(found))
        assert torch.isfinite(grad).all()
        assert (grad[0, 10:] == 0).all()
        assert (grad * cost).sum().item() == pytest.approx(found[0, 1].item(), rel=1e-10)


def test_a_second_derivative_is_refused() -> None:
    cost = maps((9, 9), 1).requires_grad_()
    found = distances(cost, torch.tensor([[[0, 0]]]), torch.tensor([[[8, 8]]])).at.sum()
    with pytest.raises(RuntimeError, match="first derivatives only"):
        torch.autograd.grad(found, cost, create_graph=True)


def test_float32_gradients_agree_with_float64() -> None:
    cost = maps((90, 80))
    both = []
    for dtype in (torch.float32, torch.float64):
        c = cost.to(dtype).requires_grad_()
        both.append(torch.autograd.grad(distances(c, SRC, TGT).at[:, 0].sum(), c)[0].double())
    assert (both[0] - both[1]).abs().max() < 1e-3 * both[1].abs().max()
