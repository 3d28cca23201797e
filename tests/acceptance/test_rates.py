"""How often the rule is wrong, by simulation through the rule itself."""

import pytest
from scipy.stats import binom

from benchmarks.power import ANY, Case, rates
from core.stats import Estimate

NULLS = {
    "no gain, some asked": Case("{}", 0.0, ANY),
    "no gain, none asked": Case("{}", 0.0, 0.0),
    "no gain, 1 sd asked": Case("{}", 0.0, 1.0),
    "loss of what is allowed": Case("{}", -1.0, -1.0),
    "no gain in either": Case("{}", 0.0, ANY, 2),
    "no gain in any of four": Case("{}", 0.0, ANY, 4),
}
DESIGNS = [("Welch t", 2), ("Welch t", 3), ("Welch t", 5), ("paired t", 3), ("paired t", 5)]


def at_most(share: float, repeats: int) -> float:
    """A share that a true rate of `share` exceeds once in 10,000 simulations."""
    return float(binom.ppf(0.9999, repeats, share)) / repeats


def check(name: str, method: str, n: int, repeats: int) -> None:
    case = NULLS[name]._replace(method=method)
    assert rates(case, n, repeats)["pass"] <= at_most(0.05, repeats)


@pytest.mark.parametrize(("method", "n"), DESIGNS)
@pytest.mark.parametrize("name", NULLS)
def test_noise_is_accepted_at_most_as_often_as_stated(name: str, method: str, n: int) -> None:
    check(name, method, n, 3_000)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "n"), DESIGNS)
@pytest.mark.parametrize("name", NULLS)
def test_noise_is_accepted_at_most_as_often_as_stated_in_full(
    name: str, method: str, n: int
) -> None:
    check(name, method, n, 100_000)


@pytest.mark.parametrize(("method", "n"), DESIGNS)
def test_a_gain_of_exactly_what_is_asked_for_fails_at_most_as_often_as_stated(
    method: str, n: int
) -> None:
    assert rates(Case(method, 1.0, 1.0), n, 3_000)["fail"] <= at_most(0.05, 3_000)


def test_a_gain_twice_the_noise_is_found_by_pairs_more_often_than_by_welch() -> None:
    # 0.70 and 0.58 at 3 seeds (design page, B8): within four standard errors.
    pairs, welch = (rates(Case(m, 2.0, ANY), 3, 4_000)["pass"] for m in ("paired t", "Welch t"))
    assert pairs == pytest.approx(0.70, abs=0.03)
    assert welch == pytest.approx(0.58, abs=0.03)


def test_the_stated_detectable_effect_is_found_four_times_in_five() -> None:
    # Known spread: the mean difference of 5 v. 5 has se sqrt(2 / 5) and 8 degrees of freedom.
    gain = Estimate(0.0, (2 / 5) ** 0.5, 8).detectable
    assert rates(Case("Welch t", gain, ANY), 5, 4_000)["pass"] == pytest.approx(0.80, abs=0.03)
