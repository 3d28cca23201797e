"""Starting an exporter beside a study or a run, and hearing what it did. It never holds them up."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import core
from core.export.settings import Settings, keep
from core.project import Project

WAIT_S = 20.0  # at the end, for what is left to be written
DONE = "exported.json"
LOG = "exporter.log"


@contextlib.contextmanager
def beside(
    project: Project, name: str, folder: Path, settings: Settings, say: Callable[[str], None]
) -> Iterator[None]:
    """Have an exporter follow while the block runs; afterwards say how it went.

    `folder`: the scope's, for its log. A failure to start is a line, nothing more.
    """
    if not settings.on:
        yield
        return
    try:
        process = start(project, name, folder, settings)
    except OSError as error:
        say(f"warning: the exporter did not start: {error.strerror}")
        yield
        return
    try:
        yield
    finally:
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it was killed
            process.stdin.close()
        try:
            process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            say(f"still exporting in the background; see {folder / LOG}")
        else:
            for line in told(folder, name, process.returncode):
                say(line)


def start(project: Project, name: str, folder: Path, settings: Settings) -> subprocess.Popen[bytes]:
    """An exporter in a session of its own: Ctrl-C is not for it. It ends when its stdin does."""
    folder.mkdir(parents=True, exist_ok=True)
    keep(folder, settings)
    (folder / DONE).unlink(missing_ok=True)
    words = ["-C", str(project.root), "wandb", "follow", name, "--attached"]
    with (folder / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "core.cli", *words],
            cwd=Path(core.__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def told(folder: Path, name: str, code: int) -> list[str]:
    """What an exporter that has ended did, for people."""
    try:
        done: dict[str, Any] = json.loads((folder / DONE).read_text())
    except (OSError, ValueError):
        how = f"was killed by signal {-code}" if code < 0 else f"left with code {code}"
        again = f"`assay wandb follow {name}` catches up"
        return [f"warning: the exporter {how}; {again} (log: {folder / LOG})"]
    return [*(f"warning: {w}" for w in done["warnings"]), *lines(done)]


def lines(done: dict[str, Any]) -> list[str]:
    """A line for each sink."""
    out = []
    if "wandb" in done:
        sink = done["wandb"]
        said = f"W&B: {sink['runs']} runs {sink['mode']} ({sink['why']})"
        send = f"; send them: assay wandb sync {done['of']}" if sink["mode"] == "offline" else ""
        out.append(f"{said}{send}{_lacking(sink, done['of'])}")
    if "tensorboard" in done:
        sink = done["tensorboard"]
        said = f"TensorBoard: {sink['runs']} runs; see them: tensorboard --logdir runs"
        out.append(f"{said}{_lacking(sink, done['of'])}")
    return out


def _lacking(sink: dict[str, Any], name: str) -> str:
    missing = len(sink["lacks"])
    return f"; {missing} missing, assay wandb follow {name} catches up" if missing else ""
