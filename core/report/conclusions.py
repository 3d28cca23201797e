"""What a study lets one conclude: who differs from the reference, what its questions came to.

The words follow from the bounds alone: of two arms neither is better while the bounds of their
difference hold 0 between them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from core.contract import Metric
from core.report import effects
from core.report.numbers import NONE, intervals
from core.report.table import Table
from core.stats import ALPHA, Estimate

if TYPE_CHECKING:
    from core.report.groups import Comparison, Group

MANY = 10  # comparisons from which chance has to be spoken of
SEVERAL = 3  # arms from which a count says more than the table of differences
APART = "not separable"
UNKNOWN = "unknown"


def table(study: Comparison) -> Table:
    """A row for each question and metric; no rows where nothing is compared."""
    rows: list[tuple[str, ...]] = []
    for metric in study.telling:
        rows += _against_the_reference(study, metric)
    for question, (one, other) in study.contrasts.items():
        rows += _asked(study, question, one, other)
    compared = max(0, len(study.groups) - 1) if study.reference else 0
    notes = []
    if compared >= MANY:
        chance = round(2 * ALPHA * compared)
        notes.append(
            f"A bound is wrong at most once in {round(1 / ALPHA)}: of {compared} variants that do "
            f"not differ at all, about {chance} would still be called better or worse."
        )
    columns = ("question", "metric", "answer", "difference [one-sided 95 % bounds]")
    return Table("Conclusions", columns, tuple(rows), tuple(notes) if rows else ())


def _against_the_reference(study: Comparison, metric: Metric) -> list[tuple[str, ...]]:
    """How many arms are better, worse and neither; the two furthest off that can be told apart."""
    if study.reference is None:
        return []
    others = [g for g in study.groups if g is not study.reference]
    found = [(g, difference(study, g, study.reference, metric.name)) for g in others]
    known = [(g, e) for g, e in found if e is not None]
    if len(known) < SEVERAL:
        return []
    words = [answer(e, metric) for _, e in known]
    counts = ", ".join(f"{words.count(w)} {w}" for w in dict.fromkeys(sorted(words)))
    head = f"{len(known)} variants against {study.reference.label}"
    lines: list[tuple[str, ...]] = [(head, metric.name, "", counts)]
    ends = sorted(known, key=lambda pair: pair[1].point * _sign(metric))
    for what, word, end in (("worst", "worse", 0), ("best", "better", -1)):
        group, estimate = ([p for p in ends if answer(p[1], metric) == word] or ends)[end]
        said = answer(estimate, metric), *intervals([estimate])
        lines.append((f"  {what}: {group.label}", metric.name, *said))
    return lines


def _asked(study: Comparison, question: str, one: str, other: str) -> list[tuple[str, ...]]:
    """One of the study's own questions, in every telling metric."""
    by_label = {g.label: g for g in study.groups}
    rows: list[tuple[str, ...]] = []
    for metric in study.telling:
        estimate = difference(study, by_label[one], by_label[other], metric.name)
        said = answer(estimate, metric) if estimate else "not measured"
        told = intervals([estimate])[0] if estimate else NONE
        rows.append((question, metric.name, said, told))
    return rows


def difference(study: Comparison, one: Group, other: Group, metric: str) -> Estimate | None:
    """One arm less another in the metric's unit; None when a side has no finite value."""
    ours, theirs = one.values(metric), other.values(metric)
    if not (ours and theirs and all(map(math.isfinite, (*ours.values(), *theirs.values())))):
        return None
    return effects.difference(ours, theirs, study.paired)


def answer(estimate: Estimate, metric: Metric) -> str:
    """better, worse, the same, not separable; unknown when one seed has no bounds."""
    if math.isnan(estimate.se):
        return UNKNOWN
    if estimate.low <= 0 <= estimate.high:
        return APART if estimate.se else "the same"
    return "better" if estimate.point * _sign(metric) > 0 else "worse"


def _sign(metric: Metric) -> int:
    return 1 if metric.direction == "max" else -1
