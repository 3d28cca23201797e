"""Driving the app in tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from textual.css.query import NoMatches
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from core.project import Project
from core.tui.app import Assay
from core.tui.widgets.rows import Rows

PATIENCE = 400  # times 50 ms


def drive(
    project: Project,
    scene: Callable[[Pilot[None]], Coroutine[Any, Any, None]],
    *,
    size: tuple[int, int] = (120, 34),
    start: str = "dashboard",
) -> None:
    """Play a scene on the app."""

    async def play() -> None:
        async with opened(project, size=size, start=start) as pilot:
            await scene(pilot)

    asyncio.run(play())


@asynccontextmanager
async def opened(
    project: Project, *, size: tuple[int, int] = (120, 34), start: str = "dashboard"
) -> AsyncIterator[Pilot[None]]:
    """The app, once its first screen has been read."""
    app = Assay(project, start=start)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        yield pilot


async def settle(pilot: Pilot[None]) -> None:
    """Wait until nothing is being read, and nothing was asked for meanwhile."""
    calm = 0
    while calm < 2:
        await pilot.pause()
        going = [w for w in pilot.app.workers if not w.is_finished]
        calm = 0 if going else calm + 1
        with contextlib.suppress(WorkerCancelled):  # a newer one took its place
            await pilot.app.workers.wait_for_complete(going)


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys, each when the screen stands."""
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def until(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    """Wait for something to show; on a screen that was just asked for it may have no place yet."""
    for _ in range(PATIENCE):
        await pilot.pause(0.05)
        with contextlib.suppress(NoMatches):
            if holds():
                return
    raise AssertionError(f"it did not happen; the screen says\n{text(pilot)}")


def text(pilot: Pilot[None]) -> str:
    """What the screen says, as lines."""
    lines = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in lines)


def cells(pilot: Pilot[None], table: str, key: str) -> list[str]:
    """The visible cells of a row; blanks while it is not there."""
    shown = pilot.app.screen.query_one(table, Rows)
    if key not in shown.keys:
        return [""] * len(shown.columns)
    return [str(cell).strip() for cell in shown.get_row(key)]
