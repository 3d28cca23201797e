"""`assay ls` as text: one line a run, as wide as the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from core import clock

GLYPHS = {"pass": "✓ pass", "fail": "✗ fail", "inconclusive": "? inconclusive"}
RIGHT = {"age", "value", "gain", "seeds"}  # columns of numbers
SPARED = ("commit", "seeds", "age", "gain")  # left out one by one where the terminal is narrow
GAP = "  "


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Runs as `Ledger.board` gives them."""
    if not rows:
        return "no runs here; `assay run <task>` starts one"
    cells = [_cells(row) for row in rows]
    width = shutil.get_terminal_size((120, 24)).columns
    names = list(cells[0])
    widths = {n: max(len(n), *(len(c[n]) for c in cells)) for n in names}
    for spared in SPARED:
        if sum(widths[n] + len(GAP) for n in names) - len(GAP) > width:
            names.remove(spared)
    lines = [dict(zip(names, names, strict=True)), *cells]
    return "\n".join(_line([(n, line[n], widths[n]) for n in names], width) for line in lines)


def _line(cells: list[tuple[str, str, int]], width: int) -> str:
    text = GAP.join(v.rjust(w) if n in RIGHT else v.ljust(w) for n, v, w in cells).rstrip()
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    status = "stale" if row["stale"] else row["status"]
    return {
        "id": row["short"],
        "age": age(row["created"]),
        "task/variant": f"{row['task']}/{row['variant']}",
        "status": f"{status}, void" if row["void"] else status,
        "verdict": GLYPHS.get(row["verdict"], ""),
        "metric": row["metric"] or "",
        "value": number(row["value"], row["unit"]),
        "gain": "" if row["gain"] is None else f"{row['gain']:+.3g}",
        "seeds": str(row["seeds"] or ""),
        "commit": (row["head"] or row["commit"] or "")[:8] + ("*" if row["dirty"] else ""),
    }


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
