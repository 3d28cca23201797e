"""A run's log.txt, once or as it grows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

from core.cli.answer import say
from core.ledger import alive
from core.project import Project

POLL_S = 0.2


def whole(path: Path) -> str:
    """What the log holds; nothing before the run wrote a line."""
    return path.read_text(errors="replace") if path.exists() else ""


def empty(series: Iterable[str]) -> str:
    """What stands in place of a log without a line: where the numbers are."""
    names = ", ".join(sorted(series))
    return "the log is empty" + (f"; logged series: {names} (--series NAME)" if names else "")


def follow(project: Project, run: str, path: Path) -> None:
    """Print the log as it grows, until nobody keeps the run alive."""
    at = 0
    while True:
        lives = alive(project, run)  # asked before reading, so that the last lines are not missed
        if path.exists():
            with path.open("rb") as file:
                file.seek(at)
                new = file.read()
            new = new[: new.rfind(b"\n") + 1] if lives else new  # whole lines while it grows
            at += len(new)
            if new:
                say(new.decode(errors="replace").removesuffix("\n"), sys.stdout)
        if not lives:
            return
        time.sleep(POLL_S)
