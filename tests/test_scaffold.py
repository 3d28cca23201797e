"""`assay new` writes a task that works as it stands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core import project, registry, scaffold
from core.errors import AssayError
from core.project import Project
from tests.toy import ROOT, assay

REGISTRY = """# Which tasks this checkout has.
tasks:
    lightmap: tasks.lightmap:task  # the first
    # the end
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Project:
    """A checkout like ours with no task in it."""
    (tmp_path / "registry.yaml").write_text(REGISTRY)
    (tmp_path / "core").symlink_to(ROOT / "core")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").touch()
    return project.find(tmp_path)


def files(made: Project) -> list[str]:
    return sorted(
        str(p.relative_to(made.root))
        for top in ("tasks", "tests")
        for p in (made.root / top).rglob("*")
        if p.is_file()
    )


def run(made: Project, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=made.root,
        env={"PYTHONPATH": str(made.root), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_writes_what_it_says_and_registers_it(checkout: Project) -> None:
    said = scaffold.new(checkout, "denoise")
    assert files(checkout) == sorted([*said[:-1], "tasks/__init__.py"])
    assert said[-1] == "registry.yaml"
    assert registry.load(checkout).line("denoise").use == "tasks.denoise:task"


def test_the_registry_keeps_its_comments_and_its_indent(checkout: Project) -> None:
    scaffold.new(checkout, "denoise")
    first = "    lightmap: tasks.lightmap:task  # the first\n"
    assert (checkout.root / "registry.yaml").read_text() == REGISTRY.replace(
        first, f"{first}    denoise: tasks.denoise:task\n"
    )


@pytest.mark.parametrize("text", ["tasks:\n", "tasks:", "tasks: # none yet\n"])
def test_an_empty_registry_gets_its_first_line(checkout: Project, text: str) -> None:
    (checkout.root / "registry.yaml").write_text(text)
    scaffold.new(checkout, "denoise")
    assert list(registry.load(checkout).lines) == ["denoise"]


def test_a_registry_on_one_line_is_left_alone(checkout: Project) -> None:
    (checkout.root / "registry.yaml").write_text("tasks: {a: b:c}\n")
    with pytest.raises(AssayError, match="has no line `tasks:` with the tasks below it"):
        scaffold.new(checkout, "denoise")
    assert files(checkout) == ["tasks/__init__.py"]


def test_a_dry_run_writes_nothing(checkout: Project) -> None:
    said = scaffold.new(checkout, "denoise", dry_run=True)
    assert "tasks/denoise/work.py" in said
    assert files(checkout) == ["tasks/__init__.py"]
    assert (checkout.root / "registry.yaml").read_text() == REGISTRY


def test_the_command_says_what_comes_next(checkout: Project) -> None:
    done = assay(checkout.root, "new", "denoise", check=True)
    assert done.stdout.splitlines()[-1] == "next: assay run denoise --tiny"
    again = assay(checkout.root, "new", "denoise")
    assert again.returncode == 2
    assert again.stderr.startswith("assay: the name 'denoise' is taken by registry.yaml.")


@pytest.mark.parametrize("name", ["Denoise", "2d", "a-b", "a.b", "../a", "", "class", "a" * 41])
def test_a_name_that_is_none_is_refused(checkout: Project, name: str) -> None:
    with pytest.raises(AssayError, match=f"'{name}' is no name for a task"):
        scaffold.new(checkout, name)


def test_a_taken_name_is_refused_and_its_owner_named(checkout: Project) -> None:
    with pytest.raises(AssayError, match=r"'lightmap' is taken by registry\.yaml"):
        scaffold.new(checkout, "lightmap")
    (checkout.root / "tests" / "denoise").mkdir(parents=True)
    with pytest.raises(AssayError, match="'denoise' is taken by tests/denoise"):
        scaffold.new(checkout, "denoise")


def test_trouble_in_the_middle_leaves_no_trace(
    checkout: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fails_at_the_registry(self: Path, target: Path) -> Path:
        if self.name == "registry.yaml":
            raise OSError("no space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_at_the_registry)
    with pytest.raises(OSError, match="no space left"):
        scaffold.new(checkout, "denoise")
    assert files(checkout) == ["tasks/__init__.py"]
    assert (checkout.root / "registry.yaml").read_text() == REGISTRY
    assert not list(checkout.root.glob(".new*"))


def test_what_it_writes_is_formatted_and_clean(checkout: Project) -> None:
    scaffold.new(checkout, "denoise")
    run(checkout, "ruff", "format", "--check", "--no-cache", "tasks", "tests")
    run(checkout, "ruff", "check", "--no-cache", "tasks", "tests")


def test_what_it_writes_passes_its_own_test(checkout: Project) -> None:
    scaffold.new(checkout, "denoise")
    run(checkout, "pytest", "tests/denoise")


@pytest.mark.slow
def test_what_it_writes_is_typed(checkout: Project) -> None:
    scaffold.new(checkout, "denoise")
    run(checkout, "mypy", "--cache-dir", str(ROOT / ".mypy_cache"), "-p", "tasks.denoise")
