"""Charts as inline SVG: they scale, print, follow light and dark, and need no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from core import stats
from core.contract import Metric
from core.report.groups import Comparison
from core.report.numbers import column
from core.review import svg
from core.review.curves import Curve
from core.review.svg import BOTTOM, HIGH, LEFT, RIGHT, TOP, WIDE

DASHES = ("", "5 3", "2 2", "7 2 2 2", "1 3", "9 3", "4 1")  # told apart without colour too


def arms(study: Comparison, metric: Metric) -> str:
    """A metric by arm: seeds as dots, the mean with its one-sided 95 % bounds as a bar."""
    groups = [g for g in study.groups if any(map(math.isfinite, g.values(metric.name).values()))]
    row, label = 26, 8 + max((len(g.label) for g in groups), default=0) * 6.6
    high = TOP + row * len(groups) + BOTTOM
    told = []
    for group in groups:
        values = [v for v in group.values(metric.name).values() if math.isfinite(v)]
        told.append((group, values, stats.mean(values)))
    theirs = study.reference.values(metric.name).values() if study.reference else ()
    against = [v for v in theirs if math.isfinite(v)]
    ends = [v for _, values, e in told for v in (*values, *_bounds(e))] + against
    low, top = svg.padded(min(ends), max(ends))

    def x(value: float) -> float:
        return label + (value - low) / (top - low) * (WIDE - label - RIGHT)

    out = []
    for tick in svg.ticks(low, top):
        out.append(svg.line(x(tick), TOP, x(tick), high - BOTTOM, "grid"))
        out.append(svg.text(x(tick), high - 9, svg.number(tick), "middle"))
    if against:
        centre = x(stats.mean(against).point)
        out.append(svg.line(centre, TOP, centre, high - BOTTOM, "refline"))
    for i, (group, values, estimate) in enumerate(told):
        y = TOP + row * (i + 0.5)
        kind = "ref" if group is study.reference else "c1"
        out.append(svg.text(label - 8, y + 4, group.label, "end"))
        out += [
            f'<circle class="{kind} dot" cx="{x(v):.1f}" cy="{y + 6:.1f}" r="2.4"/>' for v in values
        ]
        start, end = _bounds(estimate)
        out.append(svg.line(x(start), y - 3, x(end), y - 3, f"{kind} bar"))
        out.append(f'<circle class="{kind}" cx="{x(estimate.point):.1f}" cy="{y - 3:.1f}" r="4"/>')
    return svg.whole(high, f"{column(metric)} by variant", out)


def _bounds(estimate: stats.Estimate) -> tuple[float, float]:
    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        return estimate.low, estimate.high
    return estimate.point, estimate.point


def curves(
    name: str, found: Sequence[Curve], limit: float | None = None, reference: bool = True
) -> str:
    """A series of all arms over steps; the shade is the range over seeds and thinned steps.

    `reference`: the first is what the others are compared with, and grey.
    """
    points = [p for c in found for p in c.points]
    values = [v for p in points for v in (p.low, p.high)] + ([limit] if limit is not None else [])
    log = min(values) > 0 and max(values) / min(values) > 50
    scale = math.log10 if log else float
    low, top = svg.padded(scale(min(values)), scale(max(values)))
    first, last = min(p.step for p in points), max(p.step for p in points)

    def x(step: float) -> float:
        return LEFT + (step - first) / max(last - first, 1e-12) * (WIDE - LEFT - RIGHT)

    def y(value: float) -> float:
        return HIGH - BOTTOM - (scale(value) - low) / (top - low) * (HIGH - TOP - BOTTOM)

    out = []
    for tick in svg.ticks(low, top):
        value = 10**tick if log else tick
        out.append(svg.line(LEFT, y(value), WIDE - RIGHT, y(value), "grid"))
        out.append(svg.text(LEFT - 5, y(value) + 4, svg.number(value), "end"))
    for step in (first, last):
        out.append(svg.text(x(step), HIGH - 9, f"{step:.0f}", "end" if step == last else "start"))
    below = "step, log scale" if log else "step"
    out.append(svg.text((LEFT + WIDE) / 2, HIGH - 9, below, "middle"))
    if limit is not None:
        out.append(svg.line(LEFT, y(limit), WIDE - RIGHT, y(limit), "limit"))
        out.append(svg.text(WIDE - RIGHT, y(limit) - 4, f"limit {svg.number(limit)}", "end"))
    for i, curve in enumerate(found):
        there = [(x(p.step), y(p.high)) for p in curve.points]
        back = [(x(p.step), y(p.low)) for p in reversed(curve.points)]
        kind = colour(i, reference)
        out.append(f'<polygon class="{kind} band" points="{svg.path([*there, *back])}"/>')
        line = svg.path([(x(p.step), y(p.mean)) for p in curve.points])
        dash = f' stroke-dasharray="{DASHES[i]}"' if DASHES[i] else ""
        out.append(f'<polyline class="{kind} line" points="{line}"{dash}/>')
    return svg.whole(HIGH, f"{name} over steps", out)


def colour(i: int, reference: bool) -> str:
    """The class of a line: c0 is the reference's."""
    return f"c{i}" if reference else f"c{i % (len(DASHES) - 1) + 1}"


def legend(labels: Sequence[str], reference: bool = True) -> str:
    """Which line is whose, once for all charts."""
    entries = []
    for i, label in enumerate(labels):
        dash = f' stroke-dasharray="{DASHES[i]}"' if DASHES[i] else ""
        line = f'<line class="{colour(i, reference)} line" x1="0" y1="4" x2="28" y2="4"{dash}/>'
        key = f'<svg viewBox="0 0 28 8" width="28" height="8" aria-hidden="true">{line}</svg>'
        entries.append(f"<span>{key} {escape(label)}</span>")
    return f'<p class="legend">{"".join(entries)}</p>'
