"""Runs in W&B, read back from the real offline files by W&B's own reader."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from core import events
from core.export import scope, wandb_file
from core.export.follow import Exporter
from core.export.settings import Settings
from core.ledger import Ledger
from core.project import Project
from tests import toy
from tests.export import reading

STUDY = "task: toy\nkind: ablation\nvariants: [baseline, better]\nseeds: [0, 1]\n"
OFFLINE = Settings(wandb="offline", project="lines")


def picture(project: Project) -> None:
    """Have the toy leave a picture."""
    file = project.root / "toywork.py"
    drawn = """    from PIL import Image
    image = out / "fit.png"
    Image.new("RGB", (4, 3), (9, 99, 199)).save(image)
    return [path, image]
"""
    head, tail = file.read_text().rsplit("    return [path]\n", 1)
    file.write_text(head + drawn + tail)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, Any]]:
    """A judged study, exported as a user would, and the command's answer."""
    made = toy.build(tmp_path_factory.mktemp("exported") / "lines")
    (made.root / "studies").mkdir()
    (made.root / "studies" / "s.yaml").write_text(STUDY)
    picture(made)
    done = toy.assay(made.root, "study", "run", "s", "--wandb", "offline", "--json", check=True)
    reading.settled(made)
    return made, json.loads(done.stdout) | {"said": done.stderr}


def of_better(project: Project) -> tuple[Any, list[reading.Record]]:
    """The record of a judged run, and what W&B's sessions of it hold, one or two."""
    record = Ledger(project).records("variant = 'better' and seed = 1")[0]
    found = reading.files(project.run_dir(record.run))
    return record, [r for file in found for r in reading.inspect(file)]


def test_a_run_is_mapped(told: tuple[Project, dict[str, Any]]) -> None:
    project, answer = told
    record, held = of_better(project)
    run, again = reading.of(held, "run")[0], reading.of(held, "run")[-1]
    assert run["project"] == "lines"
    assert run["run_id"] == again["run_id"] == record.run
    assert run["run_group"] == answer["data"]["study"]
    assert run["job_type"] == "ablation"
    assert run["display_name"] == "toy/better/#1"
    head = toy.run_git(project.root, "rev-parse", "HEAD")
    assert run["tags"] == ["toy", "better", head[:7]]
    config = run["config"]["update"]
    assert config["shift"] == -0.1
    assert config["assay"]["commit"] == head
    assert config["assay"]["dirty"] is True
    tree = toy.run_git(project.root, "show", f"{config['assay']['snapshot']}:toywork.py")
    assert "fit.png" in tree
    assert config["assay"]["seed"] == 1
    rows = [m for m in reading.of(held, "metric") if m.get("glob_name") == "*"]
    assert rows[0]["step_metric"] == "step"


def test_curves_are_those_of_the_run(told: tuple[Project, dict[str, Any]]) -> None:
    project, _ = told
    record, held = of_better(project)
    rows = [row for row in reading.history(held) if "loss/l2" in row]
    expected = events.series(project.run_dir(record.run) / "events.jsonl")
    for name in ("loss/l2", "error"):
        assert [(r["_step"], r[name]) for r in rows] == expected[name]  # to the bit
    assert [r["step"] for r in rows] == list(range(1, 21))


def test_the_picture_is_there(told: tuple[Project, dict[str, Any]]) -> None:
    project, _ = told
    record, held = of_better(project)
    (row,) = [r for r in reading.history(held) if any(k.startswith("images/") for k in r)]
    file = reading.files(project.run_dir(record.run))[0].parent / "files" / row["images/fit.path"]
    assert file.read_bytes() == (project.run_dir(record.run) / "images/fit.png").read_bytes()


def summary(held: list[reading.Record]) -> dict[str, Any]:
    return {k: v for one in reading.of(held, "summary") for k, v in one["update"].items()}


def test_the_verdict_is_there_with_its_reasons(told: tuple[Project, dict[str, Any]]) -> None:
    project, _ = told
    record, held = of_better(project)
    last = reading.of(held, "run")[-1]
    assert "inconclusive" in last["tags"]
    found = summary(held)
    assert found["best/error"] == record.metrics["error"].value
    assert found["absent/gpu_ms"] == "no CUDA"
    assert found["verdict"] == "inconclusive"
    assert "accepted" not in found  # neither 0 nor 1 is true
    assert (found["criteria"], found["criteria_passed"]) == (3, 2)
    second = reading.files(project.run_dir(record.run))[-1].parent
    (file,) = second.glob("files/media/table/*.json")
    table = json.loads(file.read_text())
    rows = {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["data"]}
    assert rows["real time"]["result"] == "unknown"
    assert "CUDA" in rows["real time"]["why"]
    assert rows["better: error"]["result"] == "pass"


