"""Numbers as people read them: as many digits as their spread lets them mean."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from core import clock, stats
from core.stats import Estimate

if TYPE_CHECKING:
    from core.contract import Metric

ARROW = {"max": "↑", "min": "↓"}
NONE = "–"


def column(metric: Metric) -> str:
    """A metric's name, unit and direction: `psnr dB ↑`."""
    unit = "" if metric.unit == "1" else f" {metric.unit}"
    return f"{metric.name}{unit} {ARROW[metric.direction]}"


def spreads(samples: Iterable[Collection[float]]) -> list[str]:
    """`23.49 ± 0.10` for each sample of one column: the largest sd is shown to two digits."""
    given = [list(s) for s in samples]
    places = _places(max((stats.sd(s) for s in given if _spread(s)), default=0.0))
    return [_mean(s, places) for s in given]


def _mean(values: list[float], places: int | None) -> str:
    if not values:
        return NONE
    odd = [v for v in values if not math.isfinite(v)]
    if odd:
        return f"{odd[0]} in {len(odd)} of {len(values)}"
    if places is None:
        return f"{stats.mean(values).point:.4g}"
    centre = f"{stats.mean(values).point:.{places}f}"
    return f"{centre} ± {stats.sd(values):.{places}f}" if len(values) > 1 else centre


def _spread(values: list[float]) -> bool:
    return len(values) > 1 and all(map(math.isfinite, values))


def intervals(estimates: Iterable[Estimate | None]) -> list[str]:
    """`+2.76 [+2.51, +3.01]` for each estimate of one column; no bounds where there are none.

    Each shows two digits of its own bounds, and at least those of the widest in the column.
    """
    given = list(estimates)
    widest = _places(max((_reach(e) for e in given if e), default=0.0))
    return [
        _interval(e, widest if (own := _places(_reach(e))) is None else own) if e else NONE
        for e in given
    ]


def _interval(estimate: Estimate, places: int | None) -> str:
    form = "+.4g" if places is None else f"+.{places}f"
    if not _reach(estimate):
        return f"{estimate.point:{form}}"
    return f"{estimate.point:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


def _reach(estimate: Estimate) -> float:
    """Half the interval; 0 when it is unknown, or no more than the rounding of equal numbers."""
    reach = estimate.high - estimate.point
    return reach if reach > 1e-9 * max(abs(estimate.point), 1.0) else 0.0


def _places(size: float) -> int | None:
    """Decimals that show two digits of `size`, 6 at most; None when it is 0."""
    return min(6, max(0, 1 - math.floor(math.log10(size)))) if size > 0 else None


def exact(value: float | None) -> str:
    """A number in full; "" for one that is not known."""
    return "" if value is None or math.isnan(value) else repr(value)


def number(value: float | None, unit: str) -> str:
    """A metric with its unit; blank when it is not known."""
    if value is None:
        return ""
    return f"{value:.4g}" if unit in ("", "1") else f"{value:.4g} {unit}"


def age(stamp: str) -> str:
    """How long ago an instant was: 40 s, 12 min, 5 h, 3 d."""
    passed = clock.now() - clock.parse(stamp)
    for unit, length in (
        ("d", timedelta(days=1)),
        ("h", timedelta(hours=1)),
        ("min", timedelta(minutes=1)),
    ):
        if passed >= length:
            return f"{passed // length} {unit}"
    return f"{max(0, passed // timedelta(seconds=1))} s"
