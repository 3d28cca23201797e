"""Criteria as rows, verdicts as rows, and all that one clause rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from core import acceptance
from core.ledger.record import ClauseResult, Verdict
from core.tui import words
from core.tui.judgement import Judged
from core.tui.sheet import Tone
from core.tui.widgets.rows import Column, Row
from core.tui.words import NONE, Cell

CRITERIA = (
    Column("Criterion", elastic=True),
    Column("Needed", right=True),
    Column("Baseline", right=True, spare=2),
    Column("Judged", right=True, spare=1),
    Column("Delta [95 %]", right=True),
    Column("Best", right=True, spare=3),
    Column("Result"),
)
DECLARED = (Column("Criterion", elastic=True), Column("Asks for", elastic=True), Column("Result"))
VERDICTS = (
    Column("Age", right=True),
    Column("Variant", elastic=True),
    Column("Verdict"),
    Column("n", right=True),
    Column("Commit", spare=1),
)


def key(clause: ClauseResult) -> str:
    """Of its row."""
    return f"{clause.any_of}/{clause.name}" if clause.any_of else clause.name


def criteria(verdict: Verdict, best: dict[str, str]) -> Iterator[tuple[str, Row]]:
    """Keys and rows of the clauses; alternatives stand below the name that joins them."""
    for name, members in acceptance.groups(verdict.clauses).items():
        nested = members[0].any_of is not None
        if nested:
            result = words.verdict(acceptance.outcome(members))
            yield name, (name, "one of", "", "", "", "", result)
        for c in members:
            delta = acceptance.effect(c) if c.rule in ("gain", "ratio") else ""
            delta = delta.removesuffix(f" {c.unit}")  # it stands beside what is needed
            yield (
                key(c),
                (
                    f"{'· ' * nested}{c.name}",
                    acceptance.needed(c),
                    _mean(c.reference),
                    _mean(c.candidate),
                    delta or NONE,
                    best.get(c.metric, NONE),
                    words.verdict(c.result),
                ),
            )


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.4g}" if values else NONE


def verdict(one: Judged) -> Row:
    """A row of the history."""
    git = one.record.git
    return (
        words.age(one.record.timing.created),
        one.record.variant,
        words.verdict(one.verdict.verdict),
        str(len(one.verdict.candidate)),
        Cell(((git.head if git else None) or "")[:7], "text-muted"),
    )


def why(clause: ClauseResult, judged: Judged, best: str, tone: Tone) -> Text:
    """All that a clause's result rests on."""
    result = words.verdict(clause.result)
    faint = tone("text-muted")
    lines = [
        Text.assemble(
            (result.text, tone(result.tone)), f"  {clause.metric} {acceptance.needed(clause)}"
        ),
        Text(clause.reason),
    ]
    for name, values in (("judged", clause.candidate), ("baseline", clause.reference)):
        if values:
            lines.append(
                Text.assemble((f"{name:12}", faint), "  ".join(f"{v:.5g}" for v in values))
            )
    facts: dict[str, Any] = {
        "method": clause.method,
        "noise sd": f"{clause.noise_sd:.3g}" if clause.noise_sd is not None else "",
        "detectable": f"{clause.detectable:.3g} with 80 % power" if clause.detectable else "",
        "against": clause.against if clause.rule in ("gain", "ratio") else "",
        "best": f"{best} on record" if best else "",
        "runs": " ".join(run[-6:] for run in judged.verdict.candidate),
    }
    lines += [Text.assemble((f"{k:12}", faint), v) for k, v in facts.items() if v]
    return Text("\n").join(lines)
