"""The ledger at 10,000 and 100,000 runs: the best ten, an index from nothing, appends, writers.

    python -m benchmarks.ledger [RUNS ...]

Records are made up but of real size: two events a run, 25 config keys, 8 metrics. Each figure that
waits for the disk stands beside a control that does the least such work. Times are wall clock.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core import clock
from core.ledger import Ledger, lines
from core.ledger.verify import verify
from core.project import Project, find

METRICS = ("ssim", "lpips", "psnr", "mae", "loss", "ms_1080p", "gpu_mib", "epoch_s")
FILTER = "task = 'lightmap' and status = 'finished' and seed in (0, 1) and lr < 0.05"
chance = random.Random(0)


def started(number: int) -> dict[str, Any]:
    """A `started` payload of ordinary size."""
    now = clock.stamp()
    config = {f"key_{i}": chance.choice([i, i / 3, "word", True]) for i in range(24)}
    oid = f"{number:040x}"
    return {
        **{"task": "lightmap", "task_version": 1, "primary": "ssim", "variant": "encoder"},
        **{"kind": "trial", "study": "search", "trial": number, "parent": None, "attempt": 1},
        **{"seed": number % 5, "group": f"g{number // 5}", "comparable": "c0"},
        **{"config": config | {"lr": chance.random() / 10}, "config_digest": oid[-16:]},
        **{"overrides": {"key_3": 1}, "origins": dict.fromkeys(config, "default")},
        "budget": {"kind": "steps", "limit": 5000.0},
        "timing": {"created": now, "started": now},
        "resources": {"device": "cpu", "threads": 2},
        "git": {
            **{"commit": oid, "head": oid, "branch": "main", "dirty": False},
            **{"code_tree": oid, "tree": oid},
        },
        "env": {"digest": "e0", "python": "3.11.7", "torch": "2.13.0", "cuda": None, "os": "Linux"},
        "data": [{"name": "hours", "digest": oid, "files": 24, "bytes": 1 << 20}],
        "protected": {"evaluator_digest": "v0"},
    }


def ended() -> dict[str, Any]:
    """An `ended` payload of ordinary size."""
    meaning = {"unit": "1", "direction": "max", "split": "val", "step": 5000}
    return {
        "status": "finished",
        "metrics": {name: {"value": chance.random(), **meaning} for name in METRICS},
        "series": {"loss": {"rows": 500, "last": 0.1, "min": 0.1, "max": 2.0}},
        "artifacts": [
            {"kind": "checkpoint", "path": "checkpoints/best.ckpt", "sha256": "0" * 64, "bytes": 9}
        ],
        "timing": {"ended": clock.stamp(), "setup_s": 1.0, "train_s": 60.0, "eval_s": 2.0},
        "resources": {"cpu_s": 120.0, "peak_rss_mib": 512.0},
        "budget": {"used_s": 60.0, "used_steps": 5000},
        "steps": 5000,
        "nonfinite_steps": 0,
    }


def checkout(folder: Path) -> Project:
    """An empty project in git."""
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / "registry.yaml").write_text("tasks: {}\n")
    return find(folder)


def fill(project: Project, runs: int) -> int:
    """Write a journal of so many runs, without fsync; its bytes."""
    project.store.mkdir()
    before = ""
    with (project.store / "journal.jsonl").open("wb") as file:
        for number in range(runs):
            run = clock.ulid()
            for kind, carried in (("started", started(number)), ("ended", ended())):
                envelope = {"v": 1, "e": kind, "id": clock.ulid(), "run": run, "t": clock.stamp()}
                line = lines.seal({**carried, **envelope, "p": before})
                before = lines.digest(line[:-1]) or ""
                file.write(line)
        return file.tell()


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def median_ms(call: Callable[[], object], repeats: int = 30) -> float:
    """Median wall time of a call, after one that is not counted."""
    call()
    return 1000 * statistics.median(seconds(call) for _ in range(repeats))


def scan(project: Project) -> list[Any]:
    """Control: the best ten by parsing every line."""
    best = []
    with (project.store / "journal.jsonl").open("rb") as file:
        for line in file:
            event = json.loads(line)
            if event["e"] == "ended":
                best.append((event["metrics"]["ssim"]["value"], event["run"]))
    return sorted(best, reverse=True)[:10]


def of_size(runs: int) -> dict[str, float]:
    """Figures of a ledger of so many runs."""
    with tempfile.TemporaryDirectory() as name:
        project = checkout(Path(name))
        size = fill(project, runs)
        rebuilt = seconds(lambda: Ledger(project).refresh())
        index_size = (project.store / "index.db").stat().st_size
        ledger = Ledger(project)
        return {
            "journal_mib": size / 2**20,
            "rebuild_s": rebuilt,
            "index_mib": index_size / 2**20,
            "best10_rows_ms": median_ms(lambda: ledger.rows(["run", "ssim"], None, "ssim", 10)),
            "best10_records_ms": median_ms(lambda: ledger.records(None, "ssim", 10)),
            "best10_filtered_ms": median_ms(lambda: ledger.rows(["run"], FILTER, "lpips", 10)),
            "ls_ms": median_ms(lambda: ledger.board(limit=30)),
            "open_and_best10_ms": median_ms(
                lambda: Ledger(project).rows(["run", "ssim"], None, "ssim", 10)
            ),
            "refresh_ms": median_ms(ledger.refresh),
            "verify_s": seconds(lambda: verify(project)),
            "control_scan_s": seconds(lambda: scan(project)),
        }


def appends(count: int = 500) -> dict[str, float]:
    """One event to disk, beside a control that writes the same bytes and calls fsync."""
    with tempfile.TemporaryDirectory() as name:
        project = checkout(Path(name))
        ledger = Ledger(project)
        run, carried = clock.ulid(), started(0)
        data = lines.seal({**ledger.append("started", run, carried)})
        ours, control = [], []
        fd = os.open(Path(name) / "control", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for _ in range(count):  # in turn, so that both see the same disk
            ours.append(seconds(lambda: ledger.append("started", run, carried)))
            control.append(seconds(lambda: os.write(fd, data)) + seconds(lambda: os.fsync(fd)))
        os.close(fd)
        return {
            "append_ms": 1000 * statistics.median(ours),
            "append_p99_ms": 1000 * statistics.quantiles(ours, n=100)[98],
            "control_write_fsync_ms": 1000 * statistics.median(control),
        }


def write(root: str, runs: int) -> None:
    """What one of the writers does."""
    ledger = Ledger(find(Path(root)))
    for number in range(runs):
        run = clock.ulid()
        ledger.append("started", run, started(number))
        ledger.append("ended", run, ended())


def writers(count: int = 8, runs: int = 200) -> dict[str, float]:
    """Processes that record runs in one clone at once."""
    with tempfile.TemporaryDirectory() as name:
        project = checkout(Path(name))
        code = f"from benchmarks.ledger import write; write({name!r}, {runs})"
        start = time.perf_counter()
        work = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
        failed = sum(process.wait() != 0 for process in work)
        took = time.perf_counter() - start
        found = Ledger(project).rows(["run"], "status = 'finished'")
        report = verify(project)
        return {
            "writers": count,
            "failed": failed,
            "lost_runs": count * runs - len(found),
            "breaks": len(report.breaks),
            "wall_s": took,
        }


def main() -> None:
    """Print one JSON line."""
    sizes = [int(word) for word in sys.argv[1:]] or [10_000, 100_000]
    whole: dict[str, Any] = {"benchmark": "ledger"}
    whole |= {str(runs): of_size(runs) for runs in sizes}
    print(json.dumps(whole | {"append": appends(), "eight_writers": writers()}))


if __name__ == "__main__":
    main()
