"""The app's process stays light, and what it costs at rest is next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys

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


def test_no_screen_loads_torch_optuna_or_wandb(history: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-c", VISIT],
        cwd=history.root,
        env={"PYTHONPATH": str(toy.ROOT), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []
