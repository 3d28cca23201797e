"""Starting the command line in a session of its own: what it starts outlives the screens."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import core
from core import clock
from core.errors import AssayError
from core.project import Project

TREE = Path(core.__file__).parent.parent


class Started(NamedTuple):
    """A command that goes on without us."""

    process: subprocess.Popen[bytes]
    log: Path
    words: list[str]

    def study(self) -> str | None:
        """The study that it leads, once it says so."""
        try:
            head = self.log.read_text(errors="replace")[:4096]
        except OSError:
            return None
        found = re.search(r"^study (\S+): ", head, re.M)
        return found[1] if found else None

    def said(self) -> str:
        """Its last line."""
        from core.logfile import last_lines

        return next(iter(last_lines(self.log, 1)), "")


def shown(words: Sequence[str]) -> str:
    """The command as a person would type it."""
    return " ".join(["assay", *map(shlex.quote, words)])


def start(project: Project, words: Sequence[str]) -> Started:
    """Start `assay <words>`; its output goes to a file in the store."""
    log = project.store / "launches" / f"{clock.ulid()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            _command(project, words),
            cwd=TREE,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return Started(process, log, list(words))


def ask(project: Project, words: Sequence[str]) -> Any:
    """The data that `assay <words> --json` answers with.

    Raises:
        AssayError: as the command did.
    """
    done = subprocess.run(
        [*_command(project, words), "--json"],
        cwd=TREE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise AssayError(f"{shown(words)} failed: {last}") from None
    if answer["error"] and answer["data"] is None:
        error = answer["error"]
        raise AssayError(error["message"], error["hint"], code=error["code"])
    return answer["data"]


def _command(project: Project, words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "core.cli", "-C", str(project.root), *words]
