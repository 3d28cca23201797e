"""A clause in words: the same ones on the command line, in the TUI, in tables and in the ledger."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.ledger.record import ClauseResult


def side(values: Sequence[float]) -> str:
    """The mean and how many values it is of: `0.915 (3)`; "" for none."""
    return f"{sum(values) / len(values):.4g} ({len(values)})" if values else ""


def effect(clause: ClauseResult) -> str:
    """The point and its bounds: `+0.031 [+0.024, +0.038] dB`; "" when there is no point."""
    if clause.point is None:
        return ""
    scale = 100 if clause.rule == "ratio" else 1
    low, high = (None if b is None else scale * b for b in (clause.low, clause.high))
    return interval(scale * clause.point, low, high, _sign(clause)) + _unit(clause)


def interval(point: float, low: float | None, high: float | None, sign: str = "") -> str:
    """A number to two digits of its uncertainty, with its bounds unless they are the point.

    `sign` is as in a format: "+" shows it always.
    """
    reach = 0.0 if low is None or high is None else high - point
    if reach <= 1e-9 * max(abs(point), 1.0):  # none, or the rounding of equal numbers
        return f"{point:{sign}.4g}"
    places = f".{max(0, 1 - math.floor(math.log10(reach)))}f" if reach < 1000 else ".4g"
    return f"{point:{sign}{places}} [{low:{sign}{places}}, {high:{sign}{places}}]"


def needed(clause: ClauseResult) -> str:
    """What the clause asks for: `≥ +0.02`, `< 60 ms`."""
    relation = {"at_most": "≤", "below": "<"}.get(clause.rule, "≥")
    threshold = clause.threshold * (100 if clause.rule == "ratio" else 1)
    return f"{relation} {threshold:{_sign(clause)}.4g}{_unit(clause)}"


def reason(clause: ClauseResult, lost_to_holm: bool) -> str:
    """One sentence on a clause whose values and result are known."""
    odd = [v for v in clause.candidate if not math.isfinite(v)]
    if odd:
        return f"{clause.metric} is {odd[0]} in {len(odd)} of {len(clause.candidate)} runs"
    if not clause.method:
        return clause.reason
    if clause.point is None:
        return (
            f"no comparison with {clause.against}: its {clause.metric} is {side(clause.reference)}"
        )
    if clause.rule not in ("gain", "ratio"):
        return f"{clause.metric} {effect(clause)}, needed {needed(clause)} ({_how(clause)})"
    said = f"{clause.metric} gain {effect(clause)} over {clause.against}, needed {needed(clause)}"
    return f"{said} ({_how(clause)}){_open(clause, lost_to_holm)}"


def _how(clause: ClauseResult) -> str:
    ours, theirs = len(clause.candidate), len(clause.reference)
    if clause.method == "value":
        return "one run"
    n = f"{ours}" if clause.method != "Welch t" else f"{ours} v. {theirs}"
    return f"{clause.method}, n = {n}"


def _open(clause: ClauseResult, lost_to_holm: bool) -> str:
    """Why a comparison stays unknown."""
    if clause.result != "unknown":
        return ""
    if clause.low is None:
        return "; one value shows no spread, so at least 2 seeds a side are needed"
    if lost_to_holm:
        return "; as one of several chances it must be clearer (Holm)"
    return "; the spread between seeds leaves it open"


def _sign(clause: ClauseResult) -> str:
    return "+" if clause.rule in ("gain", "ratio") else ""


def _unit(clause: ClauseResult) -> str:
    unit = "%" if clause.rule == "ratio" else clause.unit
    return "" if unit == "1" else f" {unit}"
