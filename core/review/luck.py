"""What chance alone could have done to a session: said beside every table of verdicts.

A gain is accepted when its lower 95 % bound is above 0, so a change that does nothing passes in at
most ALPHA of experiments: among n such changes, n * ALPHA are expected to (linearity, whatever
their dependence). A search looks at many trials and keeps the best, which flatters it.
"""

from __future__ import annotations

from typing import NamedTuple

from core.contract import Metric
from core.ledger.record import ClauseResult
from core.review.subject import Subject
from core.stats import ALPHA, POWER

ROUNDING = 1e-9  # a spread below it is none


class Luck(NamedTuple):
    """The figures."""

    compared: int  # groups of runs judged by a gain or a ratio
    kept: int  # of these, accepted
    false_keeps: float  # expected among them if none were truly better; an upper bound
    trials: int  # that a search chose from


def of(subject: Subject) -> Luck:
    """Count what was tried: every judged group, also those that a later one took the place of."""
    compared = [v for v in subject.tried if any(_relative(c) for c in v.clauses)]
    kept = sum(verdict.verdict == "pass" for verdict in compared)
    trials = len(subject.search.ranked) if subject.search else 0
    return Luck(len(compared), kept, ALPHA * len(compared), trials)


def sentences(subject: Subject) -> list[str]:
    """The figures in words."""
    found = of(subject)
    said = []
    if found.compared:
        said.append(
            f"Judged against a reference: {found.compared}, accepted: {found.kept}. If none were "
            f"truly better, chance would accept at most {found.false_keeps:.2g} of them on average "
            f"({ALPHA:.0%} each)."
        )
    if found.trials:
        said.append(
            f"The search chose from {found.trials} complete trials with one seed each: the best "
            "number of many is too good. Believe the runs that confirm it on other seeds."
        )
    said += _detectable(subject)
    if failed := [r for r in subject.runs if r.status not in ("finished", "pruned", "running")]:
        said.append(f"{len(failed)} of {len(subject.runs)} runs did not finish.")
    return said or ["Nothing was judged against a reference, so chance had no say."]


def _detectable(subject: Subject) -> list[str]:
    """Per metric, the smallest true gain that this many seeds would show."""
    worst: dict[str, ClauseResult] = {}
    for clause in (c for g in subject.judged for c in g.clauses if _relative(c)):
        if clause.detectable is not None and clause.detectable > (
            worst[clause.metric].detectable or 0.0 if clause.metric in worst else -1.0
        ):
            worst[clause.metric] = clause
    return [
        f"{metric}: with {len(c.candidate)} seeds a true gain of {c.detectable:.2g}"
        f"{_unit(subject.task.metric(metric))} is found with {POWER:.0%} probability; "
        "a smaller one is easily missed."
        for metric, c in worst.items()
        if c.rule == "gain" and (c.detectable or 0.0) > ROUNDING
    ]


def _relative(clause: ClauseResult) -> bool:
    return clause.rule in ("gain", "ratio") and bool(clause.method)


def _unit(metric: Metric) -> str:
    return "" if metric.unit == "1" else f" {metric.unit}"
