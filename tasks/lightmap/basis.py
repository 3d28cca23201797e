"""Basis images in a run: the day becomes one file, and the blend mixes what the file gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from core.contract import Run
from core.errors import AssayError
from core.kit.io import write_png
from tasks.lightmap import codec
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, trained_hours


def encoded(cfg: LightmapConfig, day: Day) -> bytes:
    """The hours that training may see, as a file."""
    hours = trained_hours(cfg, day)
    which = [day.hours.index(h) for h in hours]
    return codec.encode(day.frames[which].cpu().numpy(), hours, cfg.basis_k, cfg.basis_step)


def restored(file: bytes, day: Day) -> Day:
    """The day with the file's frames in place of its own. Hours that the file lacks keep theirs.

    Those were held out: a blend of known hours never looks at them.
    """
    made = codec.decode(file)
    frames = day.frames.clone()
    hours = np.asarray(day.hours, np.float32).tolist()  # as a file has them: 6:20 is no whole float
    which = [hours.index(h) for h in made.hours]
    frames[which] = torch.from_numpy(made.frames()).to(frames.device)
    return replace(day, frames=frames)


def decode(
    cfg: LightmapConfig, run: Run, *, file: str, output_dir: str, step: float = 1
) -> list[Path]:
    """Frames recon_<h>.png of a basis file alone, every `step` hours around the clock."""
    try:
        made = codec.decode(Path(file).read_bytes())
    except OSError as error:
        raise AssayError(f"cannot read {file} ({error.strerror})") from error
    if not step > 0:
        raise AssayError(f"no hours in steps of {step}", "Give a step above 0, such as 0.5")
    written = []
    times = np.arange(0, 24, step)
    for i, time in enumerate(times):
        frame = np.clip(made.frame(row(made.hours, float(time))), 0, 1)
        path = Path(output_dir) / f"recon_{time:g}.png"
        written.append(write_png(path, frame.transpose(1, 2, 0)))
        run.progress(i + 1, len(times))
    return written


def row(hours: Sequence[float], time: float) -> codec.Planes:
    """Weights of the frames at a time: a linear blend of its neighbours around the clock."""
    since = [(time - h) % 24 for h in hours]
    until = [(h - time) % 24 for h in hours]
    before, after = int(np.argmin(since)), int(np.argmin(until))
    weights = np.zeros(len(hours), np.float32)
    gap = since[before] + until[after]
    share = since[before] / gap if gap else 0.0
    weights[before] += 1 - share
    weights[after] += share
    return weights
