"""What all screens have in common: header, keys, a filter, reading in a thread, help."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Input

from core.errors import AssayError
from core.tui.source import Pulse, Source
from core.tui.widgets.header import Header
from core.tui.widgets.rows import Rows
from core.tui.work import begin

STALE_S = 60.0  # after which ages and times left are reckoned anew

if TYPE_CHECKING:
    from core.tui.app import Assay


class Page(Screen[None]):
    """A screen. It gathers in a thread what it shows, and again when something happened."""

    MODE: ClassVar[str] = ""
    PUSHED: ClassVar[bool] = False  # it lies over another screen
    HELP: ClassVar[str] = ""  # what the screen is for, in a few sentences
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("r", "reload", "Refresh", show=False),
        Binding("y", "copy", "Copy", show=False),
        Binding("m", "maximise", "Maximise", show=False),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._header = Header(self.assay.TABS, self.MODE)
        self._reading = self._again = self._other = False
        self._read_at = 0.0
        self._painted = self.app.theme  # the theme that its colours are of
        self.ready = asyncio.Event()  # its widgets are there

    @property
    def assay(self) -> Assay:
        """The app, by its own type."""
        return cast("Assay", self.app)

    def compose(self) -> ComposeResult:
        """Header, body, filter, keys."""
        yield self._header
        yield from self.body()
        yield Input(placeholder="letters that rows must hold; esc shows all", id="filter")
        yield Footer(compact=True, show_command_palette=False)

    def body(self) -> Iterator[Widget]:
        """The widgets between header and keys."""
        yield from ()

    def gather(self, source: Source) -> Any:
        """What the screen shows; called in a thread."""

    def show(self, found: Any) -> None:
        """Show what was gathered."""

    def on_mount(self) -> None:
        """The filter stays away until it is asked for."""
        self.query_one("#filter").display = False
        self.ready.set()

    def on_screen_resume(self) -> None:
        """Back on this screen: the world may have moved."""
        if self.assay.last is not None and self.ready.is_set():
            self._header.tell(self.assay.last)
        self.repaint()
        self.reload()

    def repaint(self) -> None:
        """Draw in the colours of the theme what does not follow it by itself."""
        if self._painted != self.app.theme:
            from core.tui.widgets.checks import Checks

            self._painted = self.app.theme
            for rows in self.query(Rows):
                rows.repaint()
            for checks in self.query(Checks):
                checks.repaint()

    def pulse(self, pulse: Pulse) -> None:
        """A second went by."""
        self._header.tell(pulse)
        stale = time.monotonic() - self._read_at > STALE_S
        if self.ready.is_set() and (pulse.changed or stale):
            self.reload()

    def reload(self, *, other: bool = False) -> None:
        """Gather and show; a wish that comes while this goes on is kept.

        `other`: of something else, so that what is being gathered is not shown any more.
        """
        if self._reading:
            self._again, self._other = True, self._other or other
            return
        self._reading = True
        begin(self, self._read)

    async def _read(self) -> None:
        try:
            self._again = True
            await self.ready.wait()
            while self._again:
                self._again = self._other = False
                self._read_at = time.monotonic()
                try:
                    found = await asyncio.to_thread(self.gather, self.assay.source)
                except AssayError as error:
                    self.fail(error)
                else:
                    if self._header.is_attached and not self._other:  # neither closing nor stale
                        self.show(found)
        finally:
            self._reading = False

    def do(self, what: Callable[[], object], said: str) -> None:
        """Do it in a thread, and say so, or say why not."""
        begin(self, self._done, what, said, group="do")

    async def _done(self, what: Callable[[], object], said: str) -> None:
        try:
            await asyncio.to_thread(what)
        except AssayError as error:
            self.fail(error)
        else:
            self.notify(said, markup=False)
        self.reload()

    def write_page(self, subject: str) -> None:
        """Write the review page of a study or a task, for a colleague; its path is copied."""
        begin(self, self._page_written, subject, group="do")

    async def _page_written(self, subject: str) -> None:
        from core.tui import starting

        words = ["report", subject, "--html"]
        try:
            said = await asyncio.to_thread(starting.ask, self.assay.source.project, words)
        except AssayError as error:
            self.fail(error)
        else:
            self.app.copy_to_clipboard(said["file"])
            self.notify(said["file"], title="written, and its path copied", markup=False)

    def fail(self, error: AssayError) -> None:
        """What was asked for cannot be shown."""
        self.notify(str(error), severity="error", markup=False)

    def action_reload(self) -> None:
        """Look at the branches again, then read everything."""
        begin(self, self._refresh)

    async def _refresh(self) -> None:
        await asyncio.to_thread(self.assay.source.refresh)
        self.reload()

    def action_filter(self) -> None:
        """Ask for letters that rows must hold."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as one types."""
        if event.input.id == "filter":
            for rows in self.query(Rows):
                rows.filter(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The filter stays; back to the rows."""
        if event.input.id == "filter":
            event.input.display = bool(event.value)
            self.focus_rows()

    def action_back(self) -> None:
        """Out of the maximised panel, then out of the filter, then to where one came from."""
        field = self.query_one("#filter", Input)
        if self.maximized:
            self.minimize()
        elif field.display:
            field.value = ""
            field.display = False
            self.focus_rows()
        elif self.PUSHED:
            self.app.pop_screen()

    def focus_rows(self) -> None:
        """Back to the first table."""
        if tables := list(self.query(Rows)):
            tables[0].focus()

    def action_maximise(self) -> None:
        """The panel with the focus takes the whole screen, or gives it back."""
        if self.maximized:
            self.minimize()
        elif self.focused is not None:
            self.maximize(self.focused)

    def copied(self) -> str:
        """What `y` copies."""
        rows = self.focused
        return (rows.chosen or "") if isinstance(rows, Rows) else ""

    def action_copy(self) -> None:
        """Copy the id, commit or path at hand."""
        if text := self.copied():
            self.app.copy_to_clipboard(text)
            self.notify(f"copied {text}", markup=False)
