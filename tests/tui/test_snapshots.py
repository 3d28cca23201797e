"""Two screens at both sizes, letter by letter and colour by colour, as they were looked at.

`pytest tests/tui/test_snapshots.py --snapshot-update` takes them again; look at them before you
commit them. Clock, ids and numbers stand still; the machine's load is taken out of the header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.project import Project
from core.tui.app import Assay
from core.tui.machine import Gauge, Machine
from core.tui.widgets.lines import Lines
from tests.tui import workspace
from tests.tui.driving import settle, until


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock stands, the machine rests, colours are on."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setattr(Gauge, "look", lambda _: Machine("main@97a0589", 12.0, 2e9, ""))
    time = workspace.Time()
    time.at = workspace.NOW
    with workspace.standing(time):
        yield


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("size", [(80, 24), (120, 34)], ids=["80x24", "120x34"])
@pytest.mark.parametrize("screen", ["dashboard", "study"])
def test_it_looks_as_it_did(
    history: Project, screen: str, size: tuple[int, int], snap_compare: Callable[..., bool]
) -> None:
    async def ready(pilot: Any) -> None:
        await settle(pilot)
        logs = pilot.app.screen.query(Lines)  # they scroll to their end in a frame of their own
        await until(pilot, lambda: all(log.is_vertical_scroll_end for log in logs))

    app = Assay(history, start=screen)
    assert snap_compare(app, terminal_size=size, run_before=ready)
