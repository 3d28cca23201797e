"""Curves and charts: nothing is lost in thinning, and marks stand where the numbers say."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import acceptance
from core.report.groups import Comparison, Group
from core.review import chart, curves
from core.review.curves import Curve, Point
from tests.acceptance.records import LIGHTMAP, METRICS, run

rows = st.lists(st.tuples(st.integers(0, 5000), st.floats(-1e6, 1e6)), min_size=1, max_size=400)


@given(rows)
def test_thinning_keeps_extremes_ends_and_the_mean(found: list[tuple[int, float]]) -> None:
    points = curves.thin(found, points=40)
    values = [v for _, v in found]
    assert len(points) <= 40
    assert max(p.high for p in points) == max(values)
    assert min(p.low for p in points) == min(values)
    assert all(p.low - 1e-6 <= p.mean <= p.high + 1e-6 for p in points)
    assert [p.step for p in points] == sorted(p.step for p in points)
    first, last = min(s for s, _ in found), max(s for s, _ in found)
    assert first <= points[0].step <= points[-1].step <= last


def test_few_steps_are_kept_as_they_are() -> None:
    points = curves.thin([(1, 2.0), (2, 4.0), (2, 6.0), (3, 1.0)])
    assert points == [Point(1, 2, 2, 2), Point(2, 5, 4, 6), Point(3, 1, 1, 1)]


def study() -> Comparison:
    common = {"lpips": 0.2, "psnr": 20.0, "nonfinite_steps": 0.0}
    base = [run(s, variant="baseline", ssim=0.5 + 0.01 * s, **common) for s in range(3)]
    good = [run(s, variant="good", ssim=0.7 + 0.03 * s, **common) for s in range(3)]
    verdict = acceptance.judge(METRICS, LIGHTMAP, good, {"baseline": base})
    made = [Group("baseline", base), Group("good", good, verdict)]
    return Comparison("demo", METRICS, made, made[0])


def test_marks_stand_in_proportion_to_their_numbers() -> None:
    compared = study()
    metric = next(m for m in METRICS if m.name == "ssim")
    drawn = xml.fromstring(chart.arms(compared, metric))
    dots = [float(c.get("cx", "")) for c in drawn.iter("circle") if "dot" in c.get("class", "")]
    values = [0.5, 0.51, 0.52, 0.7, 0.73, 0.76]
    scale = (dots[-1] - dots[0]) / (values[-1] - values[0])
    for x, value in zip(dots, values, strict=True):
        assert x == pytest.approx(dots[0] + scale * (value - values[0]), abs=0.11)
    ticks = {
        t.text: float(t.get("x", ""))
        for t in drawn.iter("text")
        if t.get("text-anchor") == "middle"
    }
    for text, x in ticks.items():
        assert x == pytest.approx(dots[0] + scale * (float(text or "") - values[0]), abs=0.2)
    assert all(0 <= x <= chart.WIDE for x in dots)
    # the bar of good: 0.73 with one-sided 95 % bounds, t(2) = 2.9200, sd 0.03
    (bar,) = [n for n in drawn.iter("line") if n.get("class") == "c1 bar"]
    reach = 2.9200 * 0.03 / math.sqrt(3)
    width = float(bar.get("x2", "")) - float(bar.get("x1", ""))
    assert width == pytest.approx(2 * reach * scale, rel=0.01)


@pytest.mark.parametrize("values", [[1.0, 1.0], [0.0, 0.0], [1e-3, 10.0], [-5.0, 5.0], [1e9, 1e9]])
def test_curves_of_any_range_are_finite_and_inside(values: list[float]) -> None:
    points = [Point(i, v, v, v) for i, v in enumerate(values)]
    text = chart.curves("loss", [Curve("a", points), Curve("b", [])], limit=values[0])
    xml.fromstring(text)
    assert "nan" not in text
    (line,) = [m for m in re.findall(r'polyline class="c0 line" points="([^"]*)"', text)]
    for pair in line.split():
        x, y = map(float, pair.split(","))
        assert 0 <= x <= chart.WIDE
        assert 0 <= y <= chart.HIGH


def test_a_wide_range_is_drawn_on_a_log_scale() -> None:
    points = [Point(i, 10.0**-i, 10.0**-i, 10.0**-i) for i in range(4)]
    text = chart.curves("loss", [Curve("a", points)])
    assert "log scale" in text
    (line,) = re.findall(r'polyline class="c0 line" points="([^"]*)"', text)
    heights = [float(p.split(",")[1]) for p in line.split()]
    steps = [b - a for a, b in itertools.pairwise(heights)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2)
