"""Checkouts and runs to put on record, without running anything."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import clock
from core.ledger import Ledger
from core.project import Project, find

FACTS: dict[str, Any] = {
    "task": "lightmap",
    "task_version": 1,
    "primary": "ssim",
    "variant": "baseline",
    "kind": "run",
    "study": None,
    "trial": None,
    "parent": None,
    "attempt": 1,
    "seed": 0,
    "group": "g0",
    "comparable": "c0",
    "config": {"lr": 0.001, "optim": {"name": "adam", "betas": [0.9, 0.999]}, "psnr": 5},
    "config_digest": "cfg0",
    "overrides": {},
    "origins": {"lr": "default", "optim.name": "default", "optim.betas": "default"},
    "budget": {"kind": "steps", "limit": 100.0},
    "resources": {"device": "cpu", "threads": 2},
    "git": None,
    "env": {"digest": "e0", "python": "3.11", "torch": None, "cuda": None, "os": "Linux"},
    "data": [],
    "protected": {"evaluator_digest": "v0"},
}
UNITS = {"ssim": ("1", "max"), "psnr": ("dB", "max"), "lpips": ("1", "min")}


def started(**facts: Any) -> dict[str, Any]:
    """A `started` payload."""
    now = clock.stamp()
    return {**FACTS, "timing": {"created": now, "started": now}, **facts}


def ended(status: str = "finished", **metrics: float | str) -> dict[str, Any]:
    """An `ended` payload with these metrics."""
    measured = {
        name: {"value": value, "unit": UNITS[name][0], "direction": UNITS[name][1], "split": "val"}
        for name, value in metrics.items()
    }
    return {"status": status, "metrics": measured, "timing": {"ended": clock.stamp()}}


def record(ledger: Ledger, status: str = "finished", *, ssim: float = 0.9, **facts: Any) -> str:
    """A run from start to end; its id."""
    run = clock.ulid()
    ledger.append("started", run, started(**facts))
    ledger.append("ended", run, ended(status, **({"ssim": ssim} if status == "finished" else {})))
    return run


def verdict(candidate: list[str], word: str = "pass") -> dict[str, Any]:
    """A `verdict` payload."""
    return {
        "verdict": word,
        "clauses": [],
        "candidate": candidate,
        "reference": [],
        "criteria": [],
        "criteria_digest": "k0",
    }


def git(root: Path, *args: str) -> str:
    """Run git, give its output."""
    return subprocess.run(
        ["git", *args], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)


@pytest.fixture(autouse=True)
def fsyncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No test cuts the power: fsync is counted, not waited for."""
    asked: list[int] = []
    monkeypatch.setattr(os, "fsync", asked.append)
    return asked


@pytest.fixture
def clone(tmp_path: Path) -> Callable[..., Project]:
    """Makes checkouts: a new repository, or a clone of another."""

    def make(name: str = "a", of: Project | None = None) -> Project:
        root = tmp_path / name
        if of is None:
            git(tmp_path, "init", "-q", "-b", "main", name)
            (root / "registry.yaml").write_text("tasks: {}\n")
            (root / ".gitignore").write_text("runs/\n")
            git(root, "add", "-A")
            git(root, "commit", "-q", "-m", "begin")
        else:
            git(tmp_path, "clone", "-q", str(of.root), name)
        return find(root)

    return make


@pytest.fixture
def home(clone: Callable[..., Project]) -> Project:
    """One checkout."""
    return clone()


@pytest.fixture
def ledger(home: Project) -> Ledger:
    """Its ledger."""
    return Ledger(home)
