"""Tables of a list study: what its arms measured, how they differ, the verdict on each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core import acceptance, stats
from core.acceptance.evidence import by_seed
from core.contract import Metric, Published
from core.ledger.record import ClauseResult, RunRecord, Verdict
from core.report import conclusions, effects
from core.report.effects import Effect, Values
from core.report.numbers import NONE, column, exact, intervals, spreads
from core.report.table import Table
from core.stats import Estimate

BRIEF = 36  # letters of a reason that fit a cell


@dataclass(frozen=True)
class Group:
    """The runs of one arm, and what became of them."""

    label: str
    runs: Sequence[RunRecord]  # one a seed
    verdict: Verdict | None = None
    unjudged: str = ""  # why there is no verdict
    levels: Mapping[str, bool] = field(default_factory=dict)  # of a factorial

    @property
    def finished(self) -> list[RunRecord]:
        """The runs that count."""
        return acceptance.usable(self.runs)

    @property
    def clauses(self) -> list[ClauseResult]:
        """The verdict's clauses; none without a verdict."""
        return self.verdict.clauses if self.verdict else []

    def values(self, metric: str) -> Values:
        """What the metric came to, by seed; runs without it are left out."""
        return by_seed([r for r in self.finished if metric in r.metrics], metric)


@dataclass(frozen=True)
class Comparison:
    """The arms of a study and what they are compared with."""

    title: str
    metrics: Sequence[Metric]
    groups: Sequence[Group]
    reference: Group | None  # one of the groups, or recorded before
    paired: bool = True
    primary: str = ""  # name of the metric that is shown whatever it came to
    published: Sequence[Published] = ()  # by others, on data of their own
    contrasts: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # question -> two arms

    @property
    def telling(self) -> list[Metric]:
        """The primary metric, and those that are not one and the same number in every run."""
        return [m for m in self.metrics if len(_all(self, m)) > (m.name != self.primary)]


def _all(study: Comparison, metric: Metric) -> set[float]:
    return {v for g in study.groups for v in g.values(metric.name).values()}


def tables(study: Comparison) -> list[Table]:
    """All tables for people."""
    made = [_means(study), _differences(study), _clauses(study), _effects(study)]
    made += [_published(study), conclusions.table(study)]
    return [t for t in made if t.rows]


def _means(study: Comparison) -> Table:
    metrics = study.telling
    columns = [spreads(g.values(m.name).values() for g in study.groups) for m in metrics]
    rows = [
        (g.label, _count(g), _judged(study, g), _commits(g), *(c[i] for c in columns))
        for i, g in enumerate(study.groups)
    ]
    return Table(
        f"{study.title}: mean ± sd over seeds",
        ("variant", "n", "verdict", "commit", *map(column, metrics)),
        tuple(rows),
        tuple(_remarks(study)),
    )


def _differences(study: Comparison) -> Table:
    metrics = study.telling
    groups = [g for g in study.groups if study.reference and g is not study.reference]
    columns = [intervals(contrast(study, g, m.name) for g in groups) for m in metrics]
    return Table(
        f"Difference from {study.reference.label if study.reference else 'nothing'}: "
        "mean [one-sided 95 % bounds, as in the verdict]",
        ("variant", *map(column, metrics)),
        tuple((g.label, *(c[i] for c in columns)) for i, g in enumerate(groups)),
    )


def contrast(study: Comparison, group: Group, metric: str) -> Estimate | None:
    """The group less the reference in the metric's unit; None when a side has no finite value."""
    return (
        conclusions.difference(study, group, study.reference, metric) if study.reference else None
    )


def _clauses(study: Comparison) -> Table:
    rows: list[tuple[str, ...]] = []
    notes: dict[str, str] = {}  # reason -> who has it first
    for group in study.groups:
        label = group.label
        for name, members in acceptance.groups(group.clauses).items():
            nested = members[0].any_of is not None
            if nested:
                rows.append((label, f"{name} (one of)", acceptance.outcome(members), "", ""))
                label = ""
            for clause in members:
                words = (clause.result, _point(clause), acceptance.needed(clause))
                rows.append((label, f"{'· ' * nested}{clause.name}", *words))
                label = ""
                if clause.point is None and len(clause.reason) > BRIEF:
                    notes.setdefault(clause.reason, f"{group.label}, {clause.name}")
    columns = ("variant", "clause", "result", "measured", "needed")
    said = tuple(f"{who}: {reason}" for reason, who in notes.items())
    return Table("Clauses", columns, tuple(rows), said)


