"""Wishes that come fast are one, and the last of them is never lost."""

from __future__ import annotations

import asyncio

from textual.app import App

from core.tui.pace import Pace

REST_S = 0.2


def test_the_first_is_done_at_once_and_the_rest_once_when_it_is_over() -> None:
    done: list[int] = []
    wished: list[int] = []

    async def play() -> None:
        app = App[None]()
        async with app.run_test() as pilot:
            pace = Pace(app, REST_S, lambda: done.append(wished[-1]))
            for wish in range(1, 6):
                wished.append(wish)
                pace()
            assert done == [1]
            await pilot.pause(3 * REST_S)
            assert done == [1, 5]
            wished.append(6)
            pace()
            assert done == [1, 5, 6]

    asyncio.run(play())
