"""Wishes that come fast are one, and the last of them is never lost."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest
from textual.message_pump import MessagePump

from core.tui import pace as module
from core.tui.pace import Pace

REST_S = 0.2


def test_the_first_is_done_at_once_and_the_rest_once_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(at=100.0, monotonic=lambda: clock.at)
    monkeypatch.setattr(module, "time", clock)
    owner = mock.create_autospec(MessagePump, instance=True)
    done: list[int] = []
    wished: list[int] = []
    pace = Pace(owner, REST_S, lambda: done.append(wished[-1]))

    def wish(*numbers: int) -> None:
        for number in numbers:
            wished.append(number)
            pace()

    def ring() -> None:
        """The time for which the newest timer was set goes by."""
        wait, do = owner.set_timer.call_args.args
        clock.at += wait
        do()

    wish(1)
    clock.at += REST_S / 4
    wish(2, 3, 4, 5)
    assert done == [1]
    assert owner.set_timer.call_count == 1
    assert owner.set_timer.call_args.args[0] == pytest.approx(REST_S * 3 / 4)
    ring()
    assert done == [1, 5]
    wish(6)
    assert done == [1, 5]
    ring()
    assert done == [1, 5, 6]
    clock.at += REST_S
    wish(7)
    assert done == [1, 5, 6, 7]
