import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from core import stats

CANDIDATE = [0.915, 0.921, 0.909, 0.930]
REFERENCE = [0.900, 0.903, 0.896, 0.905]


def t_density(x: np.ndarray, df: float) -> np.ndarray:
    log_norm = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    return np.exp(log_norm - (df + 1) / 2 * np.log1p(x * x / df))


def upper_tail(t: float, df: float) -> float:
    """P(T > t) by the trapezoid rule in u, where x = t + u / (1 - u); the integrand is 0 at 1."""
    u = np.linspace(0, 1, 200_001)[:-1]
    y = t_density(t + u / (1 - u), df) / (1 - u) ** 2
    return float(np.trapezoid(np.append(y, 0.0), dx=u[1]))


def test_mean_bounds_are_students() -> None:
    got = stats.mean(CANDIDATE)
    want = scipy_stats.t.interval(0.9, 3, np.mean(CANDIDATE), scipy_stats.sem(CANDIDATE))
    assert (got.low, got.high) == pytest.approx(want, rel=1e-12)


def test_paired_agrees_with_scipy() -> None:
    got = stats.paired(CANDIDATE, REFERENCE)
    want = scipy_stats.ttest_rel(CANDIDATE, REFERENCE, alternative="greater")
    assert got.p(0) == pytest.approx(want.pvalue, rel=1e-9)
    assert got.low == pytest.approx(want.confidence_interval(0.95).low, rel=1e-12)


@pytest.mark.parametrize("n", [2, 3])
def test_welch_agrees_with_scipy(n: int) -> None:
    got = stats.welch(CANDIDATE, REFERENCE[:n])
    want = scipy_stats.ttest_ind(CANDIDATE, REFERENCE[:n], equal_var=False, alternative="greater")
    assert got.df == pytest.approx(want.df, rel=1e-12)
    assert got.p(0) == pytest.approx(want.pvalue, rel=1e-9)
    assert got.low == pytest.approx(want.confidence_interval(0.95).low, rel=1e-12)


@pytest.mark.parametrize("compare", [stats.paired, stats.welch])
def test_p_is_the_area_under_the_t_density(compare: stats.Compare) -> None:
    got = compare(CANDIDATE, REFERENCE)
    area = upper_tail((got.point - 0.01) / got.se, got.df)
    assert got.p(0.01) == pytest.approx(area, rel=1e-4)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=6), st.floats(-5, 5))
def test_the_lower_bound_is_where_p_is_alpha(values: list[float], null: float) -> None:
    got = stats.mean(values)
    if abs(got.low - null) > 1e-9:
        assert (got.p(null) <= stats.ALPHA) == (got.low > null)


def test_without_spread_every_bound_is_the_point() -> None:
    got = stats.welch([0.82, 0.82], [0.80, 0.80])
    assert got.low == got.high == got.point == pytest.approx(0.02)
    assert (got.p(got.point), got.p(0.021)) == (0.0, 1.0)


def test_equal_values_whose_mean_is_rounded_do_not_spread() -> None:
    assert stats.sd([0.1, 0.1, 0.1]) == 0.0


@pytest.mark.parametrize("sides", [([0.9], [0.8]), ([0.9], [0.8, 0.7]), ([0.9, 0.8], [0.7])])
def test_one_value_on_a_side_has_a_point_and_no_bounds(
    sides: tuple[list[float], list[float]],
) -> None:
    got = stats.welch(*sides)
    assert got.point == pytest.approx(np.mean(sides[0]) - np.mean(sides[1]))
    assert all(map(math.isnan, (got.low, got.high, got.p(0), got.detectable)))


def test_paired_refuses_sides_of_unequal_length() -> None:
    with pytest.raises(ValueError, match="shorter"):
        stats.paired([1.0, 2.0, 3.0], [1.0, 2.0])


@pytest.mark.parametrize("base", [0.9, -12.0])
def test_share_has_the_noise_of_the_quotient_of_two_means(base: float) -> None:
    # Simulated: many quotients of means, the spread of which is what the delta method states.
    rng = np.random.default_rng(0)
    sd = 0.01 * abs(base)
    ours, theirs = (rng.normal(m, sd, (20_000, 5)) for m in (1.5 * base, base))
    shares = (ours.mean(1) - theirs.mean(1)) / np.abs(theirs.mean(1))
    stated = [
        stats.share(stats.welch, a, b).se for a, b in zip(ours[:300], theirs[:300], strict=True)
    ]
    assert np.sqrt(np.mean(np.square(stated))) == pytest.approx(shares.std(), rel=0.05)
    assert stats.share(stats.welch, ours[0], theirs[0]).point == pytest.approx(shares[0])


def test_the_lower_bound_of_a_share_holds_as_often_as_stated() -> None:
    # Noise of 10 % on both sides, truth 0.5: 5 % of the bounds may lie above it.
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(1.5, 0.1, (4_000, 3)), rng.normal(1.0, 0.1, (4_000, 3))
    above = [stats.share(stats.welch, a, b).low > 0.5 for a, b in zip(ours, theirs, strict=True)]
    assert np.mean(above) <= scipy_stats.binom.ppf(0.9999, 4_000, 0.05) / 4_000


def test_share_of_pairs_that_move_together_has_no_noise() -> None:
    theirs = [1.0, 2.0, 4.0]
    got = stats.share(stats.paired, [1.1 * v for v in theirs], theirs)
    assert (got.point, got.se) == pytest.approx((0.1, 0.0), abs=1e-12)


@pytest.mark.parametrize("df", [1.0, 2.7, 4.0, 20.0])
def test_a_detectable_effect_is_found_four_times_in_five(df: float) -> None:
    got = stats.Estimate(0.0, 2.0, df).detectable
    found = scipy_stats.nct.sf(scipy_stats.t.ppf(0.95, df), df, got / 2.0)
    assert found == pytest.approx(stats.POWER, abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_holm_is_the_closure_of_bonferroni(p: list[float]) -> None:
    # A hypothesis falls when Bonferroni rejects every intersection that contains it.
    subsets = [s for k in range(1, len(p) + 1) for s in itertools.combinations(range(len(p)), k)]
    want = [
        max(min(1.0, len(s) * min(p[j] for j in s)) for s in subsets if i in s)
        for i in range(len(p))
    ]
    assert stats.holm(p) == pytest.approx(want)


def test_holm_ignores_tests_that_were_not_made() -> None:
    got = stats.holm([0.03, math.nan, 0.2])
    assert got[::2] == pytest.approx([0.06, 0.2])
    assert math.isnan(got[1])
