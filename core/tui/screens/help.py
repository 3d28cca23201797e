"""Help: what a screen is for, and every key that works on it."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

LEFT_OUT = {  # keys of Textual's that nobody needs to be told of
    *("Cursor left", "Cursor right", "Page Left", "Page Right", "Page left", "Page right"),
    *(
        "Copy selected text",
        "Top",
        "Bottom",
        "Scroll Left",
        "Scroll Right",
        "Scroll Home",
        "Scroll End",
    ),
}

PLAIN = {  # Textual's words -> ours
    "Cursor up": "Up",
    "Cursor down": "Down",
    "Focus Next": "Next panel",
    "Focus Previous": "Panel before",
    "Select": "Open",
    "palette": "Palette",
}


class Help(ModalScreen[None]):
    """A panel over the screen that it explains."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close"),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
    ]

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._title = getattr(about, "MODE", "").title() or "This screen"
        self._text: str = getattr(about, "HELP", "")
        keys: dict[str, str] = {}  # description -> keys; the screen's own first
        own = {str(b.action) for b in type(about).__dict__.get("BINDINGS", ())}
        found = sorted(about.active_bindings.values(), key=lambda a: a.binding.action not in own)
        for active in found:
            shown = about.app.get_key_display(active.binding)
            words = PLAIN.get(active.binding.description, active.binding.description)
            if active.binding.action.startswith("go("):
                words, shown = "Screens", "1–7"
            if words and words not in LEFT_OUT and shown not in keys.get(words, "").split("  "):
                keys[words] = f"{keys[words]}  {shown}" if words in keys else shown
        self._keys = keys

    def compose(self) -> ComposeResult:
        """Words, then keys."""
        with VerticalScroll(id="help", classes="panel") as panel:
            panel.border_title = self._title
            panel.border_subtitle = "esc closes"
            yield Static(self._text, classes="prose", markup=False)
            yield Static(self._table(), classes="prose")

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        accent = self.app.theme_variables["accent"]
        pairs = list(self._keys.items())
        half = (len(pairs) + 1) // 2
        for left, right in zip(pairs[:half], [*pairs[half:], ("", "")][:half], strict=True):
            cells = [(left[1], accent), (left[0], ""), (right[1], accent), (right[0], "")]
            table.add_row(*(Text(words, style) for words, style in cells))
        return table

    def action_down(self) -> None:
        """Scroll."""
        self.query_one("#help").scroll_down()

    def action_up(self) -> None:
        """Scroll."""
        self.query_one("#help").scroll_up()
