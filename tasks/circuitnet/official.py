"""The official scripts' habits: their `arg.json`, and what they leave under `save_path`.

Source: utils/configs.py and train.py of circuitnet/CircuitNet, and of the seed's fork.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import AssayError

if TYPE_CHECKING:
    from core.contract import Run
    from tasks.circuitnet.config import CircuitnetConfig

FOLLOWS: Mapping[str, Mapping[str, Any]] = {  # flags that follow from the task
    "congestion_gpdl": {"dataset_type": "CongestionDataset", "model_type": "GPDL", "channels": 3},
    "drc_routenet": {"dataset_type": "DRCDataset", "model_type": "RouteNet", "channels": 9},
}
OWN = {"arg_file", "ann_file", "test_mode", "aug_pipeline", "dataset_type", "model_type"}
OWN |= {"in_channels", "out_channels"}  # all that is no field here, or read otherwise


def arguments(path: Path) -> dict[str, Any]:
    """The settings in a file of arguments; null leaves one at its default.

    Raises:
        ValueError: no such file, no JSON object, or flags that contradict the file's task.
    """
    try:
        read = json.loads(path.read_text())
        given = {k: v for k, v in read.items() if v is not None}
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not a JSON file of arguments ({error})") from error
    task = given.get("task", "congestion_gpdl")
    if follows := FOLLOWS.get(task):
        wanted = {**follows, "in_channels": follows["channels"], "out_channels": 1}
        for flag in ("dataset_type", "model_type", "in_channels", "out_channels"):
            if flag in given and str(given[flag]) != str(wanted[flag]):
                raise ValueError(
                    f"{path} has {flag} {given[flag]}, but {task} has {wanted[flag]}: correct one"
                )
    found = {k: v for k, v in given.items() if k not in OWN}
    if "aug_pipeline" in given:
        found["augment"] = _augment(path, given["aug_pipeline"])
    return found


def _augment(path: Path, pipeline: Any) -> str:
    """`augment` for the official pipelines that can be had here."""
    steps = [pipeline] if isinstance(pipeline, str) else list(pipeline)
    if steps in ([], ["Flip"]):
        return "hflip" if steps else "none"
    raise ValueError(f"{path} has aug_pipeline {steps}: known are [] and [Flip]; see augment")


def check_device(cfg: CircuitnetConfig, run: Run) -> None:
    """`cpu` is a promise, not a choice: the device is chosen where a run is asked for.

    Raises:
        AssayError: `cpu` is set and the run is on another device.
    """
    if cfg.cpu and run.device != "cpu":
        raise AssayError(
            f"cpu=true, but device {run.device} was asked for", "Leave out cpu or --device"
        )


def open_folder(cfg: CircuitnetConfig) -> None:
    """Make `save_path` and leave the settings in it, before anything is trained.

    Raises:
        AssayError: it cannot be written.
    """
    if cfg.save_path is None:
        return
    settings = cfg.model_dump(mode="json", exclude={"arg_file"})
    try:
        cfg.save_path.mkdir(parents=True, exist_ok=True)
        (cfg.save_path / "arg.json").write_text(json.dumps(settings, indent=4) + "\n")
    except OSError as error:
        raise AssayError(f"save_path {cfg.save_path}: {error}", "Give another folder") from error


def copy(cfg: CircuitnetConfig, run: Run) -> None:
    """Leave checkpoints, weight files and curves where the official scripts look for them."""
    if cfg.save_path is None:
        return
    kept = [run.dir / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
    for path in (*kept, *run.dir.glob("model_iters_*.pth"), *run.dir.glob("*_history.npy")):
        if path.exists():  # a network before its fine-tuning is no candidate for the best one
            shutil.copyfile(path, cfg.save_path / path.name)
