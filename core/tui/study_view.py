"""A study in one line, and its runs as rows of a table."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from core.tui import words
from core.tui.following import Following
from core.tui.sheet import Tone
from core.tui.trials import Trial
from core.tui.widgets.rows import Column, Row
from core.tui.words import NONE, Cell

BAR = 20  # letters of the progress bar
COLUMNS = (
    Column("#", right=True),
    Column("Status"),
    Column("Value", right=True),
    Column("Limits", spare=1),
    Column("Set", elastic=True),
    Column("Seed", right=True, spare=4),
    Column("Time", right=True, spare=2),
)


def line(one: Any, tone: Tone, width: int) -> Text:
    """A study's summary, as much as fits."""
    state = words.state(one.state)
    full = round(one.ended / max(1, one.total) * BAR)
    parts = [
        Text(one.id, "bold"),
        Text(state.text, tone(state.tone)),
        Text.assemble(
            ("━" * full, tone("accent")),
            ("─" * (BAR - full), tone("text-muted")),
            f" {one.ended}/{one.total}",
        ),
    ]
    if one.best:
        name = f"#{one.best.trial} " if one.best.trial is not None else ""
        parts.append(Text(f"best {name}{words.number(one.best.value, one.metric.unit)}"))
    parts.append(Text(f"accepted {one.accepted}"))
    if one.left_s is not None:
        parts.append(Text(f"{words.duration(one.left_s)} left"))
    if one.failed:
        parts.append(Text(f"✗ {one.failed} failed", tone("error")))
    out = Text(" ")
    for part in parts:
        if out.cell_len + part.cell_len + 2 <= width:
            out = Text.assemble(out, part, "  ")
    return out


def row(t: Trial, metric: str, run: Following | None, marked: bool) -> Row:
    """A run; of one that goes on how far it is, and its newest value."""
    state, value, tone = words.state(t.status), t.value, ""
    if run is not None and t.status == "running":
        value, tone = run.last(metric), "accent"
        if run.share is not None:
            state = Cell(f"● {run.share:4.0%} {run.phase}"[:18], "accent")
    limits = words.verdict(t.verdict)
    if t.violation is not None:
        met = t.violation == 0
        limits = Cell("✓ met", "success") if met else Cell(f"✗ {t.violation:+.2g}", "error")
    return (
        Cell(f"{'◆ ' * marked}{t.number}", "accent" * marked),
        state,
        Cell(NONE, "text-muted") if value is None else Cell(f"{value:.4g}", tone),
        limits,
        t.set,
        str(t.seed),
        words.duration(t.seconds),
    )
