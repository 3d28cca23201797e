"""The app's process stays light, and what it costs at rest is next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from core.project import Project
from tests import toy

VISIT = """
import asyncio, json, sys
from core import project
from core.tui.app import Assay

async def main():
    app = Assay(project.find())
    async with app.run_test(size=(120, 34)) as pilot:
        for key in "1234567":
            await pilot.press(key)
            await pilot.pause(0.3)
            await app.workers.wait_for_complete([w for w in app.workers if not w.is_finished])
    heavy = ("torch", "optuna", "wandb", "git", "matplotlib", "transformers", "diffusers")
    print(json.dumps([name for name in heavy if name in sys.modules]))

asyncio.run(main())
"""


FIRST = """
import asyncio, gc, json, sys
from core import project
from core.tui.app import Assay
from core.tui.screens.page import Page
Assay.look = Page.reload = lambda self: None  # what comes after the first frame

async def main():
    app = Assay(project.find())
    async with app.run_test(size=(120, 34)) as pilot:
        await pilot.pause()
        made = [type(one).__name__ for stack in app._screen_stacks.values() for one in stack]
        late = ("psutil", "pydantic", "sqlite3", "core.ledger", "core.study", "yaml")
        early = [name for name in late if name in sys.modules]
        print(json.dumps([made, app.theme, early, gc.isenabled()]))

asyncio.run(main())
"""


def seen(code: str, history: Project) -> Any:
    """What a process of its own prints last."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=history.root,
        env={"PYTHONPATH": str(toy.ROOT), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_first_frame_makes_one_screen_and_imports_only_what_it_draws(history: Project) -> None:
    assert seen(FIRST, history) == [["Dashboard"], "assay", [], True]


def test_no_screen_loads_torch_optuna_or_wandb(history: Project) -> None:
    assert seen(VISIT, history) == []
