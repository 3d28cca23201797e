"""Pictures of screens: `python -m tests.tui.pictures OUT [PROJECT]` writes an SVG of each.

They are for looking at; tests compare a few of the same with what was looked at before.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core import project
from core.project import Project
from core.tui.app import Assay
from tests.tui import workspace

SIZES = ((80, 24), (120, 34), (200, 60))
SHOTS: dict[str, Sequence[str]] = {  # name -> keys that lead there
    "dashboard": (),
    "launch": ("2",),
    "edit": ("2", "tab", "j", "enter"),
    "study": ("3",),
    "stop": ("3", "s"),
    "acceptance": ("4",),
    "ledger": ("5",),
    "run": ("5", "down", "down", "down", "down", "down", "enter"),
    "config": ("5", "down", "down", "down", "down", "down", "enter", "l"),
    "compare": ("5", "G", "space", "k", "k", "space", "d"),
    "ablation": ("6",),
    "logs": ("7",),
    "help": ("question_mark",),
    "palette": ("ctrl+p",),
}


async def shot(made: Project, keys: Sequence[str], size: tuple[int, int], theme: str = "") -> str:
    """The screen after these keys, as SVG."""
    app = Assay(made)
    async with app.run_test(size=size) as pilot:
        if theme:
            app.theme = theme
        for key in keys:
            await settle(app, pilot)
            await pilot.press(key)
        await settle(app, pilot)
        return app.export_screenshot()


async def settle(app: Assay, pilot: object) -> None:
    """Wait until nothing is being read any more."""
    for _ in range(3):
        await app.workers.wait_for_complete(
            [w for w in app.workers if w.group == "default" and not w.is_finished]
        )
        await pilot.pause()  # type: ignore[attr-defined]


def main() -> None:
    """Write all pictures."""
    os.environ.pop("NO_COLOR", None)
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[3:] or list(SHOTS)
    with tempfile.TemporaryDirectory() as place:
        made = (
            project.find(Path(sys.argv[2]))
            if len(sys.argv) > 2 and sys.argv[2] != "-"
            else workspace.build(Path(place) / "toy")
        )
        time = workspace.Time()
        time.at = workspace.NOW
        with workspace.alive(made), workspace.standing(time):
            for name in wanted:
                for width, height in SIZES:
                    svg = asyncio.run(shot(made, SHOTS[name], (width, height)))
                    (out / f"{name}_{width}x{height}.svg").write_text(svg)


if __name__ == "__main__":
    main()
