"""One line on top of every screen: where one is, which code stands here, how busy it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from core.tui.source import Pulse
from core.tui.words import size

ROOMY = 120  # columns from which the tabs have their whole names


class Tab(NamedTuple):
    """A screen of the app."""

    mode: str
    name: str
    short: str


class Header(Widget):
    """Tabs on the left, the machine on the right, as much of it as fits."""

    def __init__(self, tabs: Sequence[Tab], here: str) -> None:
        super().__init__()
        self._tabs = tabs
        self._here = here
        self._pulse: Pulse | None = None

    def compose(self) -> Iterator[Static]:
        """Two texts beside each other."""
        yield Static(id="tabs")
        yield Static(id="machine")

    def tell(self, pulse: Pulse) -> None:
        """Show the machine as it is now."""
        self._pulse = pulse
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """More or less of it fits."""
        self._draw()

    def _draw(self) -> None:
        width = self.size.width
        if not width:
            return
        tabs = Content.assemble(*self._marked(width >= ROOMY))
        shown = self.query_one("#tabs", Static)
        if shown.content != tabs:  # a text of its own width lays the whole screen out again
            shown.update(tabs)
        room = width - tabs.cell_length - 1
        machine = Content("")
        for part in self._parts() if self._pulse else ():
            longer = Content.assemble(machine, "  ", part)
            if longer.cell_length > room:
                break
            machine = longer
        self.query_one("#machine", Static).update(machine, layout=False)

    def _marked(self, whole: bool) -> Iterator[Content]:
        for number, tab in enumerate(self._tabs, 1):
            name = tab.name if whole else tab.short
            style = "reverse bold" if tab.mode == self._here else ""
            words = Content.from_markup(
                f" [@click=app.go('{tab.mode}')][$accent]{number}[/] $name[/] ", name=name
            )
            yield words.stylize(style) if style else words

    def _parts(self) -> Iterator[Content]:
        """The most wanted first."""
        assert self._pulse is not None  # the caller has looked
        machine = self._pulse.machine
        yield Content(machine.code)
        if self._pulse.running:
            yield Content.from_markup(f"[$accent]● {self._pulse.running} running[/]")
        yield Content(f"cpu {machine.cpu:3.0f}%")
        yield Content(f"mem {size(machine.memory)}")
        yield Content(f"gpu {machine.gpu or '–'}")
