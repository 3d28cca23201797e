"""assay repro and assay diff on the toy: a run done again is the run, whatever happened since."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from core import compare, plan, repro
from core.cli import compare as commands
from core.contract import Budget
from core.errors import AssayError
from core.execute import Supervisor
from core.ledger.record import RunRecord
from core.project import Project, find
from tests import toy


def run(project: Project, **given: Any) -> RunRecord:
    overrides = given.pop("set", {})
    return Supervisor(project).run(plan.prepare(project, "toy", overrides=overrides, **given))


def edit(project: Project, name: str, old: str, new: str) -> None:
    path = project.root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def assay(project: Project) -> Any:
    """Call a command in the project."""
    app = typer.Typer(rich_markup_mode=None)
    commands.register(app)

    def call(*words: str) -> Result:
        return CliRunner().invoke(app, list(words), catch_exceptions=False)

    return call


def results(repeat: repro.Repeat) -> dict[str, str]:
    return {row.metric: row.result for row in repeat.metrics}


SAME = {"error": "exact", "gpu_ms": "not measured", "nonfinite_steps": "exact", "score": "exact"}


def test_a_repeat_runs_the_recorded_code_not_todays(project: Project) -> None:
    """Uncommitted, untracked and since rewritten: the numbers come back to the last bit."""
    edit(project, "toywork.py", "draw.uniform(-1, 1)", "draw.uniform(*SPAN)")
    edit(
        project, "toywork.py", "from core.kit import", "from span import SPAN\nfrom core.kit import"
    )
    (project.root / "span.py").write_text("SPAN = (-3, 3)\n")
    first = run(project, seed=5, set={"total_steps": 11, "noise": 0.2})
    (project.root / "span.py").unlink()
    toy.run_git(project.root, "checkout", "-q", ".")
    other = run(project, seed=5, set={"total_steps": 11, "noise": 0.2})
    assert other.metrics["error"].value != first.metrics["error"].value
    before = toy.run_git(project.root, "status", "--porcelain")

    got = repro.repeat(Supervisor(project), first)

    assert results(got) == SAME
    assert got.environment == {}
    assert got.record.status == "finished"
    assert (got.record.kind, got.record.parent) == ("repro", first.run)
    assert (got.record.seed, got.record.config) == (5, first.config)
    assert got.record.group not in (first.group, other.group)
    assert got.tree is None
    assert not list((project.store / "worktrees").iterdir())
    assert toy.run_git(project.root, "status", "--porcelain") == before


def test_a_change_of_the_numbers_shows(project: Project) -> None:
    """The recorded value is altered, so that the repeat has something to differ from."""
    first = run(project)
    error = first.metrics["error"]

    def shifted(by: float) -> RunRecord:
        changed = error.model_copy(update={"value": error.value * (1 + by)})
        return first.model_copy(update={"metrics": {**first.metrics, "error": changed}})

    assert results(repro.repeat(Supervisor(project), shifted(1e-8)))["error"] == "within tolerance"
    assert results(repro.repeat(Supervisor(project), shifted(1e-4)))["error"] == "differs"
    wide = repro.repeat(Supervisor(project), shifted(1e-4), tolerance=1e-3)
    assert results(wide)["error"] == "within tolerance"


def test_budget_and_limits_come_from_the_record_where_the_folder_is_gone(project: Project) -> None:
    first = run(project, budget=Budget(steps=4))
    assert first.steps == 4
    shutil.rmtree(project.run_dir(first.run))
    got = repro.repeat(Supervisor(project), first)
    assert results(got) == SAME
    assert got.record.steps == 4


def test_an_evaluate_only_run_is_repeated_without_training(project: Project) -> None:
    trained = run(project, set={"total_steps": 6})
    start = project.run_dir(trained.run) / "checkpoints" / "best.ckpt"
    first = run(project, seed=1, start_from=start)
    got = repro.repeat(Supervisor(project), first)
    assert results(got) == SAME
    assert not got.record.series


def test_a_run_of_another_worktree_is_repeated_from_the_same_checkpoint(
    project: Project, tmp_path: Path
) -> None:
    trained = run(project, set={"total_steps": 6})
    start = project.run_dir(trained.run) / "checkpoints" / "best.ckpt"
    first = run(project, seed=1, start_from=start)
    toy.run_git(project.root, "worktree", "add", "-q", "--detach", str(tmp_path / "side"))
    got = repro.repeat(Supervisor(find(tmp_path / "side")), first)
    assert results(got) == SAME
    assert not got.record.series


def test_relative_data_is_taken_from_the_main_checkout(project: Project) -> None:
    (project.root / ".gitignore").write_text("runs/\n__pycache__/\ndata/\n")
    (project.root / "data").mkdir()
    points = project.root / "data" / "points.csv"
    points.write_text("".join(f"{x / 16},{x / 8 + 1}\n" for x in range(32)))
    first = run(project, set={"points": "data/points.csv"})
    assert first.status == "finished", first.reason
    assert results(repro.repeat(Supervisor(project), first)) == SAME
    points.write_text("0,0\n" * 32)
    with pytest.raises(AssayError, match=r"data of run .* changed since: points"):
        repro.repeat(Supervisor(project), first)


def test_a_config_that_todays_task_refuses_still_runs_without_data(project: Project) -> None:
    first = run(project)
    edit(project, "toytask.py", "lr: float = 0.1", "rate: float = 0.1")
    edit(project, "toywork.py", "cfg.lr", "cfg.rate")
    toy.commit(project.root, "rename")
    assert results(repro.repeat(Supervisor(project), first)) == SAME


def test_other_packages_and_versions_are_listed(project: Project) -> None:
    first = run(project)
    env = first.env.model_copy(update={"python": "3.1", "digest": "other"})
    got = repro.repeat(Supervisor(project), first.model_copy(update={"env": env}))
    assert got.environment == {
        "python": ("3.1", first.env.python),
        "installed packages": ("other", first.env.digest),
    }


def with_core(project: Project) -> None:
    """Give the project a core of its own, as assay's own repository has."""
    skip = shutil.ignore_patterns("__pycache__", "weights", "tui", "templates")
    shutil.copytree(toy.ROOT / "core", project.root / "core", ignore=skip)


