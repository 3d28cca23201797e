"""Bad input: one line on stderr naming the thing and the next step, exit code 2, nothing lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core import project as projects
from core.project import Project
from tests import toy


def refused(folder: Path, *words: str, code: int = 2) -> str:
    """The one line with which a command refuses."""
    done = toy.assay(folder, *words)
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("assay: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "toi"], "no task 'toi' in registry.yaml. Did you mean 'toy'?"),
        (["run", "toy", "-o", "lrr=1"], "no config key 'lrr' in toy (-o). Did you mean 'lr'?"),
        (["run", "toy", "-o", "lr=fast"], "lr = 'fast' (from -o)"),
        (["run", "toy", "-o", "lr"], "-o lr is not key=value"),
        (["run", "toy", "-v", "quik"], "no variant 'quik' in task toy. Did you mean 'quick'?"),
        (["run", "toy", "--device", "tpu"], "no device 'tpu'. Known: cpu, cuda"),
        (["run", "toy", "-o", "points=nowhere.csv"], "input 'points' is not there"),
        (["run", "toy", "--start-from", "01ABC:best"], "no run '01ABC'"),
        (["show", "@baseline"], "Set one with `assay baseline set`"),
        (["show", "@best:eror"], "'eror'"),
        (["ls", "-w", "eror < 1"], "no column 'eror'"),
        (["resume", "01ABC"], "01ABC"),
        (["accept", "toi"], "no task 'toi'"),
        (["study", "run", "nothing"], "nothing"),
        (["do", "toy", "duble"], "no tool 'duble' in task toy. Did you mean 'double'?"),
        (["new", "Toy-2"], "Toy-2"),
    ],
)
def test_what_does_not_exist_names_the_closest(
    project: Project, words: list[str], message: str
) -> None:
    assert message in refused(project.root, *words)


def test_a_criterion_on_an_undeclared_metric(project: Project) -> None:
    file = project.root / "toytask.py"
    file.write_text(file.read_text().replace('metric="gpu_ms"', 'metric="gpu_s"'))
    said = refused(project.root, "run", "toy")
    assert "no metric 'gpu_s' in task toy, real time. Did you mean 'gpu_ms'?" in said


def test_a_broken_registry_names_file_and_line(project: Project) -> None:
    (project.root / "registry.yaml").write_text("tasks:\n  toy: toytask:task\n  toy: x:y\n")
    assert "registry.yaml, line 3: key 'toy' stands twice" in refused(project.root, "run", "toy")


def test_no_project(tmp_path: Path) -> None:
    said = refused(tmp_path, "ls")
    assert "no registry.yaml in" in said
    assert "pass --project DIR" in said


def test_a_folder_that_cannot_be_written(project: Project) -> None:
    (project.root / "runs").write_text("in the way\n")
    assert "cannot write to" in refused(project.root, "run", "toy")


def test_outside_git_a_run_works_and_says_so_and_repro_refuses(tmp_path: Path) -> None:
    plain = toy.build(tmp_path / "plain", git=False)
    done = toy.assay(plain.root, "run", "toy", "--json")
    assert done.returncode == 0
    record = json.loads(done.stdout)["data"]
    assert record["git"] is None
    assert record["status"] == "finished"
    assert "not in git" in toy.assay(plain.root, "show", "@last").stdout
    assert "git repository" in refused(plain.root, "repro", "@last")
    assert "git" in refused(plain.root, "ledger", "commit")


def test_an_unborn_head_is_no_obstacle_to_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    toy.build(folder, git=False)
    toy.run_git(folder, "init", "-q")
    unborn = projects.find(folder)
    done = toy.assay(unborn.root, "run", "toy", "--json")
    record = json.loads(done.stdout)["data"]
    assert record["git"]["head"] is None
    assert len(record["git"]["commit"]) == 40


def test_json_carries_the_refusal(project: Project) -> None:
    done = toy.assay(project.root, "run", "toi", "--json")
    answer = json.loads(done.stdout)
    assert (answer["ok"], answer["data"], answer["schema"]) == (False, None, "assay.cli/1")
    assert answer["error"]["code"] == "unknown_task"
    assert "Did you mean 'toy'?" in answer["error"]["hint"]


def test_a_failed_run_says_where_and_what_next(project: Project) -> None:
    done = toy.assay(project.root, "run", "toy", "-o", "misbehave=raise")
    assert done.returncode == 5
    said = done.stdout + done.stderr
    for part in ("toywork.py:", "log.txt", "last.ckpt", "assay resume ", "assay repro "):
        assert part in said
