"""A question with two answers: y or n."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static


class Ask(ModalScreen[bool]):
    """Says what will happen, and waits for y."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
        Binding("left,h", "app.focus_previous", show=False),
        Binding("right,l", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, words: str, yes: str = "Yes") -> None:
        super().__init__()
        self._title, self._words, self._yes = title, words, yes

    def compose(self) -> ComposeResult:
        """Words and two buttons."""
        with Vertical(id="ask", classes="panel") as panel:
            panel.border_title = self._title
            yield Static(self._words, classes="prose", markup=False)
            with Horizontal(id="answers"):
                yield Button(f"y  {self._yes}", id="yes", compact=True)
                yield Button("n  No", id="no", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The answer."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """The answer by its letter."""
        self.dismiss(yes)


def when(yes: Callable[[], object]) -> Callable[[bool | None], None]:
    """Call back when the answer is yes."""

    def answered(answer: bool | None) -> None:
        if answer:
            yes()

    return answered
