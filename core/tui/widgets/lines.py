"""A log on the screen: any length, wrapped or not, searched, and followed as it grows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.tui.words import colour

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
MOST = 200_000  # lines that are kept; the oldest go first
DIFF = {"+": "success", "-": "error", "@": "accent"}  # of a diff's lines, by their first letter
CUT = 2_000  # letters of a line that are kept


class Lines(ScrollView, can_focus=True):
    """Lines of text. The owner appends; keys move, follow, wrap and step through matches."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g,home", "top", "First line", show=False),
        Binding("G,end", "bottom", "Last line", show=False),
        Binding("ctrl+d,pagedown", "page_down", "Page down", show=False),
        Binding("ctrl+u,pageup", "page_up", "Page up", show=False),
        Binding("f", "follow", "Follow"),
        Binding("w", "wrap", "Wrap"),
        Binding("n", "match(1)", "Next match", show=False),
        Binding("N", "match(-1)", "Previous match", show=False),
    ]

    class Changed(Message):
        """Follow, wrap or the search changed."""

    def __init__(self, id: str | None = None, *, diff: bool = False) -> None:
        super().__init__(id=id)
        self._diff = diff  # added and removed lines have their colours
        self._lines: list[str] = []
        self._rows: list[tuple[int, int]] = []  # line number and first letter of each row
        self.following = True
        self.wrapping = True
        self.needle = ""
        self.matches: list[int] = []  # line numbers
        self._base = Style()  # of the frame that is being drawn

    @property
    def state(self) -> str:
        """What the frame says."""
        said = [f"{len(self._lines)} {'line' if len(self._lines) == 1 else 'lines'}"]
        said += ["following"] if self.following else []
        said += ["wrapped"] if self.wrapping else []
        said += [f"{len(self.matches)} match {self.needle!r}"] if self.needle else []
        return ", ".join(said)

    def clear(self) -> None:
        """Forget all lines."""
        self._lines, self._rows, self.matches = [], [], []
        self._lay(0)

    def append(self, lines: Sequence[str]) -> None:
        """Add lines at the end."""
        if not lines:
            return
        first = len(self._lines)
        self._lines += [ESCAPES.sub("", line.expandtabs(4))[:CUT] for line in lines]
        if len(self._lines) > MOST:
            del self._lines[: len(self._lines) - MOST]
            first = 0
        self._search(first)
        self._lay(first)

    def search(self, needle: str) -> None:
        """Mark lines that hold these letters, and go to the last one."""
        self.needle = needle
        self._search(0)
        self.refresh()
        if self.matches:
            self._go(self.matches[-1])
        self.post_message(self.Changed())

    def _search(self, first: int) -> None:
        kept = [n for n in self.matches if n < first]
        wanted = self.needle.casefold()
        found = range(first, len(self._lines)) if wanted else ()
        self.matches = kept + [n for n in found if wanted in self._lines[n].casefold()]

    def _lay(self, first: int) -> None:
        """Cut lines from `first` on into rows."""
        width = max(1, self.size.width - 1)
        while self._rows and self._rows[-1][0] >= first:
            self._rows.pop()
        if not first:
            self._rows = []
        for number in range(first, len(self._lines)):
            length = len(self._lines[number]) if self.wrapping else 0
            self._rows += [(number, at) for at in range(0, max(1, length), width)]
        wide = 0 if self.wrapping else max(map(len, self._lines), default=0)
        self.virtual_size = Size(wide, len(self._rows))
        if self.following:
            self.scroll_end(animate=False, x_axis=False)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        """Rows have another width."""
        self._lay(0)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Rows of the screen; their common style is asked for once."""
        self._base = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        x, top = self.scroll_offset
        width = self.size.width
        base = self._base
        at = y + top
        if not self._rows and y == 0:
            faint = base + Style(color=colour(self.app.theme_variables, "text-muted"))
            return Strip([Segment("nothing written", faint)]).adjust_cell_length(width, base)
        if at >= len(self._rows):
            return Strip.blank(width, base)
        number, start = self._rows[at]
        text = self._lines[number]
        tone = DIFF.get(text[:1], "") if self._diff else ""
        style = base + Style(color=colour(self.app.theme_variables, tone)) if tone else base
        text = text[start : start + max(1, width - 1)] if self.wrapping else text
        strip = Strip(list(self._marked(text, style)))
        strip = strip if self.wrapping else strip.crop(x, x + width)
        return strip.adjust_cell_length(width, base)

    def _marked(self, text: str, base: Style) -> Sequence[Segment]:
        if not self.needle:
            return [Segment(text, base)]
        parts = re.split(f"({re.escape(self.needle)})", text, flags=re.IGNORECASE)
        found = base + Style(reverse=True, bold=True)
        return [Segment(part, found if n % 2 else base) for n, part in enumerate(parts) if part]

    def _go(self, number: int) -> None:
        row = next((r for r, (n, _) in enumerate(self._rows) if n == number), 0)
        self._unfollow()
        self.scroll_to(y=max(0, row - self.size.height // 2), animate=False)

    def _unfollow(self) -> None:
        if self.following:
            self.following = False
            self.post_message(self.Changed())

    def action_follow(self) -> None:
        """Stay at the end as lines come, or stay here."""
        self.following = not self.following
        if self.following:
            self.scroll_end(animate=False, x_axis=False)
        self.post_message(self.Changed())

    def action_wrap(self) -> None:
        """Break long lines, or run off to the right."""
        self.wrapping = not self.wrapping
        self.scroll_to(x=0, animate=False)
        self._lay(0)
        self.post_message(self.Changed())

    def action_match(self, step: int) -> None:
        """The next or previous line that matches."""
        if not self.matches:
            return
        top = self._rows[min(len(self._rows) - 1, self.scroll_offset.y + self.size.height // 2)][0]
        later = [n for n in self.matches if n > top] or self.matches[:1]
        earlier = [n for n in self.matches if n < top] or self.matches[-1:]
        self._go(later[0] if step > 0 else earlier[-1])

    def action_top(self) -> None:
        """The first line."""
        self._unfollow()
        self.scroll_home(animate=False)

    def action_bottom(self) -> None:
        """The last line."""
        self.scroll_end(animate=False, x_axis=False)

    def action_scroll_up(self) -> None:
        """One row up."""
        self._unfollow()
        self.scroll_relative(y=-1, animate=False)

    def action_page_up(self) -> None:
        """A screen up."""
        self._unfollow()
        self.scroll_page_up(animate=False)
