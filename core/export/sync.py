"""Sending what W&B kept offline: `wandb sync` over our run folders, going on past errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from core import ledger as ledgers
from core import locks
from core.ledger import Ledger
from core.project import Project


class Sent(NamedTuple):
    """What became of one run."""

    run: str
    ok: bool
    said: str  # W&B's last line when it failed


def unsent(project: Project, ledger: Ledger, where: str) -> dict[str, list[Path]]:
    """The offline folders that W&B has not marked as synced, oldest first, by run.

    Not those that an exporter still writes: what came after the mark would never be sent.
    """
    out: dict[str, list[Path]] = {}
    for row in ledger.rows(["run"], where):
        folder = ledgers.folder(project, row["run"])
        if folder and locks.held(folder / "wandb" / "lock"):
            continue
        found = sorted((folder / "wandb").glob("offline-run-*")) if folder else []
        left = [f for f in found if not list(f.glob("*.synced")) and list(f.glob("*.wandb"))]
        if left:
            out[row["run"]] = left
    return out


def send(run: str, folders: Sequence[Path], project: Project) -> Sent:
    """Send one run; its sessions join by its id."""
    env = {"WANDB_DATA_DIR": str(project.store / "wandb"), **os.environ}
    env.pop("WANDB_MODE", None)  # offline would refuse to send
    command = [sys.executable, "-m", "wandb", "sync", "--yes", "-n", "2", *map(str, folders)]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    ok = done.returncode == 0 and all(list(f.glob("*.synced")) for f in folders)
    return Sent(run, ok, "" if ok else (lines or ["wandb sync said nothing"])[-1])
