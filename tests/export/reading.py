"""Reading back what sinks wrote, by their own readers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from core.project import Project

Record = dict[str, Any]


def inspect(file: Path) -> list[Record]:
    """Every record of an offline W&B file, by W&B's own command."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def of(records: list[Record], kind: str) -> list[Any]:
    return [r[kind] for r in records if r["type"] == kind]


def files(folder: Path) -> list[Path]:
    """A run's offline files, oldest first."""
    return sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))


def history(records: list[Record]) -> list[dict[str, Any]]:
    """Rows of scalars, without W&B's own columns but `_step`."""
    own = ("_runtime", "_timestamp", "_wandb")
    rows = [row["item"] for row in of(records, "history")]
    return [{k: v for k, v in row.items() if k not in own} for row in rows]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """A run's scalars as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    board.Reload()
    tags = board.Tags()["scalars"]
    return {tag: [(e.step, e.value) for e in board.Scalars(tag)] for tag in tags}


def settled(project: Project, seconds: float = 120.0) -> None:
    """Wait for exporters that go on in the background, as they do on a machine that is busy."""
    deadline = time.monotonic() + seconds
    for log in project.root.rglob("exporter.log"):
        while not log.with_name("exported.json").exists():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
