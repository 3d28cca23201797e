"""Curves in letters: whatever was logged is drawn where it belongs, and no spike is lost."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.tui.widgets.curve import Limit, Scale, Series, decimate, draw

WIDTH, HEIGHT = 60, 12
NUMBERS = st.floats() | st.floats(-10, 10) | st.just(math.nan)


def lines(series: Series, *limits: Limit) -> list[str]:
    rows = draw([series], list(limits), WIDTH, HEIGHT)
    return ["".join(text for text, _ in row) for row in rows]


@example(points=[(0, 1e-310), (1, 2e-310)], height=12, log=False)  # a limit is inf spans away
@example(points=[(0, 1e-300), (1, 1e299)], height=40, log=True)  # the top is above all floats
@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), NUMBERS), max_size=300),
    st.integers(4, 60),
    st.booleans(),
)
def test_anything_that_may_be_logged_is_drawn(
    points: list[tuple[int, float]], height: int, log: bool
) -> None:
    steps, values = [float(x) for x, _ in points], [y for _, y in points]
    rows = draw([Series("loss", steps, values)], [Limit("≤ 1", 1.0)], WIDTH, height, log=log)
    assert len(rows) in (0, height)
    assert all(len("".join(text for text, _ in row)) <= WIDTH for row in rows)


def test_the_order_of_steps_does_not_matter() -> None:
    pairs = [(float(n), math.sin(n / 9)) for n in range(200)]
    mixed = random.Random(0).sample(pairs, len(pairs))
    assert lines(Series("a", *map(list, zip(*mixed, strict=True)))) == lines(
        Series("a", *map(list, zip(*pairs, strict=True)))
    )


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_limit_stands_at_its_share_of_the_height(share: float) -> None:
    drawn = lines(Series("a", [0.0, 1.0], [0.0, 1.0]), Limit("here", share))
    row = next(n for n, line in enumerate(drawn) if "here" in line)
    high = HEIGHT - 2  # rows of the plot, counted from 0: the last line is the axis
    room = 0.04  # above and below
    assert abs(row - (1 + room - share) / (1 + 2 * room) * high) <= 0.5


def test_of_many_points_the_ends_of_every_column_remain() -> None:
    draw_from = random.Random(1)
    ys = [draw_from.gauss(0, 1) for _ in range(5000)]
    kept = decimate((range(5000), ys), 50, Scale(0, 5000, -5, 5))
    for column in range(50):
        mine = ys[100 * column : 100 * column + 100]
        found = [y for x, y in kept if 100 * column <= x < 100 * column + 100]
        assert {min(mine), max(mine)} == set(found)
