"""The preflight as a panel: it looks when the draft has rested for a moment."""

from __future__ import annotations

import asyncio

from rich.text import Text
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from core.tui import preflight, words
from core.tui.draft import Draft
from core.tui.source import Source
from core.tui.work import begin

WAIT_S = 0.4  # after the last change, until it looks


class Checks(Static, can_focus=True):
    """What was found about the newest draft; posts Found when that is known."""

    class Found(Message):
        """It has looked."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, classes="panel", markup=False)
        self.result: preflight.Result | None = None  # None while it looks
        self._timer: Timer | None = None

    @property
    def said(self) -> str:
        """In one line."""
        return self.result.said if self.result else "looking …"

    def soon(self, source: Source, one: Draft) -> None:
        """Look when nothing has changed for a moment."""
        self.result = None
        if self._timer is not None:
            self._timer.stop()
        self.workers.cancel_group(self, "preflight")  # its draft is not the newest any more
        self.update("looking …")

        def look() -> None:
            begin(self, self._look, source, one, group="preflight", exclusive=True)

        self._timer = self.set_timer(WAIT_S, look)

    async def _look(self, source: Source, one: Draft) -> None:
        if one.what.broken:
            result = preflight.Result([preflight.Look("bad", "file", one.what.broken)], 0)
        else:
            given = (source, one.what.task, one.command(), dict(one.config))
            result = await asyncio.to_thread(preflight.look, *given)
        self.result = result
        self.repaint()
        self.post_message(self.Found())

    def repaint(self) -> None:
        """Draw what was found in the colours of the theme."""
        lines = []
        for look in self.result.looks if self.result else ():
            glyph = preflight.GLYPHS[look.state]
            tone = words.colour(self.app.theme_variables, glyph.tone)
            lines.append(Text.assemble((f"{glyph.text} {look.what:5}", tone), look.found))
        if lines:
            self.update(Text("\n").join(lines))
