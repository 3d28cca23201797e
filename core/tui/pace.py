"""What costs to draw is drawn a few times a second, however fast its causes come."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.message_pump import MessagePump
from textual.timer import Timer


class Pace:
    """Does a thing at once after a rest, else when the rest is over; wishes meanwhile are one."""

    def __init__(self, owner: MessagePump, rest_s: float, do: Callable[[], None]) -> None:
        self._owner, self._rest_s, self._do = owner, rest_s, do
        self._timer: Timer | None = None
        self._rested = 0.0  # when the rest after the last time is over

    def __call__(self) -> None:
        """It is wished for."""
        if self._timer is None:
            wait = self._rested - time.monotonic()
            if wait > 0:
                self._timer = self._owner.set_timer(wait, self._now)
            else:
                self._now()

    def _now(self) -> None:
        self._timer = None
        self._rested = time.monotonic() + self._rest_s
        self._do()
