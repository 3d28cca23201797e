"""The gradient check itself: it passes for the right gradient and fails for a wrong one."""

from __future__ import annotations

import pytest
import torch

from core.errors import AssayError
from tasks.route.cost import Cost, CostOptions
from tasks.route.eikonal import Options, adjoint
from tasks.route.gradcheck import Report, check
from tasks.route.losses import Gate, LossOptions, straight


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
