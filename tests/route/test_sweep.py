"""The origin's sweeps: what they get right, and why they are not the default."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tasks.route.eikonal import Options, distances, solve
from tasks.route.eikonal.sweep import SweepOptions, sweep
from tests.route.test_eikonal import serpentine

SRC = torch.tensor([[[20, 24]]])


def streets(side: int = 48) -> torch.Tensor:
    """Cost 1 to 21 with smooth hills, float64."""
    bumps = gaussian_filter(np.random.default_rng(0).normal(size=(side, side)), 3)
    p = np.clip(bumps / bumps.std() / 3 + 0.5, 0, 1)
    return torch.from_numpy(1 + 20 * (1 - p) ** 2)[None]


def test_enough_hard_sweeps_are_the_exact_solution() -> None:
    """But for the 1e-8 under the origin's square root."""
    cost = streets()
    T = sweep(cost, SRC, SweepOptions(mode="hard_eval", iters=150, gate_alpha=1.0))
    torch.testing.assert_close(T, solve(cost, SRC, Options(stencil=4)).T, rtol=1e-6, atol=1e-4)


def test_too_few_sweeps_are_wrong_and_nothing_says_so() -> None:
    """Defect 1: about one sweep per cell of the path is needed."""
    cost = torch.from_numpy(serpentine(20, 40))[None]
    src, tgt = torch.tensor([[[1, 0]]]), torch.tensor([[[39, 0]]])
    true = distances(cost, src, tgt, Options(stencil=4)).at.item()
    floor = int(1.5 * 41)  # the seed's own for a grid of this size
    for iters, right in ((floor, False), (200, False), (900, True)):
        o = SweepOptions(mode="hard_eval", iters=iters, gate_alpha=1.0, large_val=1e4)
        got = sweep(cost, src, o)[0, 39, 0].item()
        assert (abs(got / true - 1) < 0.01) is right


def test_soft_sweeps_never_settle() -> None:
    """Defect 2: T sinks with every further sweep, below the true time."""
    cost = streets(96)
    exact = solve(cost, SRC, Options(stencil=4)).T
    fields = [sweep(cost, SRC, SweepOptions(iters=n, gate_alpha=1.0)) for n in (200, 400, 800)]
    for before, after in pairwise(fields):
        assert (after <= before + 1e-9).all()
        assert (before - after).mean() > 1e-3  # and does not stop
    far = exact > exact.median()
    assert (fields[-1] < exact)[far].all()


def test_large_val_caps_what_sweeps_can_say() -> None:
    """Defect 3, and that the exact solver does not have it."""
    cost = torch.full((1, 3, 700), 21.0, dtype=torch.float64)
    src, tgt = torch.tensor([[[1, 0]]]), torch.tensor([[[1, 699]]])
    T = sweep(cost, src, SweepOptions(mode="hard_eval", iters=720, gate_alpha=1.0))
    assert T[0, 1, 699].item() <= 1e4
    assert distances(cost, src, tgt).at.item() == pytest.approx(21 * 699)


def test_straight_through_takes_hard_values_and_soft_gradients() -> None:
    cost = streets(24).requires_grad_()
    src = torch.tensor([[[3, 4]]])
    values, grads = {}, {}
    for mode in ("hard_eval", "ste_train", "soft_train"):
        T = sweep(cost, src, SweepOptions(mode=mode, iters=40))  # type: ignore[arg-type]
        values[mode] = T.detach()
        (grads[mode],) = torch.autograd.grad(T[0, 20, 20], cost)
    assert torch.equal(values["ste_train"], values["hard_eval"])
    assert not torch.equal(values["soft_train"], values["hard_eval"])
    assert not torch.equal(grads["ste_train"], grads["hard_eval"])


def test_unrolled_hard_sweeps_have_the_adjoint_s_gradient() -> None:
    cost = streets(32).requires_grad_()
    src, tgt = torch.tensor([[[5, 6]]]), torch.tensor([[[28, 25]]])
    T = sweep(cost, src, SweepOptions(mode="hard_eval", iters=100, gate_alpha=1.0))
    (unrolled,) = torch.autograd.grad(T[0, 28, 25], cost)
    (adjoint,) = torch.autograd.grad(distances(cost, src, tgt, Options(stencil=4)).at.sum(), cost)
    torch.testing.assert_close(unrolled, adjoint, rtol=1e-4, atol=1e-4)


def test_damping_and_chunks() -> None:
    cost = streets(24)
    src = torch.tensor([[[3, 4]]])
    few = SweepOptions(mode="hard_eval", iters=7)
    whole = SweepOptions(mode="hard_eval", iters=7, chunk=7)
    assert torch.equal(sweep(cost, src, few), sweep(cost, src, whole))
    undamped = sweep(cost, src, SweepOptions(mode="hard_eval", iters=7, gate_alpha=1.0))
    assert (sweep(cost, src, few) >= undamped).all()  # it only comes down more slowly
