"""The screens: CPU of the first one against the smallest Textual program, curves, rows, rest.

* first: CPU seconds of a process from its start to the first frame of the dashboard, and to the
  filled one (tasks imported, ledger and studies read); `hello` is a Textual app with a table and
  nothing else, in turns with ours, medians. Goal: a first frame in 0.5 s; the ratio tells on a
  machine where the peer alone takes that long.
* curve: milliseconds to draw 100,000 points with a limit on 100 x 24 letters. Goal: 50.
* follow: milliseconds of CPU a second that following 200 events a second takes, with the curve
  drawn again twice; the same with ten keys a second that move between two runs, whose curves and
  logs are drawn; the slowest answer to a key; keys lost. Goal: 100 ms, and none lost. A second is
  one of the stream's, 200 events, however long a busy machine takes over it. Keys go to the app
  itself: a pilot's `press` waits for every widget, which would be counted too.
* ledger: seconds from the key to the first page of 10,000 runs. Goal: 1.
* idle: CPU share of an open dashboard that nothing happens on. Goal: 3 %.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from textual.widgets import DataTable

from core.ledger import Ledger

REPEATS = 5
RUNS = 10_000
IDLE_S = 10.0
FOLLOW_S = 5.0
LOST_S = 10.0  # after which a key is lost
HELLO = """
import asyncio
from textual.app import App
from textual.widgets import DataTable, Footer, Static
class Hello(App):
    def compose(self):
        yield Static("hello"); yield DataTable(); yield Footer()
    def on_mount(self):
        table = self.query_one(DataTable); table.add_columns("a", "b")
        for n in range(20): table.add_row(str(n), "x")
async def main():
    async with Hello().run_test(size=(120, 34)) as pilot: await pilot.pause()
asyncio.run(main())
"""
FRAME = """
import asyncio
from core import project
from core.tui.app import Assay
from core.tui.screens.page import Page
Assay.look = Page.reload = lambda self: None
async def main():
    app = Assay(project.find())
    async with app.run_test(size=(120, 34)) as pilot:
        await pilot.pause()
        assert app.screen.query_one("#tasks").size.width
asyncio.run(main())
"""
FILLED = """
import asyncio
from core import project
from core.tui.app import Assay
async def main():
    app = Assay(project.find())
    async with app.run_test(size=(120, 34)) as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete([w for w in app.workers if not w.is_finished])
        await pilot.pause()
        assert app.screen.query_one("#tasks").row_count
asyncio.run(main())
"""


def cpu_s(code: str, cwd: Path) -> float:
    """CPU seconds of one process and its children."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first(root: Path) -> dict[str, float]:
    """The first screen, in turns with the peer."""
    codes = {"frame": FRAME, "filled": FILLED, "hello": HELLO}
    for code in codes.values():  # bytecode, and the ledger's index
        cpu_s(code, root)
    rows: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(REPEATS):
        for name, code in codes.items():
            rows[name].append(cpu_s(code, root))
    table = {name: statistics.median(found) for name, found in rows.items()}
    return {**table, "frame/hello": table["frame"] / table["hello"]}


def curve() -> float:
    """Milliseconds of CPU to draw 100,000 points."""
    from core.tui.widgets.curve import Limit, Series, draw

    draw_from = random.Random(0)
    values = [math.exp(-n / 2e4) + 0.05 * draw_from.random() for n in range(100_000)]
    series = [Series("loss", range(100_000), values)]
    took = []
    for _ in range(20):
        begin = time.process_time()
        draw(series, [Limit("≤ 0.3", 0.3)], 100, 24)
        took.append(1e3 * (time.process_time() - begin))
    return statistics.median(took)


async def follow(project: Any) -> dict[str, float]:
    """A run writes 200 events a second while the study screen is open, and keys are pressed."""
    from core.tui.app import Assay

    folders = [p for p in sorted(project.runs.iterdir()) if (p / "events.jsonl").exists()]
    run = next(p for p in reversed(folders) if not (p / "result.json").exists())
    app = Assay(project, start="study")
    async with app.run_test(size=(120, 34)) as pilot:
        await pilot.pause(1.0)
        table = app.screen.query_one("#trials", DataTable)
        step, waits = 100, [0.0]

        async def stream(keys: bool) -> float:
            nonlocal step
            begin = time.process_time()
            for _ in range(int(10 * FOLLOW_S)):
                asked = time.monotonic()
                with (run / "events.jsonl").open("a") as file:
                    for _ in range(20):
                        step += 1
                        line = {"t": 0, "kind": "log", "step": step, "values": {"error": 1 / step}}
                        file.write(json.dumps(line) + "\n")
                if keys:
                    waits.append(await moved(app, table))
                await asyncio.sleep(max(0.0, 0.1 - (time.monotonic() - asked)))
            return 1e3 * (time.process_time() - begin) / FOLLOW_S

        alone, with_keys = await stream(keys=False), await stream(keys=True)
    return {
        "events_ms": alone,
        "events_and_keys_ms": with_keys,
        "slowest_key_ms": 1e3 * max(waits),
        "keys_lost": waits.count(math.inf),
    }


async def moved(app: Any, table: Any) -> float:
    """Seconds until a key has moved the cursor; inf: it never did."""
    before, asked = table.cursor_row, time.monotonic()
    app.simulate_key("j" if before == 0 else "k")
    while table.cursor_row == before:
        if time.monotonic() - asked > LOST_S:
            return math.inf
        await asyncio.sleep(0.001)
    return time.monotonic() - asked


async def idle(project: Any) -> float:
    """CPU share of an open dashboard, per cent."""
    from core.tui.app import Assay

    app = Assay(project)
    async with app.run_test(size=(120, 34)) as pilot:
        await pilot.pause(2.0)
        begin = time.process_time()
        await asyncio.sleep(IDLE_S)
        return 100 * (time.process_time() - begin) / IDLE_S


def many(root: Path) -> Any:
    """A ledger of 10,000 runs of real size."""
    from benchmarks import ledger

    project = ledger.checkout(root)
    ledger.fill(project, RUNS)
    Ledger(project).refresh()  # the index is made once, not at each start
    return project


async def opened(project: Any) -> dict[str, float]:
    """From the key to the first page; wall and CPU."""
    from core.tui.app import Assay
    from core.tui.widgets.rows import Rows

    app = Assay(project)
    async with app.run_test(size=(120, 34)) as pilot:
        await pilot.pause(2.0)
        begin, wall = time.process_time(), time.monotonic()
        await pilot.press("5")
        while not app.screen.query(Rows) or app.screen.query_one("#runs", Rows).row_count < 500:
            await pilot.pause(0.01)
        took = {"wall_s": time.monotonic() - wall, "cpu_s": time.process_time() - begin}
        begin = time.process_time()
        for _ in range(50):
            await pilot.press("ctrl+d" if _ % 2 else "j")
        return {**took, "key_cpu_ms": 1e3 * (time.process_time() - begin) / 50}


def main() -> None:
    """Measure all, print JSON."""
    from tests.tui import workspace

    with tempfile.TemporaryDirectory() as place:
        project = workspace.build(Path(place) / "toy")
        os.chdir(project.root)
        found: dict[str, Any] = {"benchmark": "tui", "first_cpu_s": first(project.root)}
        found["curve_ms"] = curve()
        with workspace.alive(project):
            found["follow"] = asyncio.run(follow(project))
        found["idle_percent"] = asyncio.run(idle(project))
        found["ledger_10000"] = asyncio.run(opened(many(Path(place) / "many")))
        print(json.dumps(found))


if __name__ == "__main__":
    main()
