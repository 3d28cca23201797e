"""ls, show, log, note, decide and `ledger ...`, as people and agents call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from core import clock, events, locks
from core.cli import ledger as ledger_commands
from core.cli import records
from core.ledger import Ledger, baselines
from core.project import Project
from tests.ledger.conftest import ended, git, record, started, verdict

ROOT = Path(__file__).parents[2]


@pytest.fixture
def assay(home: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call a command in the checkout."""
    app = typer.Typer(rich_markup_mode=None)
    records.register(app)
    app.add_typer(ledger_commands.app, name="ledger")
    monkeypatch.chdir(home.root)
    monkeypatch.setenv("COLUMNS", "120")

    def call(*words: str) -> Result:
        return CliRunner().invoke(app, list(words), catch_exceptions=False)

    return call


def data(result: Result) -> Any:
    return json.loads(result.stdout)["data"]


def test_ls_shows_headline_gain_and_seeds(assay: Any, ledger: Ledger, home: Project) -> None:
    base = [record(ledger, ssim=value, seed=n, group="b") for n, value in enumerate((0.8, 0.9))]
    baselines.put(home, "lightmap", base, by="human")
    new = record(ledger, ssim=0.95, variant="encoder", group="e")
    record(ledger, "crashed", group="x")
    ledger.append("verdict", new, verdict([new]))
    crashed, better, *_ = assay("ls").stdout.splitlines()[1:]
    assert " ".join(better.split()[2:]) == "s lightmap/encoder 0 finished ✓ pass ssim 0.95 +0.1 1"
    assert " ".join(crashed.split()[2:]) == "s lightmap/baseline 0 crashed ssim"
    assert data(assay("ls", "--json"))[2]["seeds"] == 2


def test_a_gain_is_positive_where_lower_is_better(ledger: Ledger, home: Project) -> None:
    runs = []
    for value in (0.3, 0.2):
        runs.append(clock.ulid())
        ledger.append("started", runs[-1], started(primary="lpips"))
        ledger.append("ended", runs[-1], ended(lpips=value))
    baselines.put(home, "lightmap", runs[:1], by="human")
    assert [row["gain"] for row in ledger.board()] == [pytest.approx(0.1), 0.0]


def test_no_gain_is_claimed_over_what_cannot_be_compared(ledger: Ledger, home: Project) -> None:
    base = record(ledger, comparable="other budget")
    baselines.put(home, "lightmap", [base], by="human")
    record(ledger)
    assert ledger.board()[0]["gain"] is None


