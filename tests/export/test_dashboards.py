"""Dashboards: made from the task, read back by W&B's own models, sent to a fake on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core import project as projects
from core import registry
from core.errors import AssayError
from core.export import dashboards, panels
from core.project import Project
from tests import toy
from tests.export import fake

KEY = "x" * 40


def sections(built: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    bank = built["workspace"]["spec"]["section"]["panelBankConfig"]
    return {one["name"]: one["panels"] for one in bank["sections"]}


@pytest.fixture
def built(project: Project) -> dict[str, Any]:
    toy.assay(project.root, "wandb", "build", "toy", check=True)
    found: dict[str, Any] = json.loads(
        (project.root / "studies" / "dashboards" / "toy.json").read_text()
    )
    return found


def test_panels_are_what_the_task_declares(built: dict[str, Any]) -> None:
    found = sections(built)
    bars = [panel["config"] for panel in found["Ablation"]]
    wanted = ["error", "score", "nonfinite_steps", "gpu_ms"]
    assert [bar["metrics"] for bar in bars] == [[f"summary_metrics.best/{m}"] for m in wanted]
    assert {bar["groupBy"] for bar in bars} == {"assay.value.variant"}
    (loss,) = [panel["config"]["metrics"] for panel in found["Losses"]]
    assert loss == ["loss/l2"]
    (trials,) = [p for p in found["Search"] if p["viewType"] == "Parallel Coordinates Plot"]
    axes = [c["accessor"] for c in trials["config"]["columns"]]
    assert axes == ["config:lr.value", "config:shift.value", "summary:best/error"]
    (importance,) = [p for p in found["Search"] if p["viewType"] == "Parameter Importance"]
    assert importance["config"]["targetKey"] == "best/error"
    titles = [p["config"]["chartTitle"] for p in found["Metrics"]]
    assert "nonfinite_steps steps (lower is better), limit ≤ 0" in titles
    said = found["Acceptance"][0]["config"]["value"]
    for clause in ("error gain of 0.02 or more over baseline", "gpu_ms < 60 ms (on a GPU)"):
        assert clause in said


def test_runs_are_grouped_by_study_and_variant(built: dict[str, Any]) -> None:
    (runs,) = built["workspace"]["spec"]["section"]["runSets"]
    names = [g["name"] for g in runs["grouping"]]
    assert names == ["assay.value.study", "assay.value.variant"]
    (wanted,) = runs["filters"]["filters"]
    assert (wanted["key"]["name"], wanted["value"]) == ("tags", ["toy"])
    assert runs["sort"]["keys"] == [
        {"key": {"section": "summary", "name": "best/error"}, "ascending": True}
    ]


def test_a_studys_own_criteria_and_objectives_stand_beside_the_tasks(project: Project) -> None:
    folder = project.root / "studies"
    folder.mkdir()
    (folder / "strict.yaml").write_text(
        "task: toy\nkind: seeds\ncriteria: [{name: low, metric: error, at_most: 0.125}]\n"
    )
    (folder / "two.yaml").write_text("task: toy\nkind: search\nobjectives: [error, score]\n")
    (folder / "none.yaml").write_text("task: toy\nkind: seeds\n")
    own = panels.own(project, "toy")
    assert [one.name for one in own] == ["strict", "two"]
    task = registry.load(project).find("toy")
    found = sections(dashboards.built(task, own))
    told = found["Acceptance"][0]["config"]["value"]
    assert "In strict instead:" in told
    assert "error ≤ 0.125" in told
    titles = [p["config"]["chartTitle"] for p in found["Metrics"]]
    assert [t for t in titles if t.startswith("error ")] == [
        "error (lower is better), in strict ≤ 0.125"
    ]
    trials = next(p for p in found["Search"] if p["viewType"] == "Parallel Coordinates Plot")
    last = [c["accessor"] for c in trials["config"]["columns"]][-2:]
    assert last == ["summary:best/error", "summary:best/score"]
    looked = [p for p in found["Search"] if p["viewType"] == "Parameter Importance"]
    assert len(looked) == 2


@pytest.mark.slow
def test_building_twice_gives_the_same_bytes_and_check_sees_a_change(project: Project) -> None:
    task = registry.load(project).find("toy")
    assert dashboards.text(project, task) == dashboards.text(project, task)
    toy.assay(project.root, "wandb", "build", check=True)
    assert toy.assay(project.root, "wandb", "build", "--check").returncode == 0
    file = project.root / "toytask.py"
    file.write_text(file.read_text().replace("gain=0.02", "gain=0.03"))
    done = toy.assay(project.root, "wandb", "build", "--check")
    assert done.returncode == 4
    assert "toy" in done.stderr


def test_what_is_no_dashboard_is_refused(built: dict[str, Any]) -> None:
    dashboards.check(json.dumps(built), "toy")
    panel = built["workspace"]["spec"]["section"]["panelBankConfig"]["sections"][1]["panels"][0]
    panel["viewType"] = "Crystal Ball"
    for text in ("{", "[]", "{}", json.dumps(built)):
        with pytest.raises(AssayError, match="not a dashboard"):
            dashboards.check(text, "toy")


def test_the_committed_dashboards_are_what_the_tasks_declare() -> None:
    """Mended by `assay wandb build`."""
    here = projects.find(toy.ROOT)
    known = registry.load(here)
    folder = toy.ROOT / dashboards.FOLDER
    assert {file.stem for file in folder.glob("*.json")} == set(known.lines)
    for name in known.lines:
        content = (folder / f"{name}.json").read_text()
        dashboards.check(content, name)
        assert content == dashboards.text(here, known.find(name)), f"assay wandb build {name}"


def publish(project: Project, monkeypatch: pytest.MonkeyPatch, server: fake.Fake) -> Any:
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, server.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    return toy.assay(project.root, "wandb", "publish", "toy", "--entity", "team", "--json")


def test_publishing_sends_both_and_then_replaces_them(
    project: Project, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake.serving() as server:
        first = publish(project, monkeypatch, server)
        assert first.returncode == 0, first.stderr
        again = publish(project, monkeypatch, server)
        assert again.returncode == 0, again.stderr
        sent = server.sent("upsertView")
        other = server.other
    views = [one for one in sent if one["type"] == "project-view"]
    pages = [one for one in sent if one["type"] == "runs"]
    assert len(views) == len(pages) == 2
    assert {(one["entityName"], one["projectName"]) for one in sent} == {("team", "project")}
    spec = json.loads(views[0]["spec"])
    panels = [
        [p["viewType"] for p in s["panels"]] for s in spec["section"]["panelBankConfig"]["sections"]
    ]
    assert panels == [[p["viewType"] for p in part] for part in sections(built).values()]
    assert not views[0].get("id")
    assert views[1]["id"]
    assert views[1]["name"] == views[0]["name"]
    assert pages[1]["id"]
    data = json.loads(first.stdout)["data"]
    assert "/team/project" in data["workspace"]
    assert "/team/project/reports/" in data["report"]
    assert other == []  # no other host was wanted


def test_publishing_without_a_key_or_a_team_is_one_line(project: Project) -> None:
    done = toy.assay(project.root, "wandb", "publish", "toy")
    assert done.returncode == 2
    assert "--entity" in done.stderr
    done = toy.assay(project.root, "wandb", "publish", "toy", "--entity", "team")
    assert done.returncode == 2
    assert "wandb login" in done.stderr


def test_the_files_are_where_git_sees_them(project: Project, built: dict[str, Any]) -> None:
    assert Path("studies/dashboards") == dashboards.FOLDER
    toy.run_git(project.root, "add", "-A")
    assert "studies/dashboards/toy.json" in toy.run_git(project.root, "status", "--short")
