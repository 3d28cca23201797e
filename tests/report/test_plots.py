"""Pictures exist, hold what they should, and have their data beside them."""

import csv
from pathlib import Path

import optuna
import pytest
from PIL import Image

from core.report import plots, trials
from core.report.groups import Comparison, Group
from core.report.trials import Search
from tests.acceptance.records import METRICS, run

DISTANCE = METRICS[1]  # a metric whose better end is low


def test_an_ablation_is_drawn_with_its_data(tmp_path: Path) -> None:
    made = [
        Group(label, [run(s, ssim=base + 0.01 * s, lpips=0.3 - base / 9 * s) for s in range(3)])
        for label, base in (("baseline", 0.5), ("better", 0.7))
    ]
    png, data = plots.comparison(Comparison("demo", METRICS, made, made[0]), tmp_path, "demo")
    with Image.open(png) as picture:
        assert picture.width > 600
        colours = {c for _, c in picture.convert("RGB").getcolors(1 << 24)}
    assert {(0x8A, 0x8A, 0x8A), (0x00, 0x72, 0xB2)} <= colours  # the grey baseline, a variant
    rows = list(csv.DictReader(data.read_text().splitlines()))
    assert {r["variant"] for r in rows} == {"baseline", "better"}


def test_nothing_measured_draws_nothing(tmp_path: Path) -> None:
    empty = Comparison("demo", METRICS, [Group("a", [run(0, status="failed")])], None)
    assert plots.comparison(empty, tmp_path, "demo") == []


def searched(count: int) -> Search:
    """A parabola in x whose best third is infeasible; y does nothing."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    for _ in range(count):
        trial = study.ask()
        x, _y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        trial.set_constraint("accept.room", 0.3 - x)
        study.tell(trial, x * x)
    ranked = sorted(study.trials, key=lambda t: (max(t.constraints.values()) > 0, t.values[0]))
    return Search("demo", study, ranked, [DISTANCE])


def test_a_search_is_drawn_with_its_importance(tmp_path: Path) -> None:
    files = plots.search(searched(40), tmp_path, "demo")
    assert [f.name for f in files] == [
        "demo_history.png",
        "demo_history.csv",
        "demo_importance.png",
        "demo_importance.csv",
    ]
    with Image.open(files[0]) as picture:
        colours = {c for _, c in picture.convert("RGB").getcolors(1 << 24)}
    assert (0xD5, 0x5E, 0x00) in colours  # best so far
    assert len(list(csv.DictReader(files[1].read_text().splitlines()))) == 40


def test_importance_waits_for_enough_trials(tmp_path: Path) -> None:
    few = searched(trials.ENOUGH - 1)
    assert trials.importance(few.study) == {}
    assert len(plots.search(few, tmp_path, "demo")) == 2
    shares = trials.importance(searched(60).study)
    assert shares["x"] > shares["y"]


def test_a_searchs_table_names_what_is_violated() -> None:
    found = searched(30)
    best, importance = trials.tables(found)
    assert best.columns == ("trial", "lpips ↓", "constraints", "x", "y")
    assert len(best.rows) == trials.SHOWN
    assert {row[2] for row in best.rows} == {"met"}
    (whole,) = trials.tidy(found)
    assert len(whole.rows) == 30
    short = [row for row in whole.rows if row[2] != "met"]
    assert all(row[2].startswith("room +") and float(row[3]) < 0.3 for row in short)
    assert importance.columns == ("parameter", "share")


def test_two_objectives_are_drawn_against_each_other(tmp_path: Path) -> None:
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for _ in range(trials.ENOUGH):
        trial = study.ask()
        x, _y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        study.tell(trial, [x, 0.1 * x])  # more x costs next to nothing
    found = Search("demo", study, study.trials, METRICS[:2])
    files = plots.search(found, tmp_path, "demo")
    assert [f.suffix for f in files] == [".png", ".csv", ".png", ".csv"]
    best, importance = trials.tables(found)
    assert best.columns == ("trial", "ssim ↑", "lpips ↓", "constraints", "x", "y")
    assert importance.title == "Importance for ssim, lpips (PED-ANOVA)"


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
