from __future__ import annotations

import pytest

from core import registry
from core.errors import AssayError
from core.project import Project


def test_a_task_is_found_by_name(project: Project) -> None:
    assert registry.load(project).find("toy").primary == "error"


def test_an_unknown_task_names_the_closest(project: Project) -> None:
    with pytest.raises(AssayError, match=r"no task 'toi' in registry\.yaml\. Did you mean 'toy'\?"):
        registry.load(project).find("toi")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jobs: {}\n", "not a mapping with the keys 'tasks'"),
        ("tasks: [toy]\n", "not a mapping with the keys 'tasks'"),
        ("tasks: {toy: 3}\n", "3 is not module:attribute"),
        ("tasks: {toy: toytask}\n", "'toytask' is not module:attribute"),
        ("tasks: {toy: {use: toytask:task, extra: 1}}\n", "is not module:attribute"),
        ("tasks: {toy: a:b, toy: c:d}\n", "key 'toy' stands twice"),
        ("tasks: {toy: [unclosed\n", r"registry.yaml, line"),
    ],
)
def test_a_broken_registry_is_one_clear_line(project: Project, text: str, message: str) -> None:
    (project.root / "registry.yaml").write_text(text)
    with pytest.raises(AssayError, match=message):
        registry.load(project)


def test_an_import_error_names_the_place_in_the_plugin(project: Project) -> None:
    (project.root / "brokentask.py").write_text("x = 1\nimport nothing_of_that_name\n")
    (project.root / "registry.yaml").write_text(
        "tasks: {bad: brokentask:task, toy: toytask:task}\n"
    )
    found = registry.load(project)
    with pytest.raises(AssayError, match=r"ModuleNotFoundError.*brokentask\.py:2"):
        found.find("bad")
    assert found.find("toy").name == "toy"


def test_the_registered_name_is_the_tasks_own(project: Project) -> None:
    (project.root / "registry.yaml").write_text("tasks: {game: toytask:task}\n")
    with pytest.raises(AssayError, match="names itself 'toy', registered as 'game'"):
        registry.load(project).find("game")
