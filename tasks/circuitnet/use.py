"""Commands about trained networks: `assay do circuitnet <tool> -o key=value`."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from core.contract import Absent, Run
from core.errors import AssayError
from tasks.circuitnet import dataset, evaluation, network, official, pictures
from tasks.circuitnet.config import CircuitnetConfig

say = logging.getLogger("circuitnet").warning


def evaluate(cfg: CircuitnetConfig, run: Run, *, ckpt: str = "") -> dict[str, float | str]:
    """The metrics of a checkpoint, or of an official weight file, under any precision.

    `pretrained`, as officially, names the file too. With `plot_roc` the curves are drawn.
    """
    official.check_device(cfg, run)
    if not (path := ckpt or cfg.pretrained):
        raise AssayError("eval needs a checkpoint", "Give --run <run>, or -o pretrained=...")
    data = dataset.read(cfg, run.progress)
    loaded = network.load(cfg, Path(path), run.device)
    found = evaluation.measure(cfg, loaded, data, run)
    if cfg.plot_roc:
        folder = run.dir / "images"
        folder.mkdir(parents=True, exist_ok=True)
        pictures.rates(evaluation.score(cfg, loaded, data), folder)
        say(f"curves: {folder}")
    first = {name: found[name] for name in cfg.eval_metric}
    return {k: v.reason if isinstance(v, Absent) else v for k, v in (first | found).items()}


def curves(cfg: CircuitnetConfig, run: Run, *, runs: list[str], out: str = "") -> list[Path]:
    """Loss curves of several run folders laid over each other."""
    folders = {_name(Path(r)): Path(r) for r in runs}
    folder = Path(out) if out else run.dir / "images"
    if not (made := pictures.loss_curves(folders, folder)):
        raise AssayError(
            f"no loss_history.npy in {', '.join(map(str, runs))}", "Give -o runs=[runs/<id>, ...]"
        )
    return made


def _name(folder: Path) -> str:
    """What a run is called in a legend: its variant and seed, and the end of its id."""
    try:
        about = json.loads((folder / "run.json").read_text())
        return f"{about['variant']}, seed {about['seed']} ({folder.name[-6:]})"
    except (OSError, ValueError, KeyError):  # a folder of curves that is no run's
        return folder.name