def test_the_checkpoint_goes_with_its_verdict(told: tuple[Project, dict[str, Any]]) -> None:
    project, _ = told
    record, held = of_better(project)
    (artifact,) = [a for a in reading.of(held, "artifact") if a["type"] == "model"]
    assert artifact["name"] == "toy-ckpt"
    assert set(artifact["aliases"]) == {"best", "latest"}
    meta = json.loads(artifact["metadata"])
    file = project.run_dir(record.run) / "checkpoints" / "best.ckpt"
    assert meta["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert meta["verdict"] == "inconclusive"
    assert meta["snapshot"] == record.git.commit
    (entry,) = artifact["manifest"]["contents"]
    assert entry["local_path"] == str(file)  # no copy


def test_the_answer_stays_one_object_and_people_are_told(
    told: tuple[Project, dict[str, Any]],
) -> None:
    project, answer = told
    assert answer["ok"] is True
    name = answer["data"]["study"]
    assert f"W&B: 4 runs offline (asked for); send them: assay wandb sync {name}" in answer["said"]
    assert "warning" not in answer["said"]
    listed = toy.assay(project.root, "wandb", "sync", name, "--dry-run", "--json", check=True)
    assert len(json.loads(listed.stdout)["data"]["unsent"]) == 4
    assert toy.run_git(project.root, "status", "--short") != ""  # the toy was changed here
    assert "wandb" not in toy.run_git(project.root, "status", "--short")


def export(project: Project, ref: str, settings: Settings = OFFLINE) -> dict[str, Any]:
    return Exporter(project, scope.find(project, ref), settings).run()


def test_our_reader_agrees_with_theirs(told: tuple[Project, dict[str, Any]]) -> None:
    project, _ = told
    for file in reading.files(project.run_dir(of_better(project)[0].run)):
        theirs = reading.inspect(file)
        assert len(list(wandb_file.records(file))) == len(theirs)
        assert wandb_file.whole(file)
        steps = [row["_step"] for row in reading.history(theirs)]
        assert wandb_file.last_step(file) == max(steps)


def test_a_shortened_file_is_not_whole(
    told: tuple[Project, dict[str, Any]], tmp_path: Path
) -> None:
    project, _ = told
    data = reading.files(project.run_dir(of_better(project)[0].run))[0].read_bytes()
    file = tmp_path / "part.wandb"
    for length in (0, 7, 100, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:length])
        assert not wandb_file.whole(file)
    middle = len(data) // 2
    file.write_bytes(data[:middle] + bytes(len(data) - middle))
    assert not wandb_file.whole(file)


def test_what_was_sent_is_not_sent_again(ran: Project) -> None:
    export(ran, "@last")
    folder = ran.run_dir(Ledger(ran).find("@last").run)
    (file,) = reading.files(folder)
    half = file.read_bytes()[: len(file.read_bytes()) // 2]
    file.write_bytes(half)  # as if it had been sent while the run went on
    file.with_name(f"{file.name}.synced").touch()
    sent = wandb_file.last_step(file)
    shutil.rmtree(folder / "export", ignore_errors=True)
    (folder / "wandb" / "position.json").unlink()
    export(ran, "@last")
    _old, new = reading.files(folder)
    steps = [r["step"] for r in reading.history(reading.inspect(new)) if "error" in r]
    assert 0 < sent < 20
    assert steps == list(range(sent + 1, 21))


def test_what_no_number_is_stays_none(project: Project) -> None:
    toy.assay(project.root, "run", "toy", "-o", "misbehave=nan")
    export(project, "@last")
    record = Ledger(project).find("@last")
    (file,) = reading.files(project.run_dir(record.run))
    held = reading.inspect(file)
    losses = [r["loss/l2"] for r in reading.history(held) if "loss/l2" in r]
    assert record.status == "diverged"
    assert losses[-2:] == ["NaN"] * 2  # the third ended the run before it was logged
    assert reading.of(held, "exit") == [{"exit_code": 1}]
    assert summary(held)["status"] == "diverged"
    assert re.search("non-finite", summary(held)["reason"])
