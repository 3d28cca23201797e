"""States, verdicts and numbers in a few letters: a glyph and a word, and a colour beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from textual.color import Color

from core.report.numbers import NONE, age, number

__all__ = [
    "NONE",
    "Cell",
    "age",
    "colour",
    "duration",
    "number",
    "outcome",
    "size",
    "state",
    "verdict",
]
FAINT = 0.4  # of the background in muted text


class Cell(NamedTuple):
    """Text, and the theme's colour for it; "" is the text's own."""

    text: str
    tone: str = ""


STATES = {
    "running": Cell("● running", "accent"),
    "paused": Cell("‖ paused", "warning"),
    "stopping": Cell("◍ stopping", "warning"),
    "stopped": Cell("□ stopped", "warning"),
    "queued": Cell("◌ queued", "text-muted"),
    "finished": Cell("■ finished", ""),
    "pruned": Cell("◇ pruned", "text-muted"),
    "cancelled": Cell("□ cancelled", "text-muted"),
    "lost": Cell("⚠ lost", "warning"),
    "stale": Cell("⚠ stale", "warning"),
    "broken": Cell("⚠ broken", "warning"),
}
VERDICTS = {
    "pass": Cell("✓ pass", "success"),
    "fail": Cell("✗ fail", "error"),
    "inconclusive": Cell("? inconclusive", "warning"),
    "unknown": Cell("? unknown", "warning"),
}


def colour(theme: Mapping[str, str], tone: str) -> str:
    """A tone as a hex colour of the theme; "" for the text's own."""
    if tone == "text-muted" and not theme.get(tone, "").startswith("#"):
        text, ground = Color.parse(theme["foreground"]), Color.parse(theme["background"])
        return text.blend(ground, FAINT).hex6
    found = theme.get(tone, "")
    return found if found.startswith("#") else ""


def state(word: str) -> Cell:
    """How a run or a study stands; what is not known here is a way to fail."""
    return STATES.get(word, Cell(f"✗ {word}", "error"))


def verdict(word: str | None) -> Cell:
    """What was said of it; a dash for nothing."""
    return VERDICTS.get(word or "", Cell(NONE, "text-muted"))


def outcome(results: list[str]) -> Cell:
    """One glyph a criterion: ✓✗?, and the colour of the worst."""
    glyphs = "".join(VERDICTS[r].text[0] if r in VERDICTS else "·" for r in results)
    tones = [VERDICTS[r].tone for r in ("fail", "unknown", "pass") if r in results]
    return Cell(glyphs or NONE, tones[0] if tones else "text-muted")


def duration(seconds: float | None) -> str:
    """`42s`, `3m05s`, `2h10m`, `4d06h`; a dash when it is not known."""
    if seconds is None:
        return NONE
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def size(count: float) -> str:
    """Bytes as `3.4G`."""
    for unit in ("B", "K", "M", "G"):
        if count < 1000:
            return f"{count:.3g}{unit}"
        count /= 1024
    return f"{count:.3g}T"
