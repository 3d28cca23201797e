"""What showing a run elsewhere costs: to the run, to the exporter, and a review page.

    python -m benchmarks.exporter

CPU seconds. Peers: W&B's own `run.log` and torch's `SummaryWriter`, over the same rows, in one run.
The run's cost is what its own process used, with and without an exporter beside it.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from core.export import scope
from core.export.follow import Exporter
from core.export.settings import Settings
from core.ledger import Ledger
from core.project import Project
from core.review import page, subject
from core.study import folder
from tests import toy

ROWS, REPEATS = 2000, 3
NAMES = ("loss/total", "loss/l2", "val/psnr", "lr")
STEPS = ("-o", "total_steps=150", "-o", "step_s=0.01")
STUDY = "task: toy\nkind: ablation\nvariants: [baseline, quick, better]\nseeds: [0, 1, 2]\n"


def values(step: int) -> dict[str, float]:
    """One row."""
    return {name: 1 / (step + i) for i, name in enumerate(NAMES)}


def spent(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def run_cost(project: Project) -> dict[str, float]:
    """CPU seconds of the run's own process, without and with both sinks."""
    used: dict[str, list[float]] = {"alone": [], "exported": []}
    for _ in range(REPEATS):
        for name, more in (("alone", ()), ("exported", ("--wandb", "offline", "--tensorboard"))):
            toy.assay(project.root, "run", "toy", *STEPS, *more, check=True)
            cpu = Ledger(project).find("@last").resources.cpu_s
            assert cpu is not None
            used[name].append(cpu)
    return {name: statistics.median(found) for name, found in used.items()}


def ours(project: Project, settings: Settings) -> float:
    """The exporter over a run of ROWS rows."""
    toy.assay(project.root, "run", "toy", "--tiny", check=True)
    run = Ledger(project).find("@last").run
    rows = ({"t": 1.0, "kind": "log", "step": i, "values": values(i)} for i in range(1, ROWS + 1))
    file = project.run_dir(run) / "events.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return spent(Exporter(project, scope.find(project, run), settings).run)


def wandb_alone(place: Path) -> None:
    """W&B's own way."""
    import wandb

    settings = wandb.Settings(console="off", silent=True, x_disable_stats=True)
    run = wandb.init(project="bench", mode="offline", dir=str(place), settings=settings)
    for step in range(1, ROWS + 1):
        run.log(values(step), step=step)
    run.finish()


def torch_alone(place: Path) -> None:
    """The usual way to TensorBoard."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(place))
    for step in range(1, ROWS + 1):
        for name, value in values(step).items():
            writer.add_scalar(name, value, step)
    writer.close()


def review(project: Project) -> dict[str, float]:
    """A page about nine runs."""
    (project.root / "studies").mkdir()
    (project.root / "studies" / "s.yaml").write_text(STUDY)
    toy.assay(project.root, "study", "run", "s", check=True)
    found = folder.find(project, "s")
    page.html(subject.of_study(project, found))  # imports
    made: list[str] = []
    cpu = spent(lambda: made.append(page.html(subject.of_study(project, found))))
    return {"page_cpu_s": cpu, "page_kb": len(made[0].encode()) / 1000}


def main() -> None:
    """Print the table and the ratios as JSON."""
    os.environ.update(WANDB_SILENT="true", WANDB_MODE="offline", OMP_NUM_THREADS="1")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        project = toy.build(place / "lines")
        os.environ["WANDB_DATA_DIR"] = os.environ["WANDB_CACHE_DIR"] = str(place)
        wandb_alone(place / "warm-up")  # imports, and W&B's own process
        torch_alone(place / "warm-up-board")
        sinks = {
            "wandb": (Settings(wandb="offline", project="bench"), wandb_alone),
            "tensorboard": (Settings(tensorboard=True), torch_alone),
        }
        table: dict[str, float] = {}
        for sink, (settings, peer) in sinks.items():
            mine = [ours(project, settings) for _ in range(REPEATS)]
            theirs = [spent(lambda p=peer, i=i: p(place / f"{i}")) for i in range(REPEATS)]  # type: ignore[misc]
            table[f"{sink}_cpu_s"] = statistics.median(mine)
            table[f"{sink}_peer_cpu_s"] = statistics.median(theirs)
            table[f"{sink}_rows_per_cpu_s"] = ROWS / statistics.median(mine)
        cost = run_cost(project)
        table |= {f"run_{name}_cpu_s": used for name, used in cost.items()} | review(project)
    ratios = {f"peer/{s} cpu": table[f"{s}_peer_cpu_s"] / table[f"{s}_cpu_s"] for s in sinks}
    ratios["run cpu, exported/alone"] = cost["exported"] / cost["alone"]
    print(json.dumps({"benchmark": "exporter", "table": table, "ratios": ratios}))


if __name__ == "__main__":
    main()
