"""Effects of switches against numbers made by hand and against least squares."""

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from core import stats
from core.report import effects

TWO = {
    "base": {"A": False, "B": False},
    "A": {"A": True, "B": False},
    "B": {"A": False, "B": True},
    "A + B": {"A": True, "B": True},
}


def test_a_two_by_two_by_hand() -> None:
    # Seed 0: A adds 4 alone and 6 with B; B adds 2 alone and 4 with A. Seed 1: all that twice.
    once = {"base": 10.0, "A": 14.0, "B": 12.0, "A + B": 18.0}
    values = {cell: {0: v, 1: 2 * v} for cell, v in once.items()}
    found = {e.name: e for e in effects.factorial(TWO, values)}
    assert {name: e.estimate.point for name, e in found.items()} == {
        "A": pytest.approx(7.5),  # (5 + 10) / 2
        "B": pytest.approx(4.5),  # (3 + 6) / 2
        "A x B": pytest.approx(1.5),  # (1 + 2) / 2: half of 6 - 4, and of twice that
    }
    low, high = scipy_stats.ttest_1samp([5.0, 10.0], 0).confidence_interval(0.9)
    assert (found["A"].estimate.low, found["A"].estimate.high) == pytest.approx((low, high))
    assert found["A"].seeds == 2


@pytest.mark.parametrize("switches", [2, 3])
def test_effects_are_twice_the_least_squares_coefficients(switches: int) -> None:
    draw = np.random.default_rng(switches)
    names = "ABC"[:switches]
    signs = list(itertools.product((-1, 1), repeat=switches))
    levels = {str(s): {n: v > 0 for n, v in zip(names, s, strict=True)} for s in signs}
    values = {str(s): {seed: float(draw.normal()) for seed in range(4)} for s in signs}
    pairs = list(itertools.combinations(range(switches), 2))
    rows = [
        [1, *s, *(s[i] * s[j] for i, j in pairs)] for s in signs for _ in range(4)
    ]  # the higher interactions are orthogonal to these, so leaving them out changes nothing
    flat = [values[str(s)][seed] for s in signs for seed in range(4)]
    beta, *_ = np.linalg.lstsq(np.array(rows, float), np.array(flat), rcond=None)
    points = [e.estimate.point for e in effects.factorial(levels, values)]
    assert points == pytest.approx(list(2 * beta[1:]))


def test_a_seed_that_a_cell_lacks_does_not_count() -> None:
    values = {cell: {0: 1.0, 1: 2.0, 2: 3.0} for cell in TWO}
    del values["B"][1]
    assert {e.seeds for e in effects.factorial(TWO, values)} == {2}
    values["A"] = {1: 5.0}
    assert effects.factorial(TWO, values) == []


def test_differences_are_paired_from_three_common_seeds() -> None:
    ours, theirs = {0: 1.0, 1: 2.0, 2: 3.5}, {0: 0.5, 1: 1.0, 2: 2.0, 3: 9.0}
    paired = effects.difference(ours, theirs, paired=True)
    assert paired == stats.mean([0.5, 1.0, 1.5])
    alone = effects.difference(ours, theirs, paired=False)
    assert alone.point == pytest.approx(6.5 / 3 - 12.5 / 4)
    two = {0: 1.0, 1: 2.0}
    assert effects.difference(two, theirs, paired=True).df != 1  # Welch: pairing costs too much
