from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, Field

from core import datasheet, registry
from core.contract import AnyOf, Criterion, TaskConfig
from core.project import Project
from tests.toy import assay, toytask


def test_the_board_has_a_row_a_task_and_a_broken_one_hides_no_other(project: Project) -> None:
    listed = project.root / "registry.yaml"
    listed.write_text(listed.read_text() + "  gone: nowhere:task\n")
    gone, toy = datasheet.board(registry.load(project))
    assert gone["name"] == "gone"
    assert gone["broken"].startswith("nowhere:task does not import: ModuleNotFoundError")
    assert toy == {
        "name": "toy",
        "origin": "registry.yaml",
        "title": "A line through points",
        "version": 1,
        "primary": "error",
        "unit": "1",
        "variants": 3,
        "criteria": 3,
    }


def test_the_sheet_holds_every_declared_thing_and_is_json() -> None:
    sheet = json.loads(json.dumps(datasheet.sheet(toytask.task), allow_nan=False))
    assert [row["key"] for row in sheet["config"]] == list(toytask.ToyConfig.model_fields)
    assert [m["name"] for m in sheet["metrics"]] == ["error", "score", "gpu_ms", "nonfinite_steps"]
    assert sheet["losses"][0]["formula"] == "mean (ax + b - y)²"
    assert sheet["search"] == {"lr": "0.01 to 0.5 (log)", "shift": "0.0 | 0.1"}
    assert sheet["tools"] == {"double": "toywork:double", "count": "toywork:count"}
    assert sheet["variants"][1] == {"name": "quick", "set": {"lr": 0.3}, "why": ""}


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ({"at_least": 30}, "score at least 30 dB"),
        ({"at_most": -0.5}, "score at most -0.5 dB"),
        ({"below": 60}, "score below 60 dB"),
        ({"gain": 0.02}, "score at least 0.02 dB better than baseline"),
        ({"gain": -0.3, "against": "best"}, "score at most 0.3 dB worse than best"),
        ({"gain": 0}, "score at least 0 dB better than baseline"),
        ({"ratio": 0.1}, "score at least 10 % better than baseline"),
        ({"below": 60, "needs": "cuda"}, "score below 60 dB (on CUDA)"),
    ],
)
def test_a_criterion_reads_as_a_sentence(clause: dict[str, object], words: str) -> None:
    one = Criterion.model_validate({"name": "c", "metric": "score", **clause})
    assert datasheet.criterion(toytask.task, one) == words


def test_alternatives_are_joined_by_or_and_a_plain_ratio_has_no_unit() -> None:
    members = (
        Criterion(name="a", metric="error", gain=0.02),
        Criterion(name="b", metric="score", at_least=3),
    )
    assert datasheet.criterion(toytask.task, AnyOf(name="any", of=members)) == (
        "error at least 0.02 better than baseline, or score at least 3 dB"
    )


class Source(BaseModel):
    root: str = Field("here", description="Where from")
    share: float = Field(0.5, gt=0, lt=1)


class Nested(TaskConfig):
    source: Source = Source()
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[int, int] = (1, 2)
    limit: int | None = Field(None, ge=1, le=9)


def test_settings_open_nested_models_and_say_what_each_key_takes() -> None:
    task = toytask.task.model_copy(update={"config": Nested})
    found = {row["key"]: (row["default"], row["takes"]) for row in datasheet.settings(task)}
    assert found == {
        "source.root": ("here", "string"),
        "source.share": (0.5, "number > 0 < 1"),
        "sizes": ([1, 2], "list of integer"),
        "pair": ([1, 2], "list of 2"),
        "limit": (None, "integer ≥ 1 ≤ 9 or null"),
    }


def test_the_commands_show_both(project: Project) -> None:
    board = assay(project.root, "tasks", check=True).stdout.splitlines()
    assert board[1].split()[:5] == ["toy", "1", "error", "3", "3"]
    sheet = assay(project.root, "tasks", "toy", check=True).stdout
    assert ["lr", "0.1", "number"] in [line.split() for line in sheet.splitlines()]
    assert "  real time  gpu_ms below 60 ms (on CUDA)" in sheet
    assert json.loads(assay(project.root, "tasks", "toy", "--json").stdout)["data"]["name"] == "toy"
