"""A toy project with a history, made once a session; each test works on a copy."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import project
from core.project import Project
from tests.tui import workspace


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The workspace as it was made; it is only read."""
    before = list(sys.path)
    yield workspace.build(tmp_path_factory.mktemp("workspace") / "toy")
    sys.path[:] = before
    for name in ("toytask", "toywork"):
        sys.modules.pop(name, None)


@pytest.fixture
def history(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A copy that a test may change, in which the search is at work."""
    shutil.copytree(made.root, tmp_path / "toy", symlinks=True)
    copy = project.find(tmp_path / "toy")
    monkeypatch.syspath_prepend(str(copy.root))
    for name in ("toytask", "toywork"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with workspace.alive(copy):
        yield copy
