"""A task from outside: a pip package with an entry point, and no change in this checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core import registry
from core.errors import AssayError
from core.project import Project
from core.testing import check_task
from tests import toy

SOURCE = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip installed the plug-in, without network."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    words = "install -q --no-build-isolation --no-deps --no-index --disable-pip-version-check"
    subprocess.run(
        [sys.executable, "-m", "pip", *words.split(), "--target", folder / "site", "."],
        cwd=folder / "source",
        check=True,
    )
    return folder / "site"


@pytest.fixture
def installed(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, on this test's path and on that of the processes it starts."""
    monkeypatch.syspath_prepend(str(built))
    monkeypatch.setenv("PYTHONPATH", str(built))
    return built


def test_the_tasks_list_says_where_it_comes_from(project: Project, installed: Path) -> None:
    said = toy.assay(project.root, "tasks", check=True).stdout.splitlines()
    (line,) = [x for x in said if x.startswith("smooth")]
    assert "assay-smooth" in line
    assert any(x.startswith("toy") and "registry.yaml" in x for x in said)


def test_it_runs_like_any_other(project: Project, installed: Path) -> None:
    done = toy.assay(project.root, "run", "smooth", "--tiny", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)["data"]
    assert record["status"] == "finished"
    assert record["task"] == "smooth"
    assert 0 < record["metrics"]["error"]["value"] < 1


def test_it_keeps_every_promise(project: Project, installed: Path, tmp_path: Path) -> None:
    check_task(registry.load(project).find("smooth"), folder=tmp_path)


def test_one_name_from_two_places_names_both(project: Project, installed: Path) -> None:
    listed = project.root / "registry.yaml"
    listed.write_text(listed.read_text() + "  smooth: toytask:task\n")
    with pytest.raises(
        AssayError, match=r"'smooth' is registered by registry\.yaml and by assay-smooth"
    ):
        registry.load(project)
    done = toy.assay(project.root, "tasks")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_a_plugin_that_raises_is_one_line_and_harms_nobody(
    project: Project, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "assay_burst-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assay-burst\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[assay.tasks]\nburst = assay_burst:task\n")
    (info.parent / "assay_burst.py").write_text("raise RuntimeError('no licence\\nfound')\n")
    monkeypatch.setenv("PYTHONPATH", f"{installed}{os.pathsep}{info.parent}")
    done = toy.assay(project.root, "tasks")
    assert done.returncode == 0, done.stderr
    (line,) = [x for x in done.stdout.splitlines() if "BROKEN: " in x]
    assert line.startswith("burst")
    assert "RuntimeError: no licence" in line
    assert {"smooth", "toy"} <= {x.split()[0] for x in done.stdout.splitlines()}
    assert toy.assay(project.root, "tasks", "smooth").returncode == 0
    assert toy.assay(project.root, "tasks", "burst").returncode == 2
