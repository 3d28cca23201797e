"""One value: typed, or chosen, with its help, its bounds and its default."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from core.errors import AssayError
from core.tui import fields
from core.tui.fields import Field


class Edit(ModalScreen[tuple[Any] | None]):
    """Dismisses with the value in a tuple, or with None when it is let be."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Let be"),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
    ]

    def __init__(self, field: Field, value: Any, check: Any = None) -> None:
        super().__init__()
        self._field, self._value = field, value
        self._check = check  # value -> why it is refused, "" when it is not

    def compose(self) -> ComposeResult:
        """Help, the input or the choices, what is wrong."""
        field = self._field
        with Vertical(id="edit", classes="panel") as panel:
            panel.border_title = field.key
            panel.border_subtitle = "enter takes it, esc lets it be"
            if field.help:
                yield Static(field.help, classes="prose", markup=False)
            said = f"{field.takes}; default {fields.written(field.default)}"
            yield Static(said, id="takes", markup=False)
            if field.choices:
                yield OptionList(*(Option(fields.written(c)) for c in field.choices), id="choices")
            else:
                yield Input(fields.written(self._value), id="value")
            yield Static("", id="wrong", markup=False)

    def on_mount(self) -> None:
        """The present value is marked."""
        if self._field.choices:
            choices = self.query_one(OptionList)
            if self._value in self._field.choices:
                choices.highlighted = self._field.choices.index(self._value)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A choice."""
        self._take(self._field.choices[event.option_index])

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what is wrong while it is typed."""
        self.query_one("#wrong", Static).update(self._wrong(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take it when it is right."""
        if not self._wrong(event.value):
            self._take(fields.read(self._field, event.value))

    def _wrong(self, text: str) -> str:
        try:
            value = fields.read(self._field, text)
        except AssayError as error:
            return f"✗ {error.message}"
        refused = self._check(value) if self._check else ""
        return f"✗ {refused}" if refused else ""

    def _take(self, value: Any) -> None:
        self.dismiss((value,))

    def action_down(self) -> None:
        """The next choice."""
        if self._field.choices:
            self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        """The choice before."""
        if self._field.choices:
            self.query_one(OptionList).action_cursor_up()
