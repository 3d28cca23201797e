"""Golden losses: what every task's tiny config logs at seed 0, in full precision.

    python -m tests.golden    # or ./run golden: record them again, and say in the commit why

A refactoring must not move them. tests/test_golden.py compares.
"""

from __future__ import annotations

import json
import platform
import tempfile
from pathlib import Path
from typing import Any

from core import project, registry
from core.contract import Task
from core.testing import tiny_run
from tests.toy import ROOT

FOLDER = Path(__file__).parent / "golden"
VALUES = 20  # of each loss


def tasks() -> dict[str, Task[Any]]:
    """Every registered task of this checkout."""
    found = registry.load(project.find(ROOT))
    return {name: found.find(name) for name in found.lines}


def measure(task: Task[Any]) -> dict[str, Any]:
    """The first values of every series whose name begins with `loss`, and where they come from."""
    with tempfile.TemporaryDirectory() as folder:
        series = tiny_run(task, Path(folder) / "golden").series
    losses = {
        name: [value for _, value in rows[:VALUES]]
        for name, rows in series.items()
        if name.startswith("loss")
    }
    return {"machine": machine(), "losses": losses}


def machine() -> dict[str, str]:
    """What decides the last bits of a float: the build of torch and the processor."""
    import torch

    lines = Path("/proc/cpuinfo").read_text().splitlines() if platform.system() == "Linux" else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "processor": models[0] if models else platform.processor(),
    }


def read(name: str) -> dict[str, Any]:
    """The recorded values of a task."""
    recorded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return recorded


def main() -> None:
    """Record every task's values."""
    for name, task in tasks().items():
        text = json.dumps(measure(task), indent=1)
        (FOLDER / f"{name}.json").write_text(f"{text}\n")
        print(f"recorded {FOLDER.name}/{name}.json")


if __name__ == "__main__":
    main()
