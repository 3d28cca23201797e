from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import pytest

from core import plan, registry, tools
from core.errors import AssayError
from core.execute import Supervisor
from core.project import Project, find
from tests import toy


def test_a_declared_tool_gets_its_own_options_and_the_config_the_rest(project: Project) -> None:
    assert tools.call(project, "toy", "double", "", {"value": 4.0, "lr": 0.2}, "cpu") == 8.0
    with pytest.raises(AssayError, match="no config key 'vlaue'"):
        tools.call(project, "toy", "double", "", {"vlaue": 4.0}, "cpu")
    with pytest.raises(AssayError, match=r"no tool 'duble' in task toy\. Did you mean 'double'"):
        tools.call(project, "toy", "duble", "", {}, "cpu")


def test_every_task_has_infer_and_visualise_for_a_recorded_run(
    project: Project, tmp_path: Path
) -> None:
    record = Supervisor(project).run(plan.prepare(project, "toy"))
    (line,) = tools.call(project, "toy", "infer", record.run, {"out": str(tmp_path)}, "cpu")
    saved = json.loads((project.run_dir(record.run) / "checkpoints" / "best.ckpt").read_text())
    assert line.read_text().split() == [str(saved["state"]["line"][k]) for k in ("a", "b")]
    (points,) = tools.call(project, "toy", "visualise", f"{record.run}:last", {}, "cpu")
    assert points.is_relative_to(project.runs / "tools")
    with pytest.raises(AssayError, match=r"toy infer needs ckpt\. Give --run <run>"):
        tools.call(project, "toy", "infer", "", {}, "cpu")


def test_do_prints_what_the_tool_gives(project: Project) -> None:
    done = toy.assay(project.root, "do", "toy", "double", "-o", "value=3", "--json")
    assert json.loads(done.stdout)["data"] == 6.0


def test_a_watcher_hears_the_progress_of_a_tool(project: Project) -> None:
    seen: list[dict[str, object]] = []
    tools.call(project, "toy", "count", "", {"to": 3}, "cpu", watch=seen.append)
    assert [(e["kind"], e["done"], e["total"]) for e in seen] == [
        ("progress", i, 3) for i in (1, 2, 3)
    ]


def test_do_prints_a_mapping_line_by_line(project: Project) -> None:
    done = toy.assay(project.root, "do", "toy", "count", "-o", "to=2")
    assert done.stdout == "to: 2\nseen:\n  1\n  2\n"
    assert json.loads(toy.assay(project.root, "do", "toy", "count", "-o", "to=2", "--json").stdout)[
        "data"
    ] == {"to": 2, "seen": [1, 2]}


@pytest.mark.parametrize(
    ("tool", "options"),
    [("double", {"value": "two"}), ("double", {"value": float("nan")}), ("count", {"to": 2.5})],
)
def test_an_option_of_another_kind_is_named_with_its_value(
    project: Project, tool: str, options: dict[str, Any]
) -> None:
    (name,) = options
    with pytest.raises(AssayError, match=rf"-o {name}={options[name]}: Input should be"):
        tools.call(project, "toy", tool, "", options, "cpu")


def test_a_tool_knows_which_settings_were_given(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(tools, "find", lambda *_: lambda cfg, run: told.append(cfg))
    tools.call(project, "toy", "any", "", {"lr": 0.2}, "cpu")
    assert told[0].model_fields_set == {"lr"}
    assert told[0].lr == 0.2
    assert told[0].model_dump() == type(told[0])(lr=0.2).model_dump()


@pytest.mark.parametrize("name", ["lightmap", "circuitnet", "route"])
def test_the_options_of_every_tool_have_kinds_that_can_be_checked(name: str) -> None:
    task = registry.load(find(Path(__file__).parent)).find(name)
    for tool in task.tools:
        assert "cfg" in typing.get_type_hints(tools.find(task, tool))
