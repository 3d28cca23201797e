"""The check of the docs sees each kind of lie, and nothing in honest pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import docs_check

README = """# A project

## The tree

```
core/           the tracker
  run.py        one run
  kit/          numerics
    loop.py     a clock
tasks/          plug-ins
  <name>/       one of them
runs/           run folders, ignored
```

[the steps](docs/steps.md#first-step), [here](#the-tree), [far](https://example.org/x)
"""
FILES = [
    "core/__init__.py",
    "core/run.py",
    "core/kit/__init__.py",
    "core/kit/loop.py",
    "tasks/a.py",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "steps.md").write_text("# Steps\n\n### First step!\n\n~/x and a/home/b\n")
    (tmp_path / ".gitignore").write_text("runs/\n")
    (tmp_path / "README.md").write_text(README)
    return tmp_path


def problems(root: Path, files: list[str] = FILES) -> list[str]:
    found = [*docs_check.tree(root, files), *docs_check.links(root), *docs_check.machines(root)]
    return list(found)


def test_honest_pages_have_no_problem(root: Path) -> None:
    assert problems(root) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  run.py        one run\n", "", "README.md, tree: core/run.py is missing"),
        ("  kit/          numerics\n    loop.py     a clock\n", "", "tree: core/kit/ is missing"),
        ("tasks/          plug-ins\n  <name>/       one of them\n", "", "tree: tasks/ is missing"),
        ("one run", "", "README.md, tree: no clause for core/run.py"),
        ("loop.py", "gone.py", "README.md, tree: there is no core/kit/gone.py"),
        ("The tree", "The wood", "README.md: no heading with the word `tree`"),
        ("#first-step", "#last-step", "link to docs/steps.md#last-step: no such heading"),
        ("docs/steps.md", "docs/gone.md", "link to docs/gone.md#first-step: no such file"),
        ("# A project", "# See /home/ann/x", "README.md:1: /home/ann is a place on one machine"),
        ("# A project", r"# See C:\Users\ann", "README.md:1: C:\\Users is a place"),
    ],
)
def test_a_lie_is_named(root: Path, old: str, new: str, problem: str) -> None:
    readme = root / "README.md"
    readme.write_text(readme.read_text().replace(old, new))
    assert any(problem in found for found in problems(root)), problems(root)


def test_two_decisions_of_one_number_and_a_wrong_title_are_named(root: Path) -> None:
    folder = root / "docs" / "decisions"
    folder.mkdir()
    (folder / "0001-one.md").write_text("# 1. One\n")
    (folder / "0002-two.md").write_text("# 2. Two\n")
    assert list(docs_check.decisions(root)) == []
    (folder / "0002-other.md").write_text("# 3. Other\n")
    title, shared = docs_check.decisions(root)
    assert "0002-other.md: its title does not begin with `# 2. `" in title
    assert "0002-other.md and 0002-two.md share a number" in shared


def test_the_manual_has_every_command_and_its_options() -> None:
    manual = docs_check.manual()
    assert "## assay study run\n" in manual
    assert "## assay baseline set\n" in manual
    assert "--dry-run" in manual
