"""Charts of a search: dots, steps and lines stand where the trials' numbers say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml
from collections.abc import Sequence

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from core.contract import Metric
from core.report.trials import Search
from core.review import searching, svg

METRIC = Metric(name="ssim", unit="1", direction="max", doc="")
SPACE = {
    "lr": FloatDistribution(1e-4, 1e-2, log=True),
    "film": CategoricalDistribution((False, True, None)),
}
ROWS = [  # lr, film, value, margin of a constraint (above 0: violated)
    (1e-4, False, 0.30, -1.0),
    (1e-3, True, 0.90, 0.2),
    (1e-2, None, 0.50, -1.0),
    (1e-3, False, 0.40, -0.1),
    (1e-2, True, 0.70, 0.0),
]


@pytest.fixture
def search() -> Search:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for lr, film, value, margin in ROWS:
        params = {"lr": lr, "film": film}
        study.add_trial(
            create_trial(
                value=value, params=params, distributions=SPACE, constraints={"accept.a": margin}
            )
        )
    ranked = sorted(study.trials, key=lambda t: (max(t.constraints.values()) > 0, -t.values[0]))
    return Search("demo", study, ranked, [METRIC])


def circles(drawn: str) -> list[tuple[str, float, float]]:
    found = xml.fromstring(drawn).iter("circle")
    return [(c.get("class", ""), float(c.get("cx", "")), float(c.get("cy", ""))) for c in found]


def pairs(points: str) -> np.ndarray:
    return np.array([[float(v) for v in p.split(",")] for p in points.split()])


def test_trials_stand_by_number_and_value_and_the_infeasible_are_hollow(search: Search) -> None:
    found = circles(searching.history(search))
    assert [kind for kind, _, _ in found] == ["c1", "hollow", "c1", "c1", "c1"]
    xs = np.array([x for _, x, _ in found])
    ys = np.array([y for _, _, y in found])
    assert np.diff(xs) == pytest.approx(np.full(4, xs[1] - xs[0]), abs=0.11)
    values = np.array([row[2] for row in ROWS])
    slope, offset = np.polyfit(values, ys, 1)
    assert slope < 0  # up is larger
    assert ys == pytest.approx(slope * values + offset, abs=0.11)


def test_the_line_is_the_best_feasible_so_far(search: Search) -> None:
    feasible = np.array([value if margin <= 0 else -np.inf for _, _, value, margin in ROWS])
    expected = np.maximum.accumulate(feasible)
    corners = searching.best_so_far(sorted(search.ranked, key=lambda t: t.number), "max")
    told = dict(corners)  # the last corner of a number holds from there on
    assert [told[i] for i in (0, 2, 3, 4)] == list(expected[[0, 2, 3, 4]])
    assert corners[-1] == (4, 0.7)  # not 0.9: that one is not feasible
    drawn = searching.history(search)
    (line,) = re.findall(r'class="c2 line" points="([^"]*)"', drawn)
    by_class = circles(drawn)
    assert pairs(line)[-1] == pytest.approx(by_class[4][1:], abs=0.11)


def test_a_search_without_a_feasible_trial_has_no_line(search: Search) -> None:
    bad: Sequence[FrozenTrial] = [t for t in search.ranked if max(t.constraints.values()) > 0]
    drawn = searching.history(Search("demo", search.study, bad, [METRIC]))
    assert "polyline" not in drawn
    assert [kind for kind, _, _ in circles(drawn)] == ["hollow"]


def test_lines_pass_every_axis_at_the_trials_values(search: Search) -> None:
    drawn = searching.parallel(search, {"lr": 0.7, "film": 0.3})
    tree = xml.fromstring(drawn)
    labels = [t.text for t in tree.iter("text") if t.get("text-anchor") == "middle"]
    assert labels == ["lr", "film", "ssim ↑"]  # what matters most first, the objective last
    lines = [pairs(p.get("points", "")) for p in tree.iter("polyline")][::-1]  # best on top
    assert len(lines) == len(search.ranked)
    axes = [n for n in tree.iter("line") if n.get("class") == "axis"]
    top, foot = float(axes[0].get("y1", "")), float(axes[0].get("y2", ""))
    for trial, line in zip(search.ranked, lines, strict=True):
        at = (foot - line[:, 1]) / (foot - top)
        assert at[0] == pytest.approx(np.log10(trial.params["lr"] / 1e-4) / 2, abs=0.01)
        choice = [False, True, None].index(trial.params["film"])
        assert at[1] == pytest.approx((choice + 0.5) / 3, abs=0.01)
        assert at[2] == pytest.approx((trial.values[0] - 0.3) / 0.6, abs=0.01)
        assert line[:, 0] == pytest.approx([float(a.get("x1", "")) for a in axes])
    strong = [p for p in tree.iter("polyline") if "strong" in p.get("class", "")]
    assert len(strong) == 4  # the infeasible one is not among the best


def test_each_objective_has_its_history_and_its_axis() -> None:
    metrics = [METRIC, Metric(name="nrms", unit="1", direction="min", doc="")]
    study = optuna.create_study(directions=["maximize", "minimize"])
    rows = [(0.1, 0.3, 0.9), (0.5, 0.5, 0.2), (0.9, 0.8, 0.6)]
    for lr, *values in rows:
        space = {"lr": FloatDistribution(0, 1)}
        study.add_trial(create_trial(values=values, params={"lr": lr}, distributions=space))
    search = Search("demo", study, study.trials, metrics)
    for which, expected in ((0, np.array([0.3, 0.5, 0.8])), (1, np.array([0.9, 0.2, 0.6]))):
        ys = np.array([y for _, _, y in circles(searching.history(search, which))])
        slope, offset = np.polyfit(expected, ys, 1)
        assert slope < 0
        assert ys == pytest.approx(slope * expected + offset, abs=0.11)
    assert searching.best_so_far(study.trials, "min", 1)[-1] == (2, 0.2)
    tree = xml.fromstring(searching.parallel(search, {}))
    labels = [t.text for t in tree.iter("text") if t.get("text-anchor") == "middle"]
    assert labels == ["lr", "ssim ↑", "nrms ↓"]
    line = pairs(next(p.get("points", "") for p in list(tree.iter("polyline"))[::-1]))
    axes = [n for n in tree.iter("line") if n.get("class") == "axis"]
    top, foot = float(axes[0].get("y1", "")), float(axes[0].get("y2", ""))
    assert (foot - line[:, 1]) / (foot - top) == pytest.approx([0.1, 0.0, 1.0], abs=0.01)


def test_many_axes_make_it_wider_than_a_phone_and_it_says_so() -> None:
    space = {f"p{i:02}": FloatDistribution(0, 1) for i in range(20)}
    study = optuna.create_study()
    study.add_trial(create_trial(value=1, params=dict.fromkeys(space, 0.5), distributions=space))
    drawn = searching.parallel(Search("demo", study, study.trials, [METRIC]), {})
    wide = float(xml.fromstring(drawn).get("viewBox", "").split()[2])
    assert wide == searching.APART * (searching.AXES + 1) > svg.WIDE
    assert "min-width" in drawn


def test_bars_are_as_long_as_the_shares() -> None:
    drawn = xml.fromstring(searching.importance({"lr": 0.6, "film": 0.3, "x": 0.1}))
    widths = [float(r.get("width", "")) for r in drawn.iter("rect")]
    assert widths == pytest.approx([widths[0], widths[0] / 2, widths[0] / 6], abs=0.11)
    assert [t.text for t in drawn.iter("text")] == ["lr", "0.60", "film", "0.30", "x", "0.10"]


def test_no_trial_no_chart() -> None:
    empty = Search("demo", optuna.create_study(), [], [METRIC])
    assert searching.history(empty) == searching.parallel(empty, {}) == ""
