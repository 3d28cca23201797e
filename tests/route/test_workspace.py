"""Memory of solves is used again, and never while somebody looks at it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tasks.route.eikonal import cpu, distances, solve, workspace
from tasks.route.eikonal.jit import HAVE_NUMBA


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Arrays of any size are kept; those of other tests are not."""
    monkeypatch.setattr(workspace, "LEAST", 1)
    workspace._spare.clear()
    yield
    workspace._spare.clear()


def test_memory_comes_back_when_the_last_view_is_gone() -> None:
    first = workspace.borrow(100, np.float64)
    place, view = first.ctypes.data, first.reshape(10, 10)[2:]
    del first
    gc.collect()
    assert workspace.borrow(100, np.float64).ctypes.data != place
    held = torch.from_numpy(view)
    del view
    gc.collect()
    assert workspace.borrow(100, np.float64).ctypes.data != place
    del held
    gc.collect()
    again = [workspace.borrow(100, np.float64) for _ in range(3)]
    assert place in [a.ctypes.data for a in again]


def test_other_sizes_and_very_large_arrays_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.borrow(100, np.float32)
    assert [spare.nbytes for spare in workspace._spare] == [400]
    other = workspace.borrow(30, np.float32)
    assert (len(other), len(workspace._spare)) == (30, 0)
    monkeypatch.setattr(workspace, "MOST", 1000)
    workspace.borrow(500, np.float32)
    assert not workspace._spare


@pytest.mark.skipif(not HAVE_NUMBA, reason="the march is numba's")
def test_a_field_that_is_held_survives_further_solves() -> None:
    """Against fields that were copied as soon as they were made; and gradients read theirs late."""
    rng = np.random.default_rng(0)
    costs = [1 + 20 * rng.random((40, 31)) for _ in range(5)]
    src, tgt = torch.tensor([[[3, 4]]]), torch.tensor([[[35, 28]]])
    held, copies, leaves = [], [], []
    for cost in costs:
        field, _ = cpu.march(cost, np.array([[3, 4]]), h=1.0, stencil=8)
        held.append(field)
        copies.append(field.copy())
        leaf = torch.from_numpy(cost).requires_grad_()
        leaves.append((leaf, distances(leaf[None], src, tgt).at.sum()))
        solve(torch.from_numpy(cost)[None], src)  # borrowed and given back at once
    for field, copy, (leaf, at) in zip(held, copies, leaves, strict=True):
        assert np.array_equal(field, copy)
        at.backward()
        assert leaf.grad is not None
        euler = float((leaf.detach() * leaf.grad).sum())  # T is homogeneous in c
        assert euler == pytest.approx(float(at.detach()), rel=1e-10)
