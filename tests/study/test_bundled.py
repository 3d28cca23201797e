"""The study files that come with the project."""

from __future__ import annotations

import pytest

from core import project
from core.study import file, plan
from tests import toy

HERE = project.find(toy.ROOT)


@pytest.mark.parametrize("name", file.every(HERE))
def test_every_study_file_plans(name: str) -> None:
    made = plan.make(HERE, name, changes={"device": "cpu"})  # a GPU's study is checked here, too
    assert made.cells or made.trials
