"""The words of a report follow from its numbers, and scipy's t test says the same."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from core.report import conclusions, groups, plots, table
from core.report.groups import Comparison, Group
from core.stats import Estimate, mean
from tests.acceptance.records import METRICS, run

SSIM, LPIPS = METRICS[0], METRICS[1]  # a metric that goes up, one that goes down


def arm(label: str, values: np.ndarray, **given: float) -> Group:
    return Group(label, [run(s, variant=label, ssim=v, **given) for s, v in enumerate(values)])


def many(count: int) -> Comparison:
    """A reference and arms whose distance from it grows, all with the same noise of seeds."""
    rng = np.random.default_rng(0)
    base = rng.normal(0.6, 0.02, 4)
    arms = [arm(f"off by {i}", base - 0.002 * i + rng.normal(0, 0.004, 4)) for i in range(count)]
    reference = arm("fp32", base)
    asked = {"the last against the first": (f"off by {count - 1}", "off by 0")}
    return Comparison("demo", [SSIM], [reference, *arms], reference, contrasts=asked)


def rows(study: Comparison) -> list[tuple[str, ...]]:
    return list(conclusions.table(study).rows)


def test_the_metrics_are_those_that_the_tests_take_them_for() -> None:
    assert (SSIM.name, SSIM.direction) == ("ssim", "max")
    assert (LPIPS.name, LPIPS.direction) == ("lpips", "min")


def test_arms_are_counted_as_scipys_one_sided_tests_would() -> None:
    study = many(20)
    theirs = list(study.groups[0].values("ssim").values())
    worse = sum(
        stats.ttest_rel(list(g.values("ssim").values()), theirs, alternative="less").pvalue < 0.05
        for g in study.groups[1:]
    )
    assert 0 < worse < 20
    head, worst, *_ = rows(study)
    assert head[0] == "20 variants against fp32"
    assert f"{worse} worse" in head[3]
    assert "not separable" in head[3]
    assert worst[:3] == ("  worst: off by 19", "ssim", "worse")


def test_a_question_of_the_study_has_its_own_row_and_direction() -> None:
    (*_, asked) = rows(many(20))
    assert asked[:3] == ("the last against the first", "ssim", "worse")
    small = np.array([0.20, 0.21, 0.22])
    one, other = arm("a", small, lpips=0.1), arm("b", small, lpips=0.3)
    asked_of = {"a against b": ("a", "b")}
    study = Comparison("d", [LPIPS], [one, other], other, contrasts=asked_of)
    assert rows(study) == [("a against b", "lpips", "better", "-0.2")]


@pytest.mark.parametrize(
    ("estimate", "word"),
    [
        (mean([0.1, 0.12, 0.11]), "better"),
        (mean([-0.1, -0.12, -0.11]), "worse"),
        (mean([0.1, -0.12, 0.05]), "not separable"),
        (mean([0.0, 0.0]), "the same"),
        (mean([0.5]), "unknown"),
        (Estimate(0.1, 0.0, 2), "better"),
    ],
)
def test_a_word_for_every_estimate(estimate: Estimate, word: str) -> None:
    assert conclusions.answer(estimate, SSIM) == word
    flipped = {"better": "worse", "worse": "better"}
    assert conclusions.answer(estimate, LPIPS) == flipped.get(word, word)


def test_chance_is_spoken_of_where_much_is_compared() -> None:
    assert "of 20 variants" in conclusions.table(many(20)).notes[0]
    assert not conclusions.table(many(5)).notes
    assert "about 2 would" in conclusions.table(many(20)).notes[0]


def test_an_arm_without_runs_is_not_measured() -> None:
    one, none = arm("a", np.array([0.1, 0.2])), Group("b", [])
    study = Comparison("d", [SSIM], [one, none], None, contrasts={"q": ("a", "b")})
    assert rows(study)[-1] == ("q", "ssim", "not measured", "–")


def test_conclusions_end_the_tables() -> None:
    made = groups.tables(many(5))
    assert made[-1].title == "Conclusions"
    assert "5 variants against fp32" in table.text(made)


def test_many_arms_lie_below_each_other_and_keep_their_names(tmp_path: Path) -> None:
    few, lots = (plots.comparison(many(n), tmp_path, str(n))[0] for n in (5, 60))
    with Image.open(few) as a, Image.open(lots) as b:
        assert b.height > 3 * a.height
        left = np.asarray(b.convert("L"))[:, : b.width // 16]
    inked = (left < 100).any(1)  # rows of pixels with a letter in them
    assert (np.diff(inked.astype(int)) == 1).sum() >= 61