def _point(clause: ClauseResult) -> str:
    """The number that was judged, or the reason why there is none where it is short."""
    if clause.point is None:
        return clause.reason if len(clause.reason) <= BRIEF else NONE
    return acceptance.effect(clause)


def _effects(study: Comparison) -> Table:
    """Main effects and interactions; no rows unless the arms are a full factorial."""
    levels = {g.label: g.levels for g in study.groups}
    whole = len({tuple(v.items()) for v in levels.values()}) == 2 ** len(study.groups[0].levels)
    found: dict[str, list[Effect]] = {}
    for metric in study.telling if whole and len(levels) > 1 else ():
        values = {g.label: g.values(metric.name) for g in study.groups}
        finite = all(math.isfinite(v) for cell in values.values() for v in cell.values())
        if finite and (told := effects.factorial(levels, values)):
            found[column(metric)] = told
    columns = [intervals(e.estimate for e in column) for column in found.values()]
    first = next(iter(found.values()), [])
    return Table(
        "Effects of the switches: mean [one-sided 95 % bounds]",
        ("switch", "n", *found),
        tuple((e.name, str(e.seeds), *(c[i] for c in columns)) for i, e in enumerate(first)),
        ("A x B is half of what the effect of A gains when B is on.",),
    )


def _published(study: Comparison) -> Table:
    """What others report of the metrics in the tables above."""
    metrics = [m for m in study.metrics if any(m.name in p.metrics for p in study.published)]
    rows = [
        (p.name, *(f"{p.metrics[m.name]:g}" if m.name in p.metrics else NONE for m in metrics))
        for p in study.published
        if any(m.name in p.metrics for m in metrics)
    ]
    sources: dict[str, list[str]] = {}
    for p in study.published:
        sources.setdefault(p.source, []).append(p.name)
    several = len(sources) > 1
    notes = [f"{', '.join(names)}: {s}" if several else s for s, names in sources.items()]
    columns = ("published", *map(column, metrics))
    title = "Published by others, on their data: not measured here, not judged"
    return Table(title, columns, tuple(rows), tuple(notes))


def tidy(study: Comparison) -> list[Table]:
    """One row an arm and metric in full precision, for a spreadsheet or a script."""
    clauses = dict.fromkeys(_clause(c) for g in study.groups for c in g.clauses)
    rows = []
    for group in study.groups:
        results = {_clause(c): c.result for c in group.clauses}
        tail = (_judged(study, group), _commits(group), *(results.get(c, "") for c in clauses))
        for m in study.metrics:
            values = list(group.values(m.name).values())
            centre = (stats.mean(values).point, stats.sd(values)) if values else (None, None)
            estimate = contrast(study, group, m.name) if group is not study.reference else None
            bounds = (estimate.point, estimate.low, estimate.high) if estimate else (None,) * 3
            what = (group.label, m.name, m.unit, m.direction, str(len(values)))
            rows.append((*what, *map(exact, (*centre, *bounds)), *tail))
    numbers = ("n", "mean", "sd", "difference", "low", "high")
    columns = ("variant", "metric", "unit", "direction", *numbers, "verdict", "commit", *clauses)
    return [Table(study.title, columns, tuple(rows))]


def _clause(clause: ClauseResult) -> str:
    return f"clause {clause.any_of}/{clause.name}" if clause.any_of else f"clause {clause.name}"


def _count(group: Group) -> str:
    done, asked = len(group.finished), len(group.runs)
    return str(done) if done == asked else f"{done} of {asked}"


def _judged(study: Comparison, group: Group) -> str:
    if group is study.reference:
        return "reference"
    return group.verdict.verdict if group.verdict else ""


def _commits(group: Group) -> str:
    """Where the runs' branch stood, with * for changes on top; several when the code moved."""
    gits = [r.git for r in group.finished if r.git]
    found = dict.fromkeys((g.head or g.commit or "")[:7] + "*" * g.dirty for g in gits)
    return " ".join(found)


def _remarks(study: Comparison) -> list[str]:
    """Why metrics have no column and arms no verdict."""
    said: dict[str, None] = {}
    several = sum(len(g.finished) for g in study.groups) > 1
    for metric in study.metrics if several else ():
        if metric not in study.telling and len(same := _all(study, metric)) == 1:
            said[f"{metric.name} is {same.pop():g} in every run"] = None
    said |= {f"{g.label}: {g.unjudged}": None for g in study.groups if g.unjudged}
    absent = [run.absent for g in study.groups for run in g.finished]
    for m in study.metrics:
        said |= {f"{m.name} not measured: {a[m.name]}": None for a in absent if m.name in a}
    return list(said)
