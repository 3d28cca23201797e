"""Ablation: variants by metrics, and how sure the difference from the reference is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import DataTable, Static

from core.tui import words
from core.tui.screens.page import Page
from core.tui.source import Source
from core.tui.widgets import bars
from core.tui.widgets.bars import Interval
from core.tui.widgets.rows import Column, Row, Rows
from core.tui.words import Cell

TONES = {"better": "success", "worse": "error", "open": "text-muted"}


class Block(NamedTuple):
    """A metric's differences, one a variant."""

    title: str
    direction: str
    labels: list[str]
    intervals: list[Interval | None]
    words: list[str]


class Found(NamedTuple):
    """What the screen shows."""

    study: str
    names: list[str]  # ids of list studies, newest first
    columns: list[Column]
    rows: dict[str, Row]
    runs: dict[str, str]  # variant -> its first run
    blocks: list[Block]
    notes: list[str]


class Ablation(Page):
    """The arms of a list study."""

    MODE = "ablation"
    HELP = (
        "The arms of a study: mean ± standard deviation over seeds of every metric that tells them "
        "apart, and their difference from the reference with one-sided 95 % bounds, on one scale a "
        "metric. A bar that crosses the dotted line leaves it open. Brackets lead to other "
        "studies, enter opens a variant's run."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket", "turn(1)", "Older study", key_display="]"),
        Binding("left_square_bracket", "turn(-1)", "Newer", key_display="["),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._study: str | None = None
        self._found: Found | None = None

    def body(self) -> Iterator[Widget]:
        """Matrix above, bars below."""
        with Vertical(id="ablation"):
            matrix = Rows([Column("Variant")], id="matrix", empty="no study with variants yet")
            matrix.border_title = "Variants"
            matrix.add_class("panel")
            yield matrix
            with VerticalScroll(id="intervals", classes="panel") as intervals:
                intervals.border_title = "Difference from the reference, 95 % bounds"
                yield Static(id="bars", markup=False)

    def gather(self, source: Source) -> Found | None:
        """The comparison of the study."""
        with source.lock:
            return _found(source, self._study)

    def show(self, found: Any) -> None:
        """Fill both."""
        self._found = found
        if found is None:
            return
        self._study = found.study
        matrix = self.query_one("#matrix", Rows)
        matrix.border_title = found.study
        matrix.border_subtitle = "mean ± sd over seeds"
        matrix.styles.height = len(found.rows) + 3
        matrix.show(found.rows, found.columns)
        self._bars()

    def on_resize(self) -> None:
        """Bars have another width."""
        if self._found:
            self.call_after_refresh(self._bars)

    def _bars(self) -> None:
        assert self._found is not None  # the callers have looked
        width = self.query_one("#bars").size.width or 60
        lines: list[Text] = []
        theme = self.app.theme_variables
        faint = words.colour(theme, "text-muted")
        for block in self._found.blocks:
            wide = min(24, max(map(len, block.labels)))
            said = max(map(len, block.words))
            drawn = bars.bars(block.intervals, width - wide - said - 12)
            lines.append(Text(block.title, "bold"))
            rows = zip(block.labels, drawn, block.words, block.intervals, strict=True)
            for label, bar, number, interval in rows:
                verdict = bars.judged(interval, block.direction)
                tone = words.colour(theme, TONES.get(verdict, "text-muted"))
                name = label if len(label) <= wide else f"{label[: wide - 1]}…"
                drawing = Text(bar, tone)
                drawing.highlight_regex("┊", faint)
                line = Text.assemble(f"{name:{wide}}  ", drawing, f"  {number:>{said}}  ")
                lines.append(line.append(verdict, tone))
            lines.append(Text())
        lines += [Text(note, faint) for note in self._found.notes]
        self.query_one("#bars", Static).update(Text("\n").join(lines))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """The first run of the variant."""
        if self._found and event.row_key.value in self._found.runs:
            self.assay.open_run(self._found.runs[event.row_key.value])

    def select(self, study: str) -> None:
        """Show this study."""
        self._study = study
        self.reload(other=True)

    def action_turn(self, by: int) -> None:
        """Another study."""
        if self._found:
            names = self._found.names
            self.select(names[(names.index(self._found.study) + by) % len(names)])

    def copied(self) -> str:
        """The command that prints the tables."""
        return f"assay report {self._study}" if self._study else ""


def _found(source: Source, wanted: str | None) -> Found | None:
    from core.report import groups, numbers
    from core.study import comparison, folder

    lists = [f for f in folder.every(source.project) if f.cells]
    if not lists:
        return None
    several = next((f for f in lists if len(f.plan.arms) > 1), lists[0])
    one = next((f for f in lists if f.plan.id == wanted), several)
    study = comparison.of(source.project, one)
    assert study is not None  # it has cells
    metrics = study.telling
    spreads = [numbers.spreads(g.values(m.name).values() for g in study.groups) for m in metrics]
    heads = [Column(numbers.column(m), right=True, spare=n) for n, m in enumerate(metrics)]
    columns = [Column("Variant", elastic=True), Column("n", right=True), Column("Verdict"), *heads]
    rows: dict[str, Row] = {}
    for index, group in enumerate(study.groups):
        own = group is study.reference
        said = (
            Cell("reference", "text-muted")
            if own
            else words.verdict(group.verdict.verdict if group.verdict else None)
        )
        count = f"{len(group.finished)}/{len(group.runs)}"
        rows[group.label] = (group.label, count, said, *(s[index] for s in spreads))
    others = [g for g in study.groups if study.reference and g is not study.reference]
    blocks = []
    for metric in metrics if others else ():
        estimates = [groups.contrast(study, g, metric.name) for g in others]
        intervals = [Interval(e.point, e.low, e.high) if e else None for e in estimates]
        labels = [g.label for g in others]
        said_ = numbers.intervals(estimates)
        blocks.append(Block(numbers.column(metric), metric.direction, labels, intervals, said_))
    notes = [f"{g.label}: {g.unjudged}" for g in study.groups if g.unjudged]
    if study.reference is None:
        notes.append("no reference: neither the study nor the task has one to differ from")
    runs = {g.label: g.runs[0].run for g in study.groups if g.runs}
    return Found(one.plan.id, [f.plan.id for f in lists], columns, rows, runs, blocks, notes)
