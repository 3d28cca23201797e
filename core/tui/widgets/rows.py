"""A table that fits its panel: columns give way one by one, and only changes are drawn again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from core.tui.words import Cell, colour

GAP = 2  # a cell's padding, both sides
COMFORT = 18  # letters to which elastic columns are shortened before others give way
LUXURY = 3  # columns that are so easily spared go first; then elastic ones are made tight
TIGHT = 11
LEAST = 8  # letters that an elastic column keeps whatever comes


class Column(NamedTuple):
    """A named column."""

    name: str
    right: bool = False  # numbers line up on the right
    spare: int = 0  # gives way where it is narrow, the highest first; 0: never
    elastic: bool = False  # is shortened before anything is cut off


Row = Sequence[Cell | str]


class Rows(DataTable[Text]):
    """Rows by key. The owner calls `show`; the cursor stays on its row. Enter posts RowSelected."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g,home", "scroll_top", "First", show=False),
        Binding("G,end", "scroll_bottom", "Last", show=False),
        Binding("ctrl+d", "page_down", "Page down", show=False),
        Binding("ctrl+u", "page_up", "Page up", show=False),
    ]

    def __init__(self, columns: Sequence[Column], *, empty: str = "", id: str | None = None):
        super().__init__(id=id, cursor_type="row", cursor_foreground_priority="renderable")
        self._all = list(columns)
        self._whole: Mapping[str, Row] = {}  # before the filter
        self._given: dict[str, Row] = {}
        self._drawn: dict[str, list[Text]] = {}
        self._shown: list[tuple[int, int]] = []  # column number and width
        self._empty = empty
        self._needle = ""

    @property
    def chosen(self) -> str | None:
        """Key of the row under the cursor."""
        if not self.row_count:
            return None
        return self.coordinate_to_cell_key(Coordinate(self.cursor_row, 0)).row_key.value

    @property
    def keys(self) -> list[str]:
        """All keys, in order."""
        return list(self._given)

    def show(self, rows: Mapping[str, Row], columns: Sequence[Column] | None = None) -> None:
        """Show these rows instead of the present ones."""
        if columns is not None and list(columns) != self._all:
            self._all, self._shown = list(columns), []
        self._whole = rows
        self._draw()

    def filter(self, needle: str) -> None:
        """Show only rows that hold these letters; "" shows all."""
        self._needle = needle.casefold()
        self._draw()

    def panel(self, title: str) -> Rows:
        """Itself, in a frame with a title."""
        self.border_title = title
        self.add_class("panel")
        return self

    def choose(self, key: str | None) -> None:
        """Put the cursor on a row, if it is there."""
        if key in self._drawn:
            self.move_cursor(row=self.get_row_index(key), animate=False)

    def repaint(self) -> None:
        """Draw everything again: the theme changed."""
        self._drawn = {}
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Other columns may fit."""
        self._draw()

    def _draw(self) -> None:
        if not self.size.width:  # not laid out yet
            return
        self._given = {k: row for k, row in self._whole.items() if self._needle in _words(row)}
        shown = self._fit(self.size.width) if self._given else []
        drawn = {key: self._texts(row, shown) for key, row in self._given.items()}
        if drawn and shown == self._shown and list(drawn) == list(self._drawn):
            self._change(drawn)
        else:
            self._rebuild(shown, drawn)
        self._drawn = drawn

    def _change(self, drawn: Mapping[str, list[Text]]) -> None:
        for row, (key, texts) in enumerate(drawn.items()):
            for column, (text, old) in enumerate(zip(texts, self._drawn[key], strict=True)):
                if text != old or text.spans != old.spans or text.style != old.style:
                    self.update_cell_at(Coordinate(row, column), text)

    def _rebuild(self, shown: list[tuple[int, int]], drawn: Mapping[str, list[Text]]) -> None:
        before, at = self.chosen, self.cursor_row
        offset = self.scroll_y
        self.clear(columns=True)
        self._shown = shown
        if not drawn and self._empty:
            self.add_column(Text(self._empty), width=len(self._empty))
            return
        for number, width in shown:
            column = self._all[number]
            label = Text(column.name, justify="right" if column.right else "left")
            self.add_column(label, width=width, key=column.name)
        for key, texts in drawn.items():
            self.add_row(*texts, key=key)
        if drawn:
            keys = list(drawn)
            row = keys.index(before) if before and before in keys else min(at, len(keys) - 1)
            self.move_cursor(row=row, animate=False, scroll=False)
            self.scroll_to(y=offset, animate=False)

    def _texts(self, row: Row, shown: Sequence[tuple[int, int]]) -> list[Text]:
        return [self._text(row[n], self._all[n], width) for n, width in shown]

    def _text(self, cell: Cell | str, column: Column, width: int) -> Text:
        words, tone = cell if isinstance(cell, Cell) else (cell, "")
        text = Text(words, colour(self.app.theme_variables, tone), no_wrap=True)
        text.truncate(width, overflow="ellipsis")
        if column.right:
            text.align("right", width)
        return text

    def _fit(self, room: int) -> list[tuple[int, int]]:
        """The columns that fit the width, each with its own."""
        room -= self.scrollbar_size_vertical if len(self._given) >= self.size.height else 0
        widths = {n: self._natural(n) for n in range(len(self._all))}
        spares = sorted(
            (n for n in widths if self._all[n].spare), key=lambda n: -self._all[n].spare
        )

        def over(least: int) -> int:
            """Letters too many when elastic columns are made so short."""
            shown = (min(w, least) if self._all[n].elastic else w for n, w in widths.items())
            return sum(shown) + GAP * len(widths) - room

        for first, least in ((LUXURY, COMFORT), (1, TIGHT)):
            for n in spares:
                if self._all[n].spare >= first and n in widths and over(least) > 0:
                    del widths[n]
        longest = max(widths.values())
        while longest > LEAST and over(longest) > 0:  # the room that is there is all used
            longest -= 1
        return [(n, min(w, longest) if self._all[n].elastic else w) for n, w in widths.items()]

    def _natural(self, number: int) -> int:
        cells = (row[number] for row in self._given.values())
        longest = max((len(c.text if isinstance(c, Cell) else c) for c in cells), default=0)
        return max(longest, len(self._all[number].name))


def _words(row: Row) -> str:
    return " ".join(c.text if isinstance(c, Cell) else c for c in row).casefold()
