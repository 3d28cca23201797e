"""`assay tui --web` in headless Chromium over the DevTools protocol: launch, watch, quit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from core.ledger import Ledger
from core.project import Project
from tests import toy

aiohttp = pytest.importorskip("aiohttp", reason="textual-serve is not installed (assay[web])")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here (apt-get install chromium)"),
    pytest.mark.skipif("ASSAY_SKIP_WEB" in os.environ, reason="ASSAY_SKIP_WEB is set"),
]
PATIENCE_S = 180.0
QUIET = (1100, 8)  # a place that does nothing, in a window of 1200 x 800


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def running(words: list[str], cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended with all its children."""
    process = subprocess.Popen(words, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True), process]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()


class Tab:
    """A page of the browser."""

    def __init__(self, line: Any) -> None:
        self._line = line
        self._count = 0

    async def do(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a DevTools method and wait for its answer."""
        self._count += 1
        await self._line.send_json({"id": self._count, "method": method, "params": params})
        while True:
            answer = await self._line.receive_json(timeout=60)
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return dict(answer["result"])

    async def click(self, x: int, y: int) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            await self.do(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if kind == "keyDown" else {}
            await self.do("Input.dispatchKeyEvent", type=kind, key=key, **text)

    async def tells(self, script: str) -> Any:
        """What an expression comes to in the page."""
        return (await self.do("Runtime.evaluate", expression=script))["result"].get("value")


@asynccontextmanager
async def browser(folder: Path, url: str) -> AsyncIterator[Tab]:
    """Chromium on this address."""
    assert CHROMIUM is not None
    words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    words += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "--window-size=1200,800"]
    with running([*words, url], folder):
        said = folder / "DevToolsActivePort"
        await until(lambda: said.exists() and said.read_text().count("\n"))
        port = said.read_text().splitlines()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                pages = [p for p in await answer.json() if p["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as line:
                yield Tab(line)


async def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.2)


def screens(server: psutil.Process) -> list[psutil.Process]:
    """The apps that the server runs."""
    found = []
    for one in server.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [one] if one.cmdline()[-1:] == ["tui"] else []
    return found


def test_a_browser_launches_watches_and_quits(project: Project, tmp_path: Path) -> None:
    (project.root / "studies").mkdir()
    (project.root / "studies" / "pair.yaml").write_text(
        "task: toy\nkind: seeds\nseeds: [0, 1]\nconfig: {total_steps: 10}\n"
    )
    port = free_port()
    words = [sys.executable, "-m", "core.cli", "-C", str(project.root), "tui", "--web"]
    with running([*words, "--port", str(port)], toy.ROOT) as server:
        asyncio.run(day(project, psutil.Process(server.pid), tmp_path, port))
    assert [r.status for r in Ledger(project).records()] == ["finished", "finished"]


async def day(project: Project, server: psutil.Process, tmp_path: Path, port: int) -> None:
    """Launch the study with the keys, wait for its runs, quit."""

    def listening() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    await until(listening)
    hosts = {c.laddr.ip for c in server.net_connections(kind="tcp") if c.status == "LISTEN"}
    assert hosts == {"127.0.0.1"}
    (tmp_path / "chromium").mkdir()
    async with browser(tmp_path / "chromium", f"http://127.0.0.1:{port}/") as tab:
        await until(lambda: screens(server))
        asked = "performance.getEntriesByType('resource').map(one => one.name).join(' ')"
        while not await tab.tells("document.body.classList.contains('-first-byte')"):
            await asyncio.sleep(0.3)
        told = str(await tab.tells(asked)).split()
        assert any("xterm.css" in one for one in told)
        assert {urlsplit(one).hostname for one in told} == {"127.0.0.1"}
        launched = project.store / "launches"
        deadline = time.monotonic() + PATIENCE_S
        while not launched.exists():
            assert time.monotonic() < deadline, "the keys did not launch"
            await tab.click(*QUIET)  # keys arrive once the page was clicked
            for key in "2Ly":  # L is refused until the preflight is done; y then only copies
                await tab.press(key)
                await asyncio.sleep(0.6)
        await until(lambda: [r.status for r in Ledger(project).records()] == ["finished"] * 2)
        await tab.press("q")
        await until(lambda: not screens(server))
