"""Without numba the same results come from torch, and say so."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numba
import pytest
import torch

from tasks.route.eikonal import Options, distances, jit, solve
from tests.toy import ROOT

SCRIPT = """
import sys
sys.modules["numba"] = None  # as if it were not installed
import torch
from tasks.route.eikonal import Options, distances, trace
from core.errors import AssayError
cost = (1 + torch.arange(63.0).double().view(1, 7, 9) % 5).requires_grad_()
found = distances(cost, torch.tensor([[[0, 0]]]), torch.tensor([[[6, 8]]]))
(grad,) = torch.autograd.grad(found.at.sum(), cost)
path = trace(found.solved.T[0].numpy(), cost[0].detach().numpy(), (6, 8))
print(found.at.item(), grad.square().sum().item(), path.cost, found.solved.backend)
try:
    distances(cost, torch.tensor([[[0, 0]]]), torch.tensor([[[6, 8]]]), Options(backend="numba"))
except AssayError as error:
    print(error)
"""


def test_a_machine_without_numba_gets_the_same_from_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT, check=True
    )
    first, refusal = done.stdout.splitlines()
    time, grad, path, backend = first.split(maxsplit=3)
    cost = (1 + torch.arange(63.0).double().view(1, 7, 9) % 5).requires_grad_()
    found = distances(cost, torch.tensor([[[0, 0]]]), torch.tensor([[[6, 8]]]))
    (wanted,) = torch.autograd.grad(found.at.sum(), cost)
    assert float(time) == pytest.approx(found.at.item(), rel=1e-12)
    assert float(grad) == pytest.approx(wanted.square().sum().item(), rel=1e-12)
    assert float(path) == pytest.approx(float(time), rel=0.1)
    assert backend.startswith("torch")
    assert found.solved.backend.startswith("numba")
    assert "pip install numba" in refusal


def test_where_nothing_can_be_cached_it_compiles_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    njit = numba.njit

    def no_folder(*args: object, cache: bool = False, **options: object) -> object:
        if cache:  # what numba does on a read-only installation without a home
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*args, **options)

    monkeypatch.setattr(numba, "njit", no_folder)
    twice = jit.compiled(lambda x: 2 * x)
    assert twice(21) == 42
    assert twice.signatures


def test_the_solver_leaves_no_warning_and_no_file_behind_but_its_cache() -> None:
    before = git_status()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solve(torch.ones(1, 5, 5), torch.tensor([[[0, 0]]]), Options(stencil=4))
    assert git_status() == before


def git_status() -> str:
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
