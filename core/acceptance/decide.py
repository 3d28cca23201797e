"""The rule: from the values of a clause, and of its alternatives, to pass, fail or unknown.

A number satisfies a clause when it reaches the clause's bar. The clause passes when its point does
and chance is unlikely to have done it; it fails when even the favourable bound falls short.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from core import stats
from core.acceptance import wording
from core.ledger.record import ClauseResult, Verdict
from core.stats import ALPHA, Estimate

TOLERANCE = 1e-9  # of max(|threshold|, 1): 0.82 - 0.80 is 0.0199999999999999 and is a gain of 0.02
VIOLATED = 1e6  # the largest margin, also that of a value which is not finite
ABOVE_ZERO = math.ulp(0.0)  # "more than nothing" as a bar that may be reached
NOTHING = Estimate(math.nan, math.nan, math.nan)

Result = Literal["pass", "fail", "unknown"]


class Margins(NamedTuple):
    """How far points lie from satisfying the criteria: constraints of a search."""

    margins: dict[str, float]  # criterion -> margin in thresholds; 0 or less is satisfied; finite
    left_out: dict[str, str]  # clause -> why no point of it is known


def groups(clauses: Sequence[ClauseResult]) -> dict[str, list[ClauseResult]]:
    """Clauses by the criterion that they stand for: the members of an AnyOf together."""
    out: dict[str, list[ClauseResult]] = {}
    for clause in clauses:
        out.setdefault(clause.any_of or clause.name, []).append(clause)
    return out


def outcome(members: Iterable[ClauseResult]) -> Result:
    """What alternatives come to (Kleene): one pass is enough, and all must fail to fail."""
    results = {c.result for c in members}
    return "pass" if "pass" in results else "unknown" if "unknown" in results else "fail"


def settle(members: Sequence[ClauseResult]) -> list[ClauseResult]:
    """Decide the alternatives of one criterion; Holm makes several chances cost their due."""
    estimates = [_estimate(c) for c in members]
    alone = [_p(c, e) for c, e in zip(members, estimates, strict=True)]
    together = stats.holm(alone)
    return [_decide(*one) for one in zip(members, estimates, alone, together, strict=True)]


def margins(verdict: Verdict) -> Margins:
    """The verdict's clauses as constraints; of alternatives the least counts.

    A clause without a point (no yardstick, not measured, not comparable) is left out and named.
    """
    known: dict[str, float] = {}
    left_out: dict[str, str] = {}
    for name, members in groups(verdict.clauses).items():
        given = [m for c in members if (m := _margin(c)) is not None]
        if given:
            known[name] = min(given)
        left_out |= {c.name: c.reason for c in members if _margin(c) is None}
    return Margins(known, left_out)


def _decide(clause: ClauseResult, estimate: Estimate, alone: float, p: float) -> ClauseResult:
    """The clause with its estimate, result and reason; `p` is `alone` after Holm."""
    up, bar = _taken(clause, estimate), _bar(clause)
    result: Result = "unknown"
    if not all(map(math.isfinite, clause.candidate)):
        result = "fail"
    elif up.point >= bar and p <= ALPHA:
        result = "pass"
    elif up.high < bar:
        result = "fail"
    spread = clause.reference or clause.candidate
    filled = clause.model_copy(
        update={
            "result": result,
            "point": _known(estimate.point),
            "low": _known(estimate.low),
            "high": _known(estimate.high),
            "noise_sd": None if math.isnan(up.point) else _known(stats.sd(spread)),
            "detectable": _known(estimate.detectable),
        }
    )
    lost_to_holm = result == "unknown" and up.point >= bar and alone <= ALPHA
    return filled.model_copy(update={"reason": wording.reason(filled, lost_to_holm)})


def _estimate(clause: ClauseResult) -> Estimate:
    """The mean of an absolute clause, else the improvement; all NaN when there is neither."""
    ours, theirs = clause.candidate, clause.reference
    if not clause.method or not all(map(math.isfinite, (*ours, *theirs))):
        return NOTHING
    if clause.rule not in ("gain", "ratio"):
        return stats.mean(ours)
    if clause.direction == "min":
        ours, theirs = [-v for v in ours], [-v for v in theirs]
    compare = stats.paired if clause.method == "paired t" else stats.welch
    if clause.rule == "gain":
        return compare(ours, theirs)
    return stats.share(compare, ours, theirs) if stats.mean(theirs).point else NOTHING


def _p(clause: ClauseResult, estimate: Estimate) -> float:
    """The chance of such a point if nothing were gained or, where T is no gain, just short of T."""
    gain = clause.rule in ("gain", "ratio") and clause.threshold > 0
    return _taken(clause, estimate).p(ABOVE_ZERO if gain else _bar(clause))


def _taken(clause: ClauseResult, estimate: Estimate) -> Estimate:
    """The estimate as the rule takes it: more is better, and a lone absolute value is exact."""
    taken = Estimate(estimate.point, 0.0, 0.0) if clause.method == "value" else estimate
    return -taken if clause.rule in ("at_most", "below") else taken


def _bar(clause: ClauseResult) -> float:
    """What the upward point must reach: the threshold less the tolerance.

    Numbers within the tolerance are equal, so `below` asks for a tolerance more.
    """
    room = TOLERANCE * max(abs(clause.threshold), 1.0)
    if clause.rule in ("at_most", "below"):
        return -clause.threshold + (room if clause.rule == "below" else -room)
    return clause.threshold - room


def _margin(clause: ClauseResult) -> float | None:
    if not all(map(math.isfinite, clause.candidate)):
        return VIOLATED
    if clause.point is None:
        return None
    short = _bar(clause) - _taken(clause, Estimate(clause.point, 0.0, 0.0)).point
    return max(-VIOLATED, min(VIOLATED, short / (abs(clause.threshold) or 1.0)))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
