"""Every screen at both sizes, letter by letter and colour by colour, as it was looked at.

`pytest tests/tui/test_snapshots.py --snapshot-update` takes them again; look at them before you
commit them. Clock, zone, ids, numbers and cursors stand still; the machine's load and disk are
taken out. The commits are those of the toy task's files.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from textual.command import CommandPalette
from textual.widgets import Input, OptionList

from core.project import Project
from core.tui.app import Assay
from core.tui.machine import Gauge, Machine
from core.tui.widgets.checks import Checks
from core.tui.widgets.lines import Lines
from tests.tui import workspace
from tests.tui.driving import press, settle, until
from tests.tui.pictures import SHOTS

SIZES = {"80x24": (80, 24), "120x34": (120, 34)}


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock stands, the machine rests, colours are on."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(Gauge, "look", lambda _: Machine("main@97a0589", 12.0, 2e9, ""))
    usage = type(shutil.disk_usage("."))(8e10, 3e10, 5e10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    at = workspace.Time()
    at.at = workspace.NOW
    with workspace.standing(at):
        yield
    monkeypatch.undo()
    time.tzset()


async def stand(pilot: Any) -> None:
    """Wait until all has come, and nothing blinks."""
    await settle(pilot)
    screen = pilot.app.screen
    for field in screen.query(Input):
        field.cursor_blink = False
    for checks in screen.query(Checks):
        await until(pilot, lambda c=checks: "free" in str(c.render()))
    logs = screen.query(Lines)  # they scroll to their end in a frame of their own
    await until(pilot, lambda: all(log.is_vertical_scroll_end for log in logs))
    if isinstance(screen, CommandPalette):
        await until(pilot, lambda: screen.query_one(OptionList).option_count > len(Assay.TABS))
    await settle(pilot)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("screen", SHOTS)
def test_it_looks_as_it_did(
    history: Project, screen: str, size: str, snap_compare: Callable[..., bool]
) -> None:
    async def lead(pilot: Any) -> None:
        for key in SHOTS[screen]:
            await stand(pilot)
            await press(pilot, key)
        await stand(pilot)

    assert snap_compare(Assay(history), terminal_size=SIZES[size], run_before=lead)
