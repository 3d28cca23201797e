"""Commands about trained networks: `assay do circuitnet <tool> -o key=value`."""

from __future__ import annotations

from pathlib import Path

from core.contract import Absent, Run
from core.errors import AssayError
from tasks.circuitnet import dataset, evaluation, network, pictures
from tasks.circuitnet.config import CircuitnetConfig


def evaluate(cfg: CircuitnetConfig, run: Run, *, ckpt: str) -> dict[str, float | str]:
    """The metrics of a checkpoint, or of an official weight file, under any precision."""
    data = dataset.read(cfg)
    loaded = network.load(cfg, Path(ckpt), run.device)
    found = evaluation.measure(cfg, loaded, data, run)
    return {k: v.reason if isinstance(v, Absent) else v for k, v in found.items()}


def curves(cfg: CircuitnetConfig, run: Run, *, runs: list[str], out: str = "") -> list[Path]:
    """Loss curves of several run folders laid over each other."""
    folders = {Path(r).name: Path(r) for r in runs}
    folder = Path(out) if out else run.dir / "images"
    if not (made := pictures.loss_curves(folders, folder)):
        raise AssayError(
            f"no loss_history.npy in {', '.join(map(str, runs))}", "Give -o runs=[runs/<id>, ...]"
        )
    return made
