"""How commands answer when the words or the disk are wrong: `--json` always has its object."""

from __future__ import annotations

import errno
import json
import sys
from typing import Any

import pytest

from core.cli import app
from core.cli.answer import Answer, answer
from core.project import Project


def call(*words: str) -> int | str | None:
    """The exit code of `assay <words>` in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["assay", *words])
        with pytest.raises(SystemExit) as left:
            app.run()
    return left.value.code


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["run"], "task"),
        (["ls", "--limit", "x"], "--limit"),
        (["bogus"], "'bogus'"),
        (["ls", "--nope"], "--nope"),
    ],
)
def test_a_usage_error_has_json_too(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*words, "--json") == 2
    out, err = capsys.readouterr()
    answered = json.loads(out)
    assert not answered["ok"]
    assert answered["error"]["code"] == "usage"
    assert named in answered["error"]["message"]
    assert answered["error"]["message"] in err
    assert call(*words) == 2
    assert capsys.readouterr().out == ""


def test_a_missing_project_folder_has_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("-C", "nowhere", "ls", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "no folder nowhere"


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("-h") == 0
    assert "Usage: " in capsys.readouterr().out
    assert call("ls", "-h") == 0
    assert "Usage: " in capsys.readouterr().out
    assert call("--version") == 0
    assert capsys.readouterr().out.startswith("assay ")


def test_config_takes_the_name_of_a_study(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.root)
    (project.root / "studies").mkdir(exist_ok=True)
    (project.root / "studies" / "s.yaml").write_text("task: toy\nkind: seeds\nconfig: {lr: 0.25}\n")
    assert call("config", "toy", "-s", "s", "--json") == 0
    assert json.loads(capsys.readouterr().out)["data"]["config"]["lr"] == 0.25
    assert call("config", "toy", "-s", "t") == 2
    assert "no study 't' in studies/. Known: s" in capsys.readouterr().err


def fail(number: int) -> Any:
    """A command that meets this error of the system."""

    def command() -> Answer:
        raise OSError(number, "what the system says", "some/file")

    return command


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_or_read_only_disk_is_one_line(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(fail(number), as_json=False) == 2
    said = capsys.readouterr().err
    assert said.startswith("assay: cannot write to some/file: what the system says.")
    assert said.count("\n") == 1


def test_a_forbidden_file_is_one_line_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(fail(errno.EACCES), as_json=True) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "disk"


def test_other_system_errors_stay_bugs() -> None:
    with pytest.raises(OSError, match="what the system says"):
        answer(fail(errno.EIO), as_json=False)
