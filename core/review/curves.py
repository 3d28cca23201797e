"""Curves of runs, thinned for a page: the mean over seeds and the range of its values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core import events
from core.report.groups import Group
from core.review.subject import Subject

POINTS = 120  # of one curve: more than a phone has columns
CHARTS = 6
ARMS = 7
ALIKE = 2


class Point(NamedTuple):
    """What the seeds logged around one step."""

    step: float
    mean: float
    low: float
    high: float


class Curve(NamedTuple):
    """One arm in one chart."""

    label: str
    points: list[Point]


def of(subject: Subject) -> dict[str, list[Curve]]:
    """Series -> a curve an arm: what is judged first, then the losses, then the rest."""
    found: dict[str, list[Curve]] = {}
    for group in subject.drawn[:ARMS]:
        for name, points in _arm(subject, group).items():
            found.setdefault(name, []).append(Curve(group.label, points))
    return {name: found[name] for name in _chosen(found, [m.name for m in subject.task.metrics])}


def _chosen(names: Iterable[str], metrics: Sequence[str]) -> list[str]:
    """Judged metrics, then losses, then the rest; of names that end alike the first `ALIKE`."""

    def rank(name: str) -> tuple[int, int, str]:
        head, _, last = name.rpartition("/")
        if last in metrics and head != "loss" and "/" not in head:
            return 0, metrics.index(last), name
        return (1, 0, name) if head == "loss" else (2, name.count("/"), name)

    out: list[str] = []
    for name in sorted(names, key=rank):
        last = name.rpartition("/")[2]
        if sum(one.rpartition("/")[2] == last for one in out) < ALIKE:
            out.append(name)
    return out[:CHARTS]


def _arm(subject: Subject, group: Group) -> dict[str, list[Point]]:
    rows: dict[str, list[tuple[int, float]]] = {}
    for run in group.runs:
        if folder := subject.folders.get(run.run):
            for name, series in events.series(folder / events.NAME).items():
                finite = [(s, v) for s, v in series if v is not None and math.isfinite(v)]
                rows.setdefault(name, []).extend(finite)
    return {name: thin(found) for name, found in rows.items() if len({s for s, _ in found}) > 1}


def thin(rows: Sequence[tuple[int, float]], points: int = POINTS) -> list[Point]:
    """At most `points` of equal width in steps; no extreme is lost, it shows in the range."""
    first, last = min(s for s, _ in rows), max(s for s, _ in rows)
    width = max((last - first + 1) / points, 1e-12)
    bins: dict[int, list[tuple[int, float]]] = {}
    for step, value in rows:
        bins.setdefault(int((step - first) / width), []).append((step, value))
    out = []
    for _, held in sorted(bins.items()):
        steps, values = zip(*held, strict=True)
        centre = math.fsum(values) / len(values)
        out.append(Point(math.fsum(steps) / len(steps), centre, min(values), max(values)))
    return out
