"""Charts of a search: what the trials came to as it went, and which values the good ones have."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.report.numbers import column
from core.report.trials import Search, feasible
from core.review import svg
from core.review.svg import BOTTOM, HIGH, LEFT, RIGHT, TOP, WIDE

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

APART = 96  # between two axes
AXES = 12  # parameters drawn: those that matter most, where that can be told
LINES = 200  # trials drawn: the best
BEST = 5  # of them, in the strong colour
WIDEST = 50  # ratio of values from which a scale is logarithmic


def history(search: Search, which: int = 0) -> str:
    """An objective over trials: full dots are feasible, the step is the best of these so far."""
    metric = search.objectives[which]
    trials = sorted(search.ranked, key=lambda t: t.number)
    values = [t.values[which] for t in trials if math.isfinite(t.values[which])]
    if not values:
        return ""
    log = min(values) > 0 and max(values) / min(values) > WIDEST
    scale: Callable[[float], float] = math.log10 if log else float
    low, top = svg.padded(scale(min(values)), scale(max(values)))
    last = max(trials[-1].number, 1)

    def place(number: float, value: float) -> tuple[float, float]:
        across = LEFT + 6 + number / last * (WIDE - LEFT - RIGHT - 12)
        return across, HIGH - BOTTOM - (scale(value) - low) / (top - low) * (HIGH - TOP - BOTTOM)

    out = []
    for tick in svg.ticks(low, top):
        value = 10**tick if log else tick
        y = place(0, value)[1]
        out += [svg.line(LEFT, y, WIDE - RIGHT, y, "grid")]
        out += [svg.text(LEFT - 5, y + 4, svg.number(value), "end")]
    for number, anchor in ((0, "start"), (last, "end")):
        out.append(svg.text(place(number, values[0])[0], HIGH - 9, str(number), anchor))
    below = "trial, log scale" if log else "trial"
    out.append(svg.text((LEFT + WIDE) / 2, HIGH - 9, below, "middle"))
    corners = best_so_far(trials, metric.direction, which)
    if corners:
        steps = [place(n, v) for n, v in corners]
        out.append(f'<polyline class="c2 line" points="{svg.path(steps)}"/>')
    for trial in trials:
        if math.isfinite(trial.values[which]):
            x, y = place(trial.number, trial.values[which])
            kind = "c1" if feasible(trial) else "hollow"
            out.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
    return svg.whole(HIGH, f"{column(metric)} by trial", out)


def best_so_far(
    trials: Sequence[FrozenTrial], direction: str, which: int = 0
) -> list[tuple[int, float]]:
    """The corners of the step line of the best feasible value, to the last trial."""
    better = max if direction == "max" else min
    out: list[tuple[int, float]] = []
    for trial in trials:
        if not feasible(trial) or not math.isfinite(trial.values[which]):
            continue
        value = trial.values[which]
        if out:
            out.append((trial.number, out[-1][1]))
            value = better(value, out[-1][1])
        out.append((trial.number, value))
    if out:
        out.append((trials[-1].number, out[-1][1]))
    return out


def parallel(search: Search, shares: Mapping[str, float]) -> str:
    """A line a trial through its values, the objectives last; the best are strong and on top."""
    known = {k: d for t in search.ranked for k, d in t.distributions.items()}
    names = sorted(known, key=lambda name: (-shares.get(name, 0.0), name))[:AXES]
    whole = [t for t in search.ranked if all(n in t.params for n in names)][:LINES]
    whole = [t for t in whole if all(map(math.isfinite, t.values))]
    if not names or not whole:
        return ""
    labels = [*names, *map(column, search.objectives)]
    axes = [_axis(known[name]) for name in names]
    axes += [_values(values) for values in zip(*(t.values for t in whole), strict=True)]
    wide = max(WIDE, APART * len(axes))
    head, foot = 24, HIGH - 20

    def across(i: int) -> float:
        return 48 + i / (len(axes) - 1) * (wide - 96)

    out = []
    for i, (_, marks) in enumerate(axes):
        out.append(svg.line(across(i), head, across(i), foot, "axis"))
        out.append(svg.text(across(i), 12, labels[i], "middle"))
        for high, text in marks:
            out.append(svg.text(across(i) + 4, foot - high * (foot - head) + 4, text, "start"))
    lines = []
    for rank, trial in enumerate(whole):
        given = [*(trial.params[n] for n in names), *trial.values]
        told = zip(axes, given, strict=True)
        heights = [foot - at(value) * (foot - head) for (at, _), value in told]
        points = svg.path([(across(i), y) for i, y in enumerate(heights)])
        kind = "c2 strong" if rank < BEST and feasible(trial) else "weak"
        lines.append(f'<polyline class="{kind} line" points="{points}"/>')
    return svg.whole(HIGH, "values of the trials", [*lines[::-1], *out], wide)


Axis = tuple[Callable[[Any], float], list[tuple[float, str]]]  # value -> 0 to 1; labels with places


def _axis(distribution: Any) -> Axis:
    """Choices stand at equal distances, numbers between the ends of their range."""
    choices = getattr(distribution, "choices", None)
    if choices is None:
        return _numbers(distribution.low, distribution.high, distribution.log)
    places = {repr(c): (i + 0.5) / len(choices) for i, c in enumerate(choices)}
    return (lambda c: places[repr(c)]), [(places[repr(c)], str(c)[:12]) for c in choices]


def _values(values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    return _numbers(low, high, low > 0 and high / low > WIDEST)


def _numbers(low: float, high: float, log: bool) -> Axis:
    scale: Callable[[float], float] = math.log10 if log else float
    first, reach = scale(low), (scale(high) - scale(low)) or 1.0
    return (lambda v: (scale(v) - first) / reach), [(0, svg.number(low)), (1, svg.number(high))]


def importance(shares: Mapping[str, float]) -> str:
    """Bars of what each parameter's share is in setting good trials apart."""
    row, label = 24, 12 + max(map(len, shares), default=0) * 6.6
    most = max(shares.values(), default=0.0) or 1.0
    out = []
    for i, (name, share) in enumerate(shares.items()):
        y, reach = TOP + row * i, (WIDE - label - 44) * share / most
        out.append(svg.text(label - 8, y + 14, name, "end"))
        out.append(
            f'<rect class="c1" x="{label:.1f}" y="{y + 3}" width="{reach:.1f}" height="14"/>'
        )
        out.append(svg.text(label + reach + 6, y + 14, f"{share:.2f}", "start"))
    return svg.whole(TOP + row * len(shares) + 4, "importance of the parameters", out)