def test_a_core_in_the_working_directory_does_not_take_the_forkservers_place(
    project: Project,
) -> None:
    """In a process of its own: here the server may have started long ago, elsewhere."""
    with_core(project)
    command = [Path(sys.executable).parent / "assay", "run", "toy"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_repeat_runs_the_core_of_its_own_tree(project: Project) -> None:
    with_core(project)
    first = run(project)
    assert first.status == "finished", first.reason
    got = repro.repeat(Supervisor(project), first, keep=True)
    assert got.record.status == "finished", got.record.reason
    assert results(got) == SAME
    assert got.tree is not None
    assert got.tree.is_relative_to(project.store)
    result = json.loads((project.run_dir(got.record.run) / "result.json").read_text())
    assert Path(result["core"]) == got.tree / "core" / "worker.py"
    assert {"toywork.py", "core/worker.py", "core/kit/loop.py"} <= result["modules"].keys()


def test_a_repeat_that_imports_another_core_has_failed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_core(project)
    first = run(project)
    monkeypatch.setenv("PYTHONSAFEPATH", "1")  # the installed core comes first then
    got = repro.repeat(Supervisor(project), first)
    assert got.record.status == "failed"
    assert "core/worker.py did the run, not the code in" in got.record.reason
    assert got.record.metrics == {}


def test_a_run_without_git_cannot_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = toy.build(tmp_path / "plain", git=False)
    monkeypatch.chdir(plain.root)
    monkeypatch.syspath_prepend(str(plain.root))
    first = run(plain)
    assert first.git is None
    with pytest.raises(AssayError, match="not made in a git repository"):
        repro.repeat(Supervisor(plain), first)


def test_repro_prints_a_table_and_links_the_runs(project: Project, assay: Any) -> None:
    first = run(project)
    done = assay("repro", first.run, "--keep")
    assert done.exit_code == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["metric", "unit", "recorded", "again", "equal?"] in lines
    value = f"{first.metrics['score'].value:.7g}"
    assert ["score", "dB", value, value, "exact"] in lines
    assert Path(lines[-1][-1]).is_dir()


def test_repro_leaves_with_4_where_a_metric_differs(project: Project, assay: Any) -> None:
    """A task that draws on its process id cannot be repeated, and the command says so."""
    edit(project, "toywork.py", "rmse(model, data) + cfg.shift", "os.getpid()")
    first = run(project)
    done = assay("repro", first.run, "--json")
    assert done.exit_code == 4
    answer = json.loads(done.stdout)
    assert answer["error"]["code"] == "differs"
    assert "differs in error, score" in answer["error"]["message"]
    assert answer["data"]["of"] == first.run
    rows = {row["metric"]: row for row in answer["data"]["metrics"]}
    assert rows["error"]["a"] == first.metrics["error"].value
    assert rows["score"]["unit"] == "dB"


def test_repro_of_a_run_that_fails_again_leaves_with_5(project: Project, assay: Any) -> None:
    first = run(project, set={"misbehave": "raise"})
    done = assay("repro", first.run)
    assert done.exit_code == 5
    assert "the toy was told to fail" in done.stderr


def test_diff_shows_all_that_lies_between_two_runs(project: Project, assay: Any) -> None:
    a = run(project, seed=1)
    edit(project, "toywork.py", "draw.uniform(-1, 1)", "draw.uniform(-2, 2)")
    b = run(project, seed=2, variant="quick", budget=Budget(steps=3))
    done = assay("diff", a.run, b.run)
    assert done.exit_code == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["lr", "0.1", "0.3"] in rows
    assert ["seed", "1", "2"] in rows
    assert ["budget", "config", "3", "steps"] in rows
    assert any(row[:2] == ["score", "dB"] and row[-1] == "differs" for row in rows)
    assert ["toywork.py", "|", "2", "+-"] in rows
    assert "environment" not in done.stdout
    whole = assay("diff", a.run, b.run, "--code").stdout
    assert "+    xs = [draw.uniform(-2, 2) for _ in range(64)]" in whole


def test_diff_of_a_run_and_itself_is_empty(project: Project, assay: Any) -> None:
    a = run(project, set={"misbehave": "nanmetric"})
    data = json.loads(assay("diff", a.run, a.run, "--json").stdout)["data"]
    assert {row["result"] for row in data["metrics"]} == {"exact", "not measured"}
    assert [row["a"] for row in data["metrics"] if row["metric"] == "error"] == ["NaN"]
    assert (data["config"], data["facts"], data["environment"]) == ({}, {}, {})
    assert data["code"] == "no difference"


def test_diff_says_why_code_cannot_be_compared(project: Project, assay: Any) -> None:
    a = run(project)
    edit(project, "toywork.py", "draw.uniform(-1, 1)", "draw.uniform(-2, 2)")
    b = run(project)
    toy.run_git(project.root, "update-ref", "-d", _ref(project))
    toy.run_git(project.root, "gc", "-q", "--prune=now")
    done = assay("diff", a.run, b.run)
    assert done.exit_code == 0
    assert f"commit {b.git and b.git.commit} is not in this clone. Fetch it" in done.stdout


def _ref(project: Project) -> str:
    return toy.run_git(project.root, "for-each-ref", "--format=%(refname)", "refs/assay")


def test_a_metric_that_one_run_lacks_differs_and_timing_never_does(project: Project) -> None:
    a = run(project)
    b = run(project, set={"misbehave": "absent"})
    rows = {row.metric: row for row in compare.metrics(a, b)}
    assert (rows["error"].result, rows["error"].b) == ("differs", None)
    slow = a.metrics["error"].model_copy(update={"timing": True, "unit": "ms"})
    fast = slow.model_copy(update={"value": 0.0})
    a, b = (r.model_copy(update={"metrics": {"ms": m}}) for r, m in ((a, slow), (b, fast)))
    assert {row.metric: row.result for row in compare.metrics(a, b)}["ms"] == "timing"
