"""When W&B is off, offline or online."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from core.errors import AssayError
from core.export import mode, settings
from core.project import Project
from tests import toy


@pytest.mark.parametrize(
    ("wanted", "env", "key", "becomes"),
    [
        ("off", "", True, "off"),
        ("off", "online", True, "off"),
        ("offline", "", True, "offline"),
        ("offline", "online", True, "offline"),
        ("online", "", True, "online"),
        ("online", "", False, "offline"),
        ("online", "offline", True, "online"),
        ("auto", "", True, "online"),
        ("auto", "", False, "offline"),
        ("auto", "online", True, "online"),
        ("auto", "online", False, "offline"),
        ("auto", "offline", True, "offline"),
        ("auto", "dryrun", True, "offline"),
        ("auto", "disabled", True, "off"),
    ],
)
def test_mode(wanted: Any, env: str, key: bool, becomes: str) -> None:
    found = mode.resolve(wanted, {"WANDB_MODE": env} if env else {}, lambda: key)
    assert found.name == becomes
    assert found.why


@pytest.mark.parametrize("wanted", ["off", "offline"])
def test_a_key_is_not_looked_for_where_it_cannot_matter(wanted: Any) -> None:
    def has_key() -> bool:
        raise AssertionError("it was")

    assert mode.resolve(wanted, {}, has_key).name == wanted


@pytest.mark.parametrize(
    ("key", "said", "known"),
    [
        ("", "online", False),
        ("x" * 40, "online", True),
        ("x" * 40, "offline", True),
        ("malformed", "online", False),
    ],
)
def test_a_key_is_found_without_asking_anybody(key: str, said: str, known: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from core.export.mode import has_key; print(has_key())"],
        env={
            **{"PATH": "", "HOME": "nowhere", "WANDB_SILENT": "true"},
            **{"WANDB_API_KEY": key, "WANDB_MODE": said},
        },
        cwd=toy.ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.stdout.strip() == str(known), done.stderr


def test_off_never_imports_wandb(project: Project) -> None:
    code = """
import sys
from core.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
    words = ["run", "toy", "--tiny", "--wandb", "off"]
    done = subprocess.run(
        [sys.executable, "-c", code, "-C", str(project.root), *words],
        cwd=toy.ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not {"wandb", "tensorboard"} & set(done.stderr.splitlines()[-1].split())
    (run,) = project.runs.iterdir()
    assert not (run / "wandb").exists()
    assert not (run / "export").exists()


def review(project: Project, text: str) -> None:
    with (project.root / "registry.yaml").open("a") as file:
        file.write(f"review: {text}\n")


def test_what_is_given_beats_what_a_study_began_with_beats_the_project(project: Project) -> None:
    assert settings.of(project) == settings.Settings(project="project")
    review(project, "{wandb: offline, tensorboard: true, project: relight, entity: team}")
    folder = project.store / "export"
    assert settings.of(project, folder).project == "relight"
    settings.keep(folder, settings.of(project, tensorboard=False))
    again = settings.of(project, folder)
    assert (again.wandb, again.tensorboard) == ("offline", False)
    assert settings.of(project, folder, wandb="off", tensorboard=False).on is False


@pytest.mark.parametrize(
    ("text", "said"),
    [("{wandb: on}", "review.wandb = 'on'"), ("{wand: auto}", "review.wand = 'auto'")],
)
def test_a_mistake_in_the_project_is_named(project: Project, text: str, said: str) -> None:
    review(project, text)
    with pytest.raises(AssayError, match=said):
        settings.of(project)


def test_an_unknown_mode_gets_the_closest(project: Project) -> None:
    done = toy.assay(project.root, "run", "toy", "--wandb", "ofline")
    assert done.returncode == 2
    assert "offline" in done.stderr
    assert not project.runs.exists()
