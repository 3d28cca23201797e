"""The statistics that a verdict stands on: one-sided t bounds, Holm, power. Plain floats, no torch.

Textbook results: Welch 1947 (unequal spread), Holm 1979 (several chances), the noncentral t for
power. Checked in tests/test_stats.py against scipy.stats, integration by hand, and simulation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ALPHA = 0.05  # one-sided: a bound is on the wrong side of the truth at most this often
POWER = 0.8  # a detectable effect is found this often


@dataclass(frozen=True)
class Estimate:
    """A number, and how far chance may have moved it.

    `se` is its standard error: 0 when the values do not spread, and then every bound is the point;
    NaN when there are too few values to tell, and then every bound is NaN. `df` are its degrees of
    freedom.
    """

    point: float
    se: float
    df: float

    def __neg__(self) -> Estimate:
        return Estimate(-self.point, self.se, self.df)

    @property
    def low(self) -> float:
        """The truth lies below it with probability ALPHA at most."""
        return self.point - self._reach()

    @property
    def high(self) -> float:
        """The truth lies above it with probability ALPHA at most."""
        return self.point + self._reach()

    def p(self, null: float) -> float:
        """How probable a point this high is when the truth is just below `null`."""
        from scipy.special import stdtr

        if self.se == 0:
            return 0.0 if self.point >= null else 1.0
        return float(stdtr(self.df, (null - self.point) / self.se))

    @property
    def detectable(self) -> float:
        """The smallest true effect whose lower bound is above 0 with probability POWER."""
        from scipy.special import nctdtrinc

        if not self.se > 0:
            return self.se
        return float(nctdtrinc(self.df, 1 - POWER, _quantile(self.df))) * self.se

    def _reach(self) -> float:
        return self.se * _quantile(self.df) if self.se else 0.0


Compare = Callable[[Sequence[float], Sequence[float]], Estimate]


def mean(values: Sequence[float]) -> Estimate:
    """Student's estimate of a mean. One value has no known spread."""
    n = len(values)
    return Estimate(_centre(values), sd(values) / math.sqrt(n), n - 1)


def paired(candidate: Sequence[float], reference: Sequence[float]) -> Estimate:
    """Mean of candidate - reference, value by value: what both sides share cancels out."""
    return mean([c - r for c, r in zip(candidate, reference, strict=True)])


def welch(candidate: Sequence[float], reference: Sequence[float]) -> Estimate:
    """Difference of the means of two independent samples that may spread differently."""
    a, b = mean(candidate), mean(reference)
    variance = a.se * a.se + b.se * b.se
    if variance == 0:
        return Estimate(a.point - b.point, 0.0, a.df + b.df)
    if math.isnan(variance):  # one value on a side
        return Estimate(a.point - b.point, math.nan, math.nan)
    share = a.se * a.se / variance
    df = 1 / (share**2 / a.df + (1 - share) ** 2 / b.df)  # Welch and Satterthwaite
    return Estimate(a.point - b.point, math.sqrt(variance), df)


def share(compare: Compare, candidate: Sequence[float], reference: Sequence[float]) -> Estimate:
    """The difference of the means as a share of the reference's magnitude, by the delta method.

    The noise of the reference's mean counts twice, below the line too. Its mean must not be 0.
    """
    base = _centre(reference)
    quotient = _centre(candidate) / base
    noise = compare(candidate, [quotient * v for v in reference])
    return Estimate((_centre(candidate) - base) / abs(base), noise.se / abs(base), noise.df)


def sd(values: Sequence[float]) -> float:
    """Sample standard deviation; NaN for a single value."""
    if len(values) < 2:
        return math.nan
    if all(v == values[0] for v in values):  # exactly 0, though their mean may be a rounding off
        return 0.0
    centre = _centre(values)
    return math.sqrt(sum((v - centre) * (v - centre) for v in values) / (len(values) - 1))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: with probability ALPHA at most is any true null at or below ALPHA.

    NaN stands for a test that could not be made; it stays NaN and costs the others nothing.
    """
    order = sorted((value, i) for i, value in enumerate(p) if not math.isnan(value))
    adjusted = [math.nan] * len(p)
    worst = 0.0
    for rank, (value, i) in enumerate(order):
        worst = max(worst, min(1.0, (len(order) - rank) * value))
        adjusted[i] = worst
    return adjusted


def _centre(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _quantile(df: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, 1 - ALPHA))
