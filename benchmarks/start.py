"""Starting a run: wall seconds from asking to the child's first event, first and later runs.

    python -m benchmarks.start

Later runs fork from a server that has torch loaded. Beside them: a fresh interpreter that imports
torch, which is what every run would cost without the server.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from core import plan
from core.execute import Supervisor
from core.identity import identify
from tests import toy

RUNS = 6


def one(supervisor: Supervisor) -> float:
    """Seconds from `Supervisor.run` to the first line of the child's events."""
    spec = plan.prepare(supervisor.project, "toy", overrides={"total_steps": 1})
    identity = identify(supervisor.project, spec)
    first: list[float] = []
    begin = time.time()
    supervisor.run(spec, identity, watch=lambda event: first.append(event["t"]))
    return first[0] - begin


def main() -> None:
    """Print the first start, the median of the later ones, and the peer."""
    with tempfile.TemporaryDirectory() as folder:
        project = toy.build(Path(folder) / "project")
        file = project.root / "toytask.py"
        file.write_text(file.read_text().replace('framework="none"', 'framework="torch"'))
        supervisor = Supervisor(project)
        times = [one(supervisor) for _ in range(RUNS)]
    fresh = []
    for _ in range(3):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        fresh.append(time.perf_counter() - begin)
    later, peer = statistics.median(times[1:]), statistics.median(fresh)
    print(
        json.dumps(
            {
                "benchmark": "start",
                "first_s": times[0],
                "later_s": later,
                "fresh_interpreter_s": peer,
                "ratio": peer / later,
            }
        )
    )


if __name__ == "__main__":
    main()
