"""Every registered task, and the toy, keeps every promise."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from core import project, registry
from core.contract import Task
from core.testing import PROMISES, Subject
from core.testing.promise import Promise
from tests import toy

ROOT = Path(__file__).parents[2]
TASKS = registry.load(project.find(ROOT))


def find(name: str) -> Task[Any]:
    if name in TASKS.lines:
        return TASKS.find(name)
    return registry.resolve("toytask:task")


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One subject a task, so that its undisturbed run is made once."""
    return functools.cache(lambda name: Subject(find(name), tmp_path_factory.mktemp(name)))


@pytest.mark.parametrize("promise", PROMISES, ids=lambda p: p.__name__)
@pytest.mark.parametrize("name", [*TASKS.lines, "toy"])
def test_it_keeps_its_promise(
    name: str, promise: Promise, subjects: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(toy.HERE))
    promise(subjects(name))
