"""Study files for the toy."""

from collections.abc import Callable

import pytest

from core.project import Project

Write = Callable[[str], str]


@pytest.fixture
def write(project: Project) -> Write:
    """Write studies/s.yaml from the lines that follow `task: toy`; its name."""

    def to_file(text: str) -> str:
        folder = project.root / "studies"
        folder.mkdir(exist_ok=True)
        (folder / "s.yaml").write_text(f"task: toy\n{text}\n")
        return "s"

    return to_file
