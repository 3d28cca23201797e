"""Gate, caps and distance loss; the teacher."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from core.errors import AssayError
from tasks.route.cost import Cost, CostOptions
from tasks.route.eikonal import Options, distances
from tasks.route.losses import Gate, LossOptions, capped, compare, mix, straight, teach

D64 = torch.float64


def test_straight_distances() -> None:
    src, tgt = torch.tensor([[1, 2]]), torch.tensor([[[4, 6], [1, 2]]])
    assert straight(src, tgt).tolist() == [[5.0, 0.0]]


@pytest.mark.parametrize("form", ["smooth", "clamp"])
def test_the_gate_starts_where_it_is_told_and_stays_in_range(form: str) -> None:
    for start in (0.31, 0.8, 1.0):
        assert Gate(start, form)().item() == pytest.approx(start, abs=1e-5)
    gate = Gate(0.8, form)
    with torch.no_grad():
        gate.raw.fill_(-4.0)
    gate().backward()
    assert 0.3 <= gate().item() < 0.32
    assert gate.raw.grad is not None
    assert (gate.raw.grad.item() != 0) is (form == "smooth")  # a clamp would never come back
    with pytest.raises(AssayError, match=r"gate is 0\.3"):
        Gate(0.3, form)


def test_the_mix_is_between_both_and_unreached_targets_are_reported_not_mixed() -> None:
    T = torch.tensor([[100.0, torch.inf]], dtype=D64, requires_grad=True)
    d = torch.tensor([[40.0, 40.0]], dtype=D64)
    gate = Gate(0.8)
    pred = mix(T, d, gate(), large_val=1e4)
    assert pred[0].tolist() == pytest.approx([40 + 0.8 * 60, 1e4])
    pred.sum().backward()
    assert T.grad is not None
    assert T.grad[0].tolist() == pytest.approx([0.8, 0.0])
    assert gate.raw.grad is not None
    assert torch.isfinite(gate.raw.grad)


def test_times_beyond_large_val_are_not_cut() -> None:
    """The origin starts from large_val, and no T could exceed it."""
    cost = torch.full((1, 3, 1000), 21.0)
    found = distances(cost, torch.tensor([[[1, 0]]]), torch.tensor([[[1, 999]]])).at
    pred = mix(found, torch.tensor([[999.0]]), torch.tensor(1.0), large_val=1e4)
    assert pred.item() == pytest.approx(21 * 999, rel=1e-5)


@pytest.mark.parametrize(
    ("cap", "wanted"),
    [
        ("tanh", lambda x: 10 * math.tanh(x / 5120)),
        ("clamp", lambda x: min(x, 5120) / 512),
        ("log", lambda x: math.log(1 + x / 512)),
        ("none", lambda x: x / 512),
    ],
)
def test_caps_against_their_formulas(cap: str, wanted: object) -> None:
    x = torch.tensor([0.0, 100.0, 5119.0, 5121.0, 2e4], dtype=D64)
    got = capped(x, LossOptions(cap=cap))  # type: ignore[arg-type]
    assert got.tolist() == pytest.approx([wanted(v) for v in x.tolist()])  # type: ignore[operator]
    # with cap_gt a perfect prediction has loss 0, however far
    same = compare(x[None], x[None], torch.ones(1, 5, dtype=torch.bool), LossOptions(cap=cap))  # type: ignore[arg-type]
    assert same.loss.item() == 0
    if cap == "tanh":
        origin = compare(
            x[None], x[None], torch.ones(1, 5, dtype=torch.bool), LossOptions(cap_gt=False)
        )
        assert origin.loss.item() > 0.1


def test_the_loss_against_numpy() -> None:
    rng = np.random.default_rng(0)
    pred, gt = rng.uniform(0, 9000, (3, 7)), rng.uniform(0, 9000, (3, 7))
    valid = rng.random((3, 7)) < 0.6
    e = np.abs(10 * np.tanh(pred / 5120) - 10 * np.tanh(gt / 5120))[valid]
    wanted = np.where(e <= 2, e**2 / 2, 2 * (e - 1)).mean()
    got = compare(torch.from_numpy(pred), torch.from_numpy(gt), torch.from_numpy(valid))
    assert got.loss.item() == pytest.approx(wanted)
    assert got.n_valid == valid.sum()
    assert got.sat_ratio == pytest.approx((pred[valid] > 5120).mean())
    assert got.max_pred == pytest.approx(pred[valid].max())


def test_validity_is_its_own_mask() -> None:
    pred = torch.tensor([[10.0, 20.0]], requires_grad=True)
    zero_gt = compare(pred, torch.tensor([[0.0, 20.0]]), torch.tensor([[True, True]]))
    assert zero_gt.n_valid == 2
    none = compare(pred, torch.tensor([[5.0, 5.0]]), torch.tensor([[False, False]]))
    assert none.n_valid == 0
    assert math.isnan(none.sat_ratio)
    none.loss.backward()
    assert none.loss.item() == 0
    assert pred.grad is not None
    assert pred.grad.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("stencil", [4, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_perfect_student_starts_at_loss_zero(stencil: int, dtype: torch.dtype) -> None:
    prob = torch.rand(1, 60, 70, dtype=dtype, generator=torch.Generator().manual_seed(2))
    src, tgt = torch.tensor([[[5, 5]]]), torch.tensor([[[50, 60], [20, 9], [5, 5]]])
    options = Options(h=4.0, stencil=stencil)
    gt, reached = teach(Cost(CostOptions(learn=False))(prob), src, tgt, options)
    assert reached.all()
    student = distances(Cost()(prob), src, tgt, options).at
    pred = mix(student, straight(src[:, 0] * 4, tgt * 4), Gate(1.0)())
    assert compare(pred, gt, reached).loss.item() <= 1e-8
