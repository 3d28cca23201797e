"""Ledger: every run on record, under the filter of `assay ls -w`, five hundred at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import DataTable, Input, Static

from core.errors import AssayError
from core.tui import sheet, words
from core.tui import source as sources
from core.tui.screens.page import Page
from core.tui.source import Source
from core.tui.widgets.rows import Column, Row, Rows
from core.tui.words import Cell

COLUMNS = (
    Column(" "),
    Column("Id"),
    Column("Age", right=True, spare=4),
    Column("Task/variant", elastic=True),
    Column("Seed", right=True, spare=5),
    Column("Status"),
    Column("Verdict", spare=3),
    Column("Value", right=True),
    Column("Gain", right=True, spare=6),
    Column("n", right=True, spare=7),
    Column("Commit", spare=8),
)
EXAMPLE = "task = 'lightmap' and ssim > 0.6 and status = 'finished'"


class LedgerPage(Page):
    """The list, a filter above it, and the run under the cursor beside it."""

    MODE = "ledger"
    HELP = (
        "Every run that this clone knows, newest first. The filter is that of `assay ls -w`: SQL "
        f"over run fields, metrics and config keys, as in {EXAMPLE}. Brackets turn pages. Space "
        "marks runs, d sets the marked ones side by side. Folders in runs/ that the ledger does "
        "not know are listed first, marked ⚠."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "where", "Filter", key_display="/"),
        Binding("space", "mark", "Mark"),
        Binding("d", "diff", "Diff marked"),
        Binding("right_square_bracket", "turn(1)", "Next page", key_display="]"),
        Binding("left_square_bracket", "turn(-1)", "Previous page", key_display="[", show=False),
        Binding("u", "unmark", "Unmark all", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._where = ""
        self._offset = 0
        self._page: sources.Page | None = None
        self._marked: list[str] = []

    def body(self) -> Iterator[Widget]:
        """Filter, list, page of the run."""
        with Vertical(id="ledger"):
            yield Input(placeholder=EXAMPLE, id="where", classes="panel")
            with Horizontal():
                runs = Rows(COLUMNS, id="runs", empty="no run matches")
                runs.border_title = "Runs"
                runs.add_class("panel")
                yield runs
                with VerticalScroll(id="beside", classes="panel") as beside:
                    beside.border_title = "Run"
                    beside.can_focus = False
                    yield Static(id="sheet", markup=False)

    def on_mount(self) -> None:
        """The rows have the keys."""
        self.query_one("#where", Input).border_title = "Where"
        self.query_one("#runs").focus()

    def gather(self, source: Source) -> sources.Page:
        """The page."""
        return source.page(self._where or None, self._offset)

    def show(self, found: sources.Page) -> None:
        """Fill the list."""
        self._page = found
        self._said("")
        rows: dict[str, Row] = {}
        if not found.offset:
            rows |= {name: _stray(name, why) for name, why in found.strays}
        rows |= {r["run"]: self._row(r) for r in found.rows}
        self.query_one("#runs", Rows).show(rows)
        last = found.offset + len(found.rows)
        first = min(found.offset + 1, last)
        self.query_one("#runs").border_subtitle = f"{first}–{last} of {found.total}"

    def _row(self, r: dict[str, Any]) -> Row:
        commit = (r["head"] or r["commit"] or "")[:7] + "*" * r["dirty"]
        status = words.state("stale" if r["stale"] else r["status"])
        return (
            Cell("◆" if r["run"] in self._marked else " ", "accent"),
            r["short"],
            words.age(r["created"]),
            f"{r['task']}/{r['variant']}",
            str(r["seed"]),
            Cell(f"{status.text}, void" if r["void"] else status.text, status.tone),
            words.verdict(r["verdict"]),
            words.number(r["value"], r["unit"]),
            "" if r["gain"] is None else f"{r['gain']:+.3g}",
            str(r["seeds"] or ""),
            Cell(commit, "text-muted"),
        )

    def fail(self, error: AssayError) -> None:
        """A filter that is not valid is told beside it; the rows stay."""
        self._said(str(error))

    def _said(self, words_: str) -> None:
        where = self.query_one("#where", Input)
        where.border_subtitle = Content(words_[:300])
        where.set_class(bool(words_), "wrong")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Apply the filter."""
        if event.input.id == "where":
            self._where, self._offset = event.value.strip(), 0
            self.reload()
            self.query_one("#runs").focus()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """The run under the cursor, beside the list where there is room."""
        if self.query_one("#beside").display and event.row_key and event.row_key.value:
            self._peek(event.row_key.value)

    def _peek(self, run: str) -> None:
        try:
            record = self.assay.source.record(run)
        except AssayError:
            stray = dict(self._page.strays).get(run, "") if self._page else ""
            place = self.assay.source.project.run_dir(run)
            self.query_one("#sheet", Static).update(f"⚠ {run}\n\n{stray}\n\n{place}")
            return
        tone = sheet.toned(self.app.theme_variables)
        self.query_one("#sheet", Static).update(sheet.run(record, tone))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """All about the run."""
        self.assay.open_run(event.row_key.value)

    def select(self, where: str) -> None:
        """Show what matches."""
        self.query_one("#where", Input).value = where
        self._where, self._offset = where, 0
        self.reload()

    def action_where(self) -> None:
        """Write a filter."""
        self.query_one("#where", Input).focus()

    def action_back(self) -> None:
        """From the filter to the rows; on the rows, no filter."""
        where = self.query_one("#where", Input)
        if self.maximized or self.query_one("#filter").display:
            super().action_back()
        elif where.has_focus:
            self.query_one("#runs").focus()
        elif where.value:
            self.select("")

    def action_turn(self, by: int) -> None:
        """The next or previous page."""
        offset = self._offset + by * sources.PAGE
        if self._page and 0 <= offset < self._page.total:
            self._offset = offset
            self.reload()
            self.query_one("#runs", Rows).move_cursor(row=0, animate=False)

    def action_mark(self) -> None:
        """Mark or unmark the run under the cursor, and go on."""
        rows = self.query_one("#runs", Rows)
        run = rows.chosen
        if run is None or self._page is None or run in dict(self._page.strays):
            return
        if run in self._marked:
            self._marked.remove(run)
        else:
            self._marked.append(run)
        self.show(self._page)
        rows.action_cursor_down()

    def action_unmark(self) -> None:
        """No run is marked."""
        self._marked.clear()
        if self._page:
            self.show(self._page)

    def action_diff(self) -> None:
        """The marked runs side by side."""
        from core.tui.screens.compare import Compare

        if len(self._marked) < 2:
            self.notify("mark two runs or more with space")
        else:
            self.app.push_screen(Compare(list(self._marked)))


def _stray(name: str, why: str) -> Row:
    state = words.state("broken")
    return (" ", name[:8], "", Cell(why, "text-muted"), "", state, "", "", "", "", "")
