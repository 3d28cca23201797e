"""Logs: what runs and workers print, followed as it grows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import DataTable, Input

from core.tui import words
from core.tui.growing import Growing
from core.tui.screens.page import Page
from core.tui.source import Source
from core.tui.widgets.lines import Lines
from core.tui.widgets.rows import Column, Row, Rows
from core.tui.words import Cell

LAUNCHES = 20  # newest outputs of what was started from here
RUNS = 200  # newest runs whose logs are offered
TAIL_S = 0.4
FILES = (Column("Log", elastic=True), Column("State"), Column("Age", right=True, spare=3))


class LogFile(NamedTuple):
    """A file that may be read."""

    key: str  # a run's id, or study/file
    path: Path | None
    row: Row


class Logs(Page):
    """A list of logs, and one of them."""

    MODE = "logs"
    HELP = (
        "The logs of the newest runs and of the studies' workers. f follows the end as it grows, "
        "w wraps long lines, / searches and n and N step through the matches, y copies the path."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/"),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._files: dict[str, LogFile] = {}
        self._key: str | None = None  # of what is open
        self._open: Growing | None = None  # None too where its folder is on another machine
        self._wanted: str | None = None

    def body(self) -> Iterator[Widget]:
        """Files on the left, lines on the right."""
        with Horizontal(id="logs"):
            files = Rows(FILES, id="files", empty="nothing has logged yet")
            files.border_title = "Logs"
            files.add_class("panel")
            yield files
            lines = Lines(id="lines")
            lines.border_title = "–"
            lines.add_class("panel")
            yield lines

    def on_mount(self) -> None:
        """The open file is read on twice a second."""
        self.query_one("#filter", Input).placeholder = "letters to look for; enter, then n and N"
        self.set_interval(TAIL_S, self._tail)

    def gather(self, source: Source) -> list[LogFile]:
        """Logs of studies that go on, of runs, and of studies before."""
        return [*_workers(source), *_runs(source)]

    def show(self, found: Any) -> None:
        """Fill the list; open what was asked for, else the first."""
        self._files = {one.key: one for one in found}
        files = self.query_one("#files", Rows)
        files.show({one.key: one.row for one in found})
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            files.choose(wanted)
            self._read_log(wanted)
        elif self._key is None and found:
            self._read_log(found[0].key)

    def select(self, key: str) -> None:
        """Open the log of a run."""
        self._wanted = key
        self.reload()
        self.query_one(Lines).focus()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """The cursor opens."""
        if event.row_key is not None and event.row_key.value and self._key is not None:
            self._read_log(event.row_key.value)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter goes to the lines."""
        self.query_one(Lines).focus()

    def _read_log(self, key: str) -> None:
        file = self._files.get(key)
        lines = self.query_one(Lines)
        if file is None:
            return
        if key == self._key and file.path == (self._open.path if self._open else None):
            return
        self._key = key
        lines.clear()
        self._open = Growing(file.path) if file.path else None
        lines.border_title = Content(str(file.row[0]))
        if file.path is None:
            lines.append(["its folder is not on this machine"])
        self.on_lines_changed()
        self._tail()

    def _tail(self) -> None:
        if self._open is not None and self.is_current and (new := self._open.new()):
            self.query_one(Lines).append(new)
            self.on_lines_changed()

    def on_lines_changed(self) -> None:
        """Say so in the frame."""
        lines = self.query_one(Lines)
        lines.border_subtitle = Content(lines.state)

    def action_search(self) -> None:
        """Ask for letters to look for."""
        self.action_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The filter is a search here."""
        event.prevent_default()
        if event.input.id == "filter":
            self.query_one(Lines).search(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Back to the lines; n and N step."""
        event.prevent_default()
        event.input.display = False
        self.query_one(Lines).focus()

    def action_back(self) -> None:
        """Out of the search, then back to the list."""
        if self.query_one("#filter").display or self.maximized:
            super().action_back()
        else:
            self.query_one("#files").focus()

    def copied(self) -> str:
        """The file's path."""
        return str(self._open.path) if self._open else ""


def _workers(source: Source) -> Iterator[LogFile]:
    from core.study import folder

    launches = sorted((source.project.store / "launches").glob("*.log"), reverse=True)
    for path in launches[:LAUNCHES]:
        if path.stat().st_size:
            yield LogFile(path.stem, path, (f"launch {path.stem[-6:]}", "", ""))
    for one in folder.every(source.project):
        state = words.state("running") if one.led() else Cell("")
        for path in sorted(one.path.glob("*.log")):
            if path.name != "optuna.log" and path.stat().st_size:
                name = f"{path.stem} {one.plan.id}"  # what differs first: the end may be cut
                yield LogFile(
                    f"{one.plan.id}/{path.name}", path, (name, state, words.age(one.plan.created))
                )


def _runs(source: Source) -> Iterator[LogFile]:
    for row in source.recent(RUNS):
        place = source.folder(row["run"])
        name = f"{row['task']}/{row['variant']} s{row['seed']}"
        state = words.state("stale" if row["stale"] else row["status"])
        path = place / "log.txt" if place else None
        yield LogFile(row["run"], path, (name, state, words.age(row["created"])))
