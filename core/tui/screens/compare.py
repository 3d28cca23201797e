"""Runs side by side: what differs in numbers and configs, and their curves over each other."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from core import compare, events
from core.ledger.record import RunRecord
from core.tui import words
from core.tui.following import ranked
from core.tui.screens.page import Page
from core.tui.source import Source
from core.tui.widgets.curve import Curve, Series
from core.tui.widgets.rows import Column, Row, Rows
from core.tui.words import Cell

MOST = 6  # runs that are told apart


class Found(NamedTuple):
    """What is compared."""

    records: list[RunRecord]
    curves: dict[str, list[Series]]  # logged name -> a curve a run
    code: str


class Compare(Page):
    """A table of differences above, curves below."""

    MODE = "ledger"
    PUSHED = True
    HELP = (
        "Marked runs side by side: metrics, what differs in config, data and environment, and "
        "whether the code does; below, a logged value of all of them. v takes the next value, L "
        "makes its axis logarithmic."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "metric(1)", "Value"),
        Binding("V", "metric(-1)", "Value before", show=False),
        Binding("L", "log", "Log axis"),
        Binding("escape,backspace", "back", "Back", show=True),
    ]

    def __init__(self, runs: Sequence[str]) -> None:
        super().__init__()
        self._runs = list(runs)[:MOST]
        self._found: Found | None = None
        self._at = 0
        self._log = False

    def body(self) -> Iterator[Widget]:
        """Table and curves."""
        with Vertical(id="compare"):
            table = Rows([Column("")], id="differences")
            table.border_title = "Side by side"
            table.add_class("panel")
            yield table
            curve = Curve(id="curve", empty="these runs logged nothing in common")
            curve.add_class("panel")
            yield curve

    def gather(self, source: Source) -> Found:
        """Records and series."""
        records = [source.record(run) for run in self._runs]
        curves: dict[str, list[Series]] = {}
        for letter, record in zip(string.ascii_uppercase, records, strict=False):
            place = source.folder(record.run)
            for name, rows in (events.series(place / events.NAME) if place else {}).items():
                steps = [float(step) for step, _ in rows]
                values = [float("nan") if v is None else v for _, v in rows]
                curves.setdefault(name, []).append(Series(letter, steps, values))
        return Found(records, curves, _code(source, records))

    def show(self, found: Found) -> None:
        """Fill both."""
        self._found = found
        letters = string.ascii_uppercase
        heads = [f"{x} {r.run[-4:]}" for x, r in zip(letters, found.records, strict=False)]
        columns = [Column("", elastic=True), *(Column(h, right=True, elastic=True) for h in heads)]
        self.query_one("#differences", Rows).show(_rows(found), columns)
        self._draw()

    def _draw(self) -> None:
        if self._found is None:
            return
        curve = self.query_one(Curve)
        drawn = self._found.curves
        names = ranked(drawn, self._found.records[0].primary)
        names.sort(key=lambda name: -len(drawn[name]))  # what most of them logged is compared first
        name = names[self._at % len(names)] if names else ""
        curve.border_title = Content(name or "Curves")
        curve.border_subtitle = "log" if self._log else ""
        curve.show(self._found.curves.get(name, []), log=self._log)

    def action_metric(self, by: int) -> None:
        """Another logged value."""
        self._at += by
        self._draw()

    def action_log(self) -> None:
        """The vertical axis."""
        self._log = not self._log
        self._draw()

    def copied(self) -> str:
        """The command that shows the same."""
        return f"assay diff {' '.join(self._runs[:2])}"


def _rows(found: Found) -> dict[str, Row]:
    records = found.records
    rows: dict[str, Row] = {"run": ("run", *(f"{r.task}/{r.variant} s{r.seed}" for r in records))}
    rows["status"] = ("status", *(words.state(r.status) for r in records))
    said = [r.verdict.verdict if r.verdict else None for r in records]
    rows["verdict"] = ("verdict", *map(words.verdict, said))
    names = list(dict.fromkeys(n for r in records for n in r.metrics))
    for name in sorted(names, key=lambda n: (n != records[0].primary, n)):
        rows[f"metric {name}"] = (name, *_best(name, records))
    first = records[0]
    for title, differ in (("config", compare.settings), ("", compare.facts)):
        keys = sorted({key for other in records[1:] for key in differ(first, other)})
        for key in keys:
            rows[f"{title} {key}"] = (
                Cell(f"{title} {key}".strip()),
                *_values(key, records, differ),
            )
    rows["code"] = ("code", Cell(found.code, "text-muted"), *[""] * (len(records) - 1))
    return rows


def _values(key: str, records: Sequence[RunRecord], differ: Any) -> Iterator[str]:
    """The value of a key in each run, by its difference from the first."""
    first = records[0]
    pairs = [differ(first, other).get(key) for other in records[1:]]
    mine = next(pair[0] for pair in pairs if pair)
    yield str(mine)
    yield from (str(pair[1] if pair else mine) for pair in pairs)


def _best(name: str, records: Sequence[RunRecord]) -> Iterator[Cell]:
    """A metric of each run; the best one is marked."""
    measured = [r.metrics.get(name) for r in records]
    values = [m.value for m in measured if m]
    ends = {"max": max, "min": min}
    for m in measured:
        if m is None:
            yield Cell(words.NONE, "text-muted")
        else:
            best = len(set(values)) > 1 and m.value == ends[m.direction](values)
            yield Cell(f"{'★ ' if best else ''}{words.number(m.value, m.unit)}", "success" * best)


def _code(source: Source, records: Sequence[RunRecord]) -> str:
    trees = {r.git.code_tree for r in records if r.git}
    return "the same in all" if len(trees) == 1 else "differs: `assay diff --code` shows how"
