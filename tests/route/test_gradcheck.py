"""The gradient check itself: it passes for the right gradient and fails for a wrong one."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from core.errors import AssayError
from tasks.route import gradcheck
from tasks.route.cost import Cost, CostOptions
from tasks.route.eikonal import Options, adjoint
from tasks.route.gradcheck import Report, check, extrapolated
from tasks.route.losses import Compared, Gate, LossOptions, straight


def report(stencil: int = 8, cells: int = 100, **cost: object) -> Report:
    prob = torch.rand(1, 30, 34, generator=torch.Generator().manual_seed(3)) * 0.8 + 0.1
    src, tgt = torch.tensor([[[3, 3]]]), torch.tensor([[[26, 29], [20, 7], [5, 30]]])
    return check(
        prob,
        src,
        tgt,
        straight(4 * src[:, 0], 4 * tgt),
        torch.tensor([[180.0, 90.0, 130.0]]),
        Cost(CostOptions(**cost)),  # type: ignore[arg-type]
        Gate(),
        Options(h=4.0, stencil=stencil),
        LossOptions(),
        cells=cells,
    )


@pytest.mark.parametrize("stencil", [4, 8])
@pytest.mark.parametrize("mode", ["add", "exp"])
def test_cells_alpha_gamma_and_gate_agree(stencil: int, mode: str) -> None:
    found = report(stencil, mode=mode, gamma=2.0)
    names = {row.name for row in found.rows if not row.name.startswith("p[")}
    assert names == ({"alpha", "gamma", "gate"} if mode == "add" else {"gate"})
    cells = [row for row in found.rows if row.name.startswith("p[")]
    assert len(cells) >= 100
    assert sum(row.adjoint != 0 for row in cells) >= 50
    assert any(row.adjoint == 0 for row in cells)
    assert found.ok, found.table()
    assert "ok" in found.table()
    found.demand()


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = adjoint.pull
    monkeypatch.setattr(adjoint, "pull", lambda *a, **kw: 1.001 * right(*a, **kw))
    found = report()
    assert not found.ok
    assert "FAILS" in found.table()
    with pytest.raises(AssayError, match="is off by") as raised:
        found.demand()
    assert raised.value.exit_code == 1  # a bug of ours, not of the input


def test_too_few_cells_are_refused() -> None:
    with pytest.raises(AssayError, match="only 1020 cells"):
        report(cells=5000)


def mirrored(stencil: int) -> Report:
    """Two ways of exactly the same length around a dear middle row, one above it, one below."""
    upper = torch.rand(1, 10, 25, generator=torch.Generator().manual_seed(5)) * 0.6 + 0.3
    prob = torch.cat([upper, torch.full((1, 1, 25), 0.02), upper.flip(1)], 1)
    src, tgt = torch.tensor([[[10, 1]]]), torch.tensor([[[10, 23]]])
    return check(
        prob,
        src,
        tgt,
        straight(src[:, 0], tgt),
        torch.tensor([[40.0]]),
        Cost(),
        Gate(),
        Options(stencil=stencil),
        LossOptions(),
        cells=120,
    )


@pytest.mark.parametrize("stencil", [4, 8])
def test_where_two_ways_tie_any_slope_between_the_sides_is_right(stencil: int) -> None:
    found = mirrored(stencil)
    kinks = [row for row in found.rows if row.kink]
    assert len(kinks) >= 10
    assert any(row.adjoint == 0 for row in kinks)  # of the way that was not taken
    assert any(row.adjoint != 0 for row in kinks)
    assert found.ok, found.table()
    assert f"{len(kinks)} at a kink" in found.table()


def test_kinks_hide_no_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    right = adjoint.pull
    monkeypatch.setattr(adjoint, "pull", lambda *a, **kw: -right(*a, **kw))
    found = mirrored(8)
    assert any(row.kink and row.error > 0.1 for row in found.rows)
    assert not found.ok


def test_small_slopes_agree_as_well_as_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps fitted to the large ones drown those of a thousandth of them in rounding."""
    shaken = torch.rand(10_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    last, calls = gradcheck.compare, iter(shaken.tolist())

    def compare(*a: Any, **kw: Any) -> Compared:  # a loss with the rounding of a longer sum
        found = last(*a, **kw)
        return found._replace(loss=found.loss + 1e-13 * (next(calls) - 0.5))

    monkeypatch.setattr(gradcheck, "compare", compare)
    cells = [row for row in report().rows if row.name.startswith("p[") and row.adjoint]
    assert min(abs(row.adjoint) for row in cells) < 1e-3
    assert max(row.error for row in cells) < 1e-6


def test_the_limit_of_differences_by_hand() -> None:
    steps = [0.2 / 2**i for i in range(6)]
    central = [(math.exp(1 + h) - math.exp(1 - h)) / (2 * h) for h in steps]
    right = [(math.exp(1 + h) - math.e) / h for h in steps]
    assert extrapolated(central, 4) == pytest.approx(math.e, rel=1e-11)
    assert extrapolated(right, 2) == pytest.approx(math.e, rel=1e-9)
    assert extrapolated([5.0, 7.0, *right[2:]], 2) == pytest.approx(math.e, rel=1e-6)
