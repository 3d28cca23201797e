"""Headless Chromium over its debugging pipe: what a page is like once a browser has laid it out."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
needed = pytest.mark.skipif(PROGRAM is None, reason="no chromium; on Debian: apt install chromium")


class Browser:
    """One page. Messages are JSON ended by a zero byte."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to one command; events on the way are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while (got := self._next()).get("id") != self._number:
            self.events.append(got)
        assert "error" not in got, got
        return dict(got["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._receive, 1 << 16)
            assert data, "the browser is gone"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(line))

    def open(self, file: Path, wide: int, *, dark: bool = False) -> None:
        """Lay a file out at a width."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=wide,
            height=900,
            deviceScaleFactor=1,
            mobile=wide < 600,
        )
        loader = self.call("Page.navigate", url=file.as_uri())["loaderId"]
        while not any(
            e["loaderId"] == loader and e["name"] == "load"
            for e in self.said("Page.lifecycleEvent")
        ):
            self.events.append(self._next())

    def ask(self, script: str) -> Any:
        """The value of an expression in the page."""
        got = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def pdf(self) -> bytes:
        """The page as it prints."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def picture(self) -> bytes:
        """The whole page as PNG."""
        got = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(got["data"])

    def said(self, method: str) -> list[Any]:
        """What events of a kind brought."""
        return [e["params"] for e in self.events if e.get("method") == method]


@contextlib.contextmanager
def browser(home: Path) -> Iterator[Browser]:
    """A browser whose profile lies in `home`."""
    assert PROGRAM
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", f"--user-data-dir={home}"]

    def as_it_wants() -> None:  # the pipe as descriptors 3 and 4
        high = os.dup(theirs_out), os.dup(theirs_in)
        os.dup2(high[1], 3)
        os.dup2(high[0], 4)

    process = subprocess.Popen(
        [*command, "--remote-debugging-pipe"],
        preexec_fn=as_it_wants,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Browser(ours_out, ours_in)
    finally:
        os.close(ours_out)
        os.close(ours_in)
        process.terminate()
        process.wait(20)
