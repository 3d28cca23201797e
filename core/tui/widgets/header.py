"""One line on top of every screen: where one is, which code stands here, how busy it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from core.tui.machine import Machine
from core.tui.source import Pulse
from core.tui.words import size

ROOMY = 120  # columns from which the tabs have their whole names


class Tab(NamedTuple):
    """A screen of the app."""

    mode: str
    name: str
    short: str
    about: str


class Header(Widget):
    """Tabs on the left, the machine on the right, as much of it as fits."""

    def __init__(self, tabs: Sequence[Tab], here: str) -> None:
        super().__init__()
        self._tabs = tabs
        self._here = here
        self._told: tuple[Machine, int] | None = None  # and how many studies run
        self._left, self._right = Static(id="tabs"), Static(id="machine")
        self._room = 0  # letters beside the tabs
        self.rest = ""  # of the machine, what has no room

    def compose(self) -> Iterator[Static]:
        """Two texts beside each other."""
        yield self._left
        yield self._right

    def tell(self, pulse: Pulse) -> None:
        """Show the machine as it is now; most seconds it is as it was."""
        told = pulse.machine, pulse.running
        if told != self._told:
            self._told = told
            self._machine()

    def on_resize(self, event: events.Resize) -> None:
        """More or less of it fits."""
        tabs = Content.assemble(*self._marked(self.size.width >= ROOMY))
        self._room = self.size.width - tabs.cell_length - 1
        self._left.update(tabs)
        self._machine()

    def _machine(self) -> None:
        if not self._room or self._told is None:
            return
        parts = list(self._parts(*self._told))
        shown = Content("")
        while parts:
            longer = Content.assemble(shown, "  ", parts[0])
            if longer.cell_length > self._room:
                break
            shown = longer
            del parts[0]
        self._right.update(shown, layout=False)
        self.rest = "  ".join(part.plain for part in parts)

    def _marked(self, whole: bool) -> Iterator[Content]:
        for number, tab in enumerate(self._tabs, 1):
            name = tab.name if whole else tab.short
            style = "reverse bold" if tab.mode == self._here else ""
            words = Content.from_markup(
                f" [@click=app.go('{tab.mode}')][$accent]{number}[/] $name[/] ", name=name
            )
            yield words.stylize(style) if style else words

    def _parts(self, machine: Machine, running: int) -> Iterator[Content]:
        """The most wanted first."""
        yield Content(machine.code)
        if running:
            yield Content.from_markup(f"[$accent]● {running} running[/]")
        yield Content(f"cpu {machine.cpu:3.0f}%")
        yield Content(f"mem {size(machine.memory)}")
        yield Content(f"gpu {machine.gpu or '–'}")
