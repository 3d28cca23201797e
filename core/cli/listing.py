"""`assay ls` as text: one line a run, as wide as the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from core.report.numbers import age, number

GLYPHS = {"pass": "✓ pass", "fail": "✗ fail", "inconclusive": "? inconclusive"}
RIGHT = {"age", "seed", "value", "gain", "n"}  # columns of numbers
NAME = 24  # letters of task/variant on a narrow terminal
SPARED = (
    "commit",
    "n",
    "age",
    "gain",
    "seed",
    "metric",
    "verdict",
)  # left out one by one where the terminal is narrow
GAP = "  "


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Runs as `Ledger.board` gives them."""
    if not rows:
        return "no runs here; `assay run <task>` starts one"
    cells = [_cells(row) for row in rows]
    width = shutil.get_terminal_size((120, 24)).columns
    names = list(cells[0])
    if _wide(cells, names) > width:
        cells = [c | {"task/variant": _short(c["task/variant"])} for c in cells]
    for spared in SPARED:
        if _wide(cells, names) > width:
            names.remove(spared)
    widths = _widths(cells)
    lines = [dict(zip(names, names, strict=True)), *cells]
    return "\n".join(_line([(n, line[n], widths[n]) for n in names], width) for line in lines)


def _widths(cells: Sequence[Mapping[str, str]]) -> dict[str, int]:
    return {name: max(len(name), *(len(c[name]) for c in cells)) for name in cells[0]}


def _wide(cells: Sequence[Mapping[str, str]], names: Sequence[str]) -> int:
    """How wide a line of these columns is."""
    widths = _widths(cells)
    return sum(widths[n] for n in names) + len(GAP) * (len(names) - 1)


def _short(name: str) -> str:
    """A long name without its middle: the task and the end of the variant stay."""
    half = NAME // 2
    return name if len(name) <= NAME else f"{name[: half - 1]}…{name[-half:]}"


def _line(cells: list[tuple[str, str, int]], width: int) -> str:
    text = GAP.join(v.rjust(w) if n in RIGHT else v.ljust(w) for n, v, w in cells).rstrip()
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    status = "stale" if row["stale"] else row["status"]
    return {
        "id": row["short"],
        "age": age(row["created"]),
        "task/variant": f"{row['task']}/{row['variant']}",
        "seed": str(row["seed"]),
        "status": f"{status}, void" if row["void"] else status,
        "verdict": GLYPHS.get(row["verdict"], ""),
        "metric": row["metric"] or "",
        "value": number(row["value"], row["unit"]),
        "gain": "" if row["gain"] is None else f"{row['gain']:+.3g}",
        "n": str(row["seeds"] or ""),
        "commit": (row["head"] or row["commit"] or "")[:8] + ("*" if row["dirty"] else ""),
    }
