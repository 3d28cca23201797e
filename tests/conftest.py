"""Fixtures for every test: no network, no W&B account, a small project that may be dirtied."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from core.project import Project
from tests import toy

settings.register_profile("steady", deadline=None)  # the machines are noisy
settings.load_profile("steady")
os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", HF_HUB_OFFLINE="1", NO_COLOR="1")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A fresh git project whose task is the toy; the working directory lies in it."""
    made = toy.build(tmp_path / "project")
    monkeypatch.chdir(made.root)
    monkeypatch.syspath_prepend(str(made.root))
    for name in ("toytask", "toywork"):  # another test's copy
        monkeypatch.delitem(sys.modules, name, raising=False)
    return made
