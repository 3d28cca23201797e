"""The seed's extra commands: `assay do lightmap <tool> -o key=value`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.contract import Run
from core.errors import AssayError
from core.kit import checkpoint
from core.kit.io import write_png
from tasks.lightmap import data, synth
from tasks.lightmap.config import LightmapConfig, size
from tasks.lightmap.work import load, write_times


def infer(
    cfg: LightmapConfig,
    run: Run,
    *,
    ckpt: str,
    time: float | None = None,
    out: str = "",
    baseline_path: str = "",
) -> list[Path]:
    """One frame at `time` (modulo 24) as the file `out`; without a time, all `infer_hours`."""
    if time is None:
        folder = Path(out) if out else run.dir / "infer"
        return _write(cfg, run, ckpt, baseline_path, folder, list(cfg.infer_hours))
    path = Path(out) if out else run.dir / f"recon_{time:g}.png"
    (made,) = _write(cfg, run, ckpt, baseline_path, path.parent, [time % 24])
    return [made.rename(path)]


def batch_infer(
    cfg: LightmapConfig,
    run: Run,
    *,
    ckpt: str,
    output_dir: str,
    start_hour: float = 0,
    end_hour: float = 23,
    step: float = 1,
    baseline_path: str = "",
) -> list[Path]:
    """recon_<h>.png from start_hour to end_hour, both included; the model is loaded once."""
    if not step > 0 or end_hour < start_hour:
        raise AssayError(f"no hours from {start_hour} to {end_hour} in steps of {step}")
    times = np.arange(start_hour, end_hour + step / 1000, step)
    return _write(cfg, run, ckpt, baseline_path, Path(output_dir), [float(t) for t in times])


def _write(
    cfg: LightmapConfig, run: Run, ckpt: str, baseline_path: str, out: Path, times: list[float]
) -> list[Path]:
    """Render with the checkpoint's own settings; only the place of the data comes from `cfg`."""
    saved = checkpoint.load(Path(ckpt))["state"]["about"]["config"]
    place = cfg.model_dump(include={"data_dir", "alpha_background"}, exclude_defaults=True)
    own = LightmapConfig.model_validate(saved | place)
    model = load(own, Path(ckpt), run.device)
    day = data.read_one(Path(baseline_path), own) if baseline_path else data.read(own)
    return write_times(own, model, day.to(run.device), out, times)


def synth_city(cfg: LightmapConfig, run: Run, *, output_dir: str, step: float = 1) -> list[Path]:
    """The synthetic city's frames as tod_<h>.png, and tod_<h>h<mm>.png for a step below an hour."""
    width, height = size(cfg.city_size)
    city = synth.City(width, height, cfg.city_seed)
    times = [float(t) for t in np.arange(0, 24, step)]
    return [write_png(Path(output_dir) / data.name(t), city.frame(t)) for t in times]
