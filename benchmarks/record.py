"""Recording one run: ours against MLflow (sqlite) and W&B (offline), CPU seconds, in one sitting.

    python -m benchmarks.record [--peers PYTHON]   # PYTHON: an interpreter that has mlflow

Each measurement is a fresh process that opens a run with 10 parameters, logs 1,000 steps x 3
metrics, writes 5 final metrics and closes. Counted is the CPU of that section, of the process and
of the children it waited for; imports are not. W&B's service process is only in it as far as it was
waited for. Ours is shown without and with the snapshot commit.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS = 1000
REPEATS = 5
PARAMS = {f"p{i}": i / 10 for i in range(10)}
FINAL = {f"final{i}": float(i) for i in range(5)}


def cpu() -> float:
    """CPU seconds of this process and of the children it has waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in uses)


def steps(log: Callable[[dict[str, float], int], Any]) -> list[float]:
    """Log everything; the duration of each call in microseconds."""
    took = []
    for step in range(STEPS):
        values = {"loss": 1 / (step + 1), "psnr": 20 + step / 100, "lr": 1e-3}
        begin = time.perf_counter()
        log(values, step)
        took.append((time.perf_counter() - begin) * 1e6)
    return took


def ours(folder: Path, snapshot: bool = False) -> dict[str, float]:
    """This project's own way: journal, run folder, event file."""
    from core import execute, identity, outcome, plan
    from core.run import LiveRun
    from tests import toy

    project = toy.build(folder / "project")
    os.chdir(project.root)
    warm = plan.prepare(project, "toy")
    who = identity.identify(project, warm)
    ledger = execute.Ledger(project)
    task = execute.registry.resolve(warm.use)
    if snapshot:
        (project.root / "notes.txt").write_text("dirty\n")
    begin, wall = cpu(), time.perf_counter()
    spec = plan.prepare(project, "toy")
    if snapshot:
        who = identity.identify(project, spec)
    spec.dir.mkdir(parents=True)
    ledger.append("started", spec.run, outcome.started(spec, who))
    run = LiveRun(spec, task)
    took = steps(run.log)
    measured = {
        name: {"value": value, "unit": "1", "direction": "max", "split": "val", "timing": False}
        for name, value in FINAL.items()
    }
    result_json = {"attempt": 1, "status": "finished", "metrics": measured, "absent": {}}
    (spec.dir / "result.json").write_text(json.dumps(result_json))
    ledger.append("ended", spec.run, outcome.ended(spec, 0, None))
    return result(begin, wall, took)


def ours_with_snapshot(folder: Path) -> dict[str, float]:
    """The same, and the commit of a dirty tree."""
    return ours(folder, snapshot=True)


def mlflow(folder: Path) -> dict[str, float]:
    """MLflow with a sqlite store, synchronous, on a database that is already migrated."""
    import mlflow as peer

    peer.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    peer.set_experiment("bench")
    with peer.start_run():
        peer.log_metrics({"warm": 1.0}, step=0)
    begin, wall = cpu(), time.perf_counter()
    with peer.start_run():
        peer.log_params(PARAMS)
        took = steps(lambda values, step: peer.log_metrics(values, step=step))
        peer.log_metrics(FINAL)
    return result(begin, wall, took)


def wandb(folder: Path) -> dict[str, float]:
    """W&B offline, its console capture and system statistics off."""
    import wandb as peer

    settings = peer.Settings(console="off", silent=True, x_disable_stats=True)
    begin, wall = cpu(), time.perf_counter()
    run = peer.init(
        project="bench", mode="offline", dir=str(folder), config=PARAMS, settings=settings
    )
    took = steps(lambda values, step: run.log(values, step=step))
    run.summary.update(FINAL)
    run.finish()
    peer.teardown()
    return result(begin, wall, took)


def result(begin: float, wall: float, took: list[float]) -> dict[str, float]:
    """CPU and wall seconds since the beginning; the log calls' median and 99th percentile."""
    took.sort()
    return {
        "cpu_s": cpu() - begin,
        "wall_s": time.perf_counter() - wall,
        "log_median_us": statistics.median(took),
        "log_p99_us": took[int(len(took) * 0.99)],
    }


ADAPTERS = {f.__name__: f for f in (ours, ours_with_snapshot, wandb, mlflow)}


def measure(name: str, python: str) -> dict[str, float]:
    """One adapter in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, "-m", "benchmarks.record", "--one", name, "--folder", folder],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure in turns, print medians and ratios as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", default=None, help="python that has mlflow")
    parser.add_argument("--one")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(ADAPTERS[args.one](args.folder)))
        return
    names = [n for n in ADAPTERS if n != "mlflow" or args.peers]
    rows: dict[str, list[dict[str, float]]] = {n: [] for n in names}
    for _ in range(REPEATS):
        for name in names:
            rows[name].append(measure(name, args.peers if name == "mlflow" else sys.executable))
    table = {
        n: {k: statistics.median(r[k] for r in got) for k in got[0]} for n, got in rows.items()
    }
    peers = [n for n in names if not n.startswith("ours")]
    ratios = {f"{p}/ours cpu": table[p]["cpu_s"] / table["ours"]["cpu_s"] for p in peers}
    print(json.dumps({"benchmark": "record", "table": table, "ratios": ratios}))


if __name__ == "__main__":
    main()