def test_ls_sorts_by_a_metric_and_shows_it(assay: Any, ledger: Ledger, home: Project) -> None:
    for psnr in (30.0, 31.0):
        run = clock.ulid()
        ledger.append("started", run, started())
        ledger.append("ended", run, ended(psnr=psnr, ssim=0.5))
    rows = assay("ls", "--sort", "psnr", "-w", "psnr > 1", "--task", "lightmap").stdout.splitlines()
    assert [" ".join(row.split()[6:]) for row in rows[1:]] == ["psnr 31 dB 1", "psnr 30 dB 1"]
    (home.root / "registry.yaml").write_text("tasks:\n  other: other:task\n")
    assert assay("ls", "--task", "other").stdout == "no runs here; `assay run <task>` starts one\n"
    nope = assay("ls", "--task", "othre")
    assert nope.exit_code == 2
    assert "no task 'othre' in registry.yaml. Did you mean 'other'?" in nope.stderr


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_ls_fits_the_terminal(
    assay: Any, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    run = record(ledger, variant="a_long_variant_of_the_thing", task="lightmap")
    ledger.append("verdict", run, verdict([run], "inconclusive"))
    monkeypatch.setenv("COLUMNS", str(width))
    rows = assay("ls").stdout.splitlines()
    assert max(map(len, rows)) <= width
    assert rows[1].startswith(ledger.board()[0]["short"])


def test_ls_shortens_names_before_it_drops_the_numbers(
    assay: Any, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(ledger, ssim=0.8125, variant="a_long_variant_of_the_thing_l1", seed=3)
    monkeypatch.setenv("COLUMNS", "80")
    header, line = assay("ls").stdout.splitlines()
    assert "lightmap/a_…the_thing_l1  " in line
    assert "0.8125" in line
    assert {"seed", "status", "verdict", "metric", "value"} <= set(header.split())


def test_ls_loads_nothing_heavy(ledger: Ledger, home: Project) -> None:
    record(ledger)
    code = (
        "import sys, typer; from core.cli import records; app = typer.Typer();"
        "records.register(app); app.command('x')(lambda: None)\n"
        "try: app(['ls'])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'numpy', 'optuna', 'wandb', 'git', 'textual', 'core.ledger.record'}\n"
        "print('heavy:', heavy & set(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=home.root, env=environment, capture_output=True, text=True
    )
    assert "lightmap/baseline" in said.stdout, said.stderr
    assert "heavy: set()" in said.stdout


def test_show_tells_how_a_run_went_and_how_to_go_on(
    assay: Any, ledger: Ledger, home: Project
) -> None:
    run = clock.ulid()
    ledger.append("started", run, started(overrides={"lr": 0.5}))
    error = {"type": "ValueError", "message": "bad shape", "file": "tasks/x.py", "line": 7}
    facts = {"reason": "ValueError: bad shape", "error": error, "log_tail": ["one", "two"]}
    ledger.append("ended", run, ended("failed") | facts | {"absent": {"psnr": "never evaluated"}})
    home.run_dir(run).mkdir(parents=True)
    (home.run_dir(run) / "log.txt").write_text("one\ntwo\n")
    text = assay("show", run).stdout
    for words in (
        f"{run}  lightmap/baseline  seed 0  failed",
        "tasks/x.py:7: ValueError: bad shape",
        "| two",
        "lr=0.5",
        "never evaluated",
        str(home.run_dir(run) / "log.txt"),
        f"assay resume {run}",
        f"assay repro {run}",
    ):
        assert words in text


def test_show_says_in_full_that_there_is_no_commit_yet(assay: Any, ledger: Ledger) -> None:
    code = {"commit": "c" * 40, "code_tree": "t", "tree": "t", "dirty": False}
    run = record(ledger, git=code | {"head": None, "branch": "main"})
    assert "no commit yet on main; exact tree cccccccccccc\n" in assay("show", run).stdout


def test_show_has_numbers_with_units_and_the_verdict(assay: Any, ledger: Ledger) -> None:
    run = clock.ulid()
    ledger.append("started", run, started())
    ledger.append("ended", run, ended(ssim=0.9, psnr=31.25))
    clause = {
        **{"name": "sharp", "metric": "psnr", "unit": "dB", "direction": "max", "against": ""},
        **{
            "rule": "at_least",
            "threshold": 30.0,
            "result": "pass",
            "reason": "",
            "method": "value",
        },
        **{"candidate": [31.25], "point": 31.25},
    }
    ledger.append("verdict", run, verdict([run]) | {"clauses": [clause]})
    lines = assay("show", "@last").stdout.splitlines()
    assert [line.split()[:3] for line in lines if "better" in line] == [
        ["ssim", "0.9", "higher"],  # the primary comes first
        ["psnr", "31.25", "dB"],
    ]
    assert any("sharp" in line and "≥ 30 dB" in line and "pass" in line for line in lines)
    assert data(assay("show", "@last", "--json"))["metrics"]["psnr"]["value"] == 31.25


def test_log_prints_the_text_or_a_series(assay: Any, ledger: Ledger, home: Project) -> None:
    run = record(ledger)
    missing = assay("log", run)
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "is not on this machine" in missing.stderr
    home.run_dir(run).mkdir(parents=True)
    (home.run_dir(run) / "log.txt").write_text("hello\nworld\n")
    writer = events.Writer(home.run_dir(run) / events.NAME)
    for step, loss in enumerate((0.5, float("nan"), 0.25)):
        writer.log({"loss": loss}, step)
    writer.close()
    assert assay("log", run).stdout == "hello\nworld\n"
    assert data(assay("log", run, "--series", "loss", "--json")) == [[0, 0.5], [1, None], [2, 0.25]]
    assert "Did you mean 'loss'" in assay("log", run, "--series", "los").stderr
    (home.run_dir(run) / "log.txt").write_text("")
    said = "the log is empty; logged series: loss (--series NAME)\n"
    assert assay("log", run).stdout == said


def test_log_follows_until_the_run_ends(assay: Any, ledger: Ledger, home: Project) -> None:
    run = clock.ulid()
    ledger.append("started", run, started())
    log = home.run_dir(run) / "log.txt"
    held = locks.take(home.run_dir(run) / "alive")
    assert held is not None
    log.write_text("first\n")

    def end() -> None:
        with log.open("a") as file:
            file.write("second\nunfinished")
        os.close(held)

    later = threading.Timer(0.5, end)
    later.start()
    assert assay("log", run, "-f").stdout == "first\nsecond\nunfinished\n"
    later.join()


def test_a_followed_log_leaves_stdout_to_the_json(
    assay: Any, ledger: Ledger, home: Project
) -> None:
    run = record(ledger)
    home.run_dir(run).mkdir(parents=True)
    (home.run_dir(run) / "log.txt").write_text("hello\n")
    followed = assay("log", run, "-f", "--json")
    assert data(followed)["run"] == run
    assert followed.stderr == "hello\n"


def test_notes_tags_voids_and_decisions_are_recorded(assay: Any, ledger: Ledger) -> None:
    run = record(ledger)
    ledger.append("verdict", run, verdict([run]))
    assert assay("note", run, "looks fine").exit_code == 0
    assert assay("note", run, "paper", "--tag").exit_code == 0
    assert assay("note", run, "wrong data", "--void", "--by", "agent").exit_code == 0
    assert assay("decide", run, "keep", "--why", "best so far").exit_code == 0
    found = ledger.find(run)
    assert [(n.kind, n.text, n.by) for n in found.notes] == [
        ("text", "looks fine", "human"),
        ("tag", "paper", "human"),
        ("void", "wrong data", "agent"),
    ]
    assert found.void
    assert found.decision is not None
    assert found.verdict is not None
    assert (found.decision.decision, found.decision.verdict) == ("keep", found.verdict.id)
    assert assay("decide", run, "kepe", "--why", "x").exit_code == 2
    assert assay("note", run, "x", "--tag", "--void").exit_code == 2


def test_verify_says_what_broke_and_leaves_with_4(assay: Any, ledger: Ledger) -> None:
    record(ledger)
    path = ledger.publish()
    assert path is not None
    fine = assay("ledger", "verify", "--artifacts", "--recompute")
    assert (fine.exit_code, fine.stdout) == (
        0,
        "2 events of 1 runs, 0 verdicts: 0 breaks, 0 open\n",
    )
    path.write_bytes(path.read_bytes().replace(b'"value":0.9', b'"value":1.9'))
    broken = assay("ledger", "verify", "--json")
    assert broken.exit_code == 4
    assert json.loads(broken.stdout)["error"]["code"] == "ledger_broken"
    (finding,) = data(broken)["findings"]
    assert (finding["line"], finding["field"]) == (2, "metrics.ssim.value")


def test_commit_publishes_and_prints_the_commit(assay: Any, ledger: Ledger, home: Project) -> None:
    record(ledger)
    made = assay("ledger", "commit", "-m", "Runs of today").stdout.strip()
    assert git(home.root, "log", "-1", "--format=%H %s") == f"{made} Runs of today"
    assert assay("ledger", "commit").stdout == "nothing new to commit\n"


def test_export_and_import_by_command(assay: Any, ledger: Ledger, home: Project) -> None:
    record(ledger)
    out = home.root / "runs.csv"
    told = assay("ledger", "export", "--format", "csv", "-w", "ssim > 0.5", "-o", str(out))
    assert told.stdout == f"1 records written to {out}\n"
    assert out.read_text().count("\n") == 2
    assert json.loads(assay("ledger", "export").stdout)["task"] == "lightmap"
    tsv = home.root / "results.tsv"
    tsv.write_text("commit\tval_bpb\tmemory_gb\tstatus\tdescription\nabc1234\t1\t2\tkeep\tx\n")
    assert data(assay("ledger", "import", str(tsv), "--task", "gpt", "--json"))["runs"]
    assert assay("ledger", "import", "nowhere.tsv", "--task", "gpt").exit_code == 2
