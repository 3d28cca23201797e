"""The seed's extra commands: `assay do lightmap <tool> -o key=value`."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np

from core.contract import Absent, Run
from core.errors import AssayError
from core.kit.io import write_png
from tasks.lightmap import checkpoints, data, pictures, synth, work
from tasks.lightmap.blend import Base, Frame
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.config import size as sized
from tasks.lightmap.data import Day
from tasks.lightmap.model import Lightmap
from tasks.lightmap.render import Direct, frames

say = logging.getLogger("lightmap").warning


def infer(
    cfg: LightmapConfig,
    run: Run,
    *,
    ckpt: str,
    time: float | None = None,
    out: str = "",
    baseline_path: str = "",
    size: str = "",
    force_baseline: bool = False,
) -> list[Path]:
    """One frame at `time` (any number, modulo 24) as the file `out`; without, all `infer_hours`."""
    painter = Painter(cfg, run, ckpt, baseline_path, size, force_baseline)
    if time is None:
        folder = Path(out) if out else run.dir / "infer"
        return [painter.write(t, folder / _name(t)) for t in cfg.infer_hours]
    return [painter.write(time, Path(out) if out else run.dir / _name(time))]


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
    size: str = "",
    force_baseline: bool = False,
    infer_script: str = "",
) -> list[Path]:
    """recon_<h>.png from start_hour to end_hour, both included; the model is loaded once."""
    if infer_script:
        say("infer_script %s is not needed: inference is a function here", infer_script)
    if not step > 0 or end_hour < start_hour:
        raise AssayError(f"no hours from {start_hour} to {end_hour} in steps of {step}")
    painter = Painter(cfg, run, ckpt, baseline_path, size, force_baseline)
    count = math.floor((end_hour - start_hour) / step + 1e-6) + 1
    made = []
    for i in range(count):
        time = start_hour + i * step
        made.append(painter.write(time, Path(output_dir) / _name(time)))
        run.progress(i + 1, count)
    return made


def evaluate(
    cfg: LightmapConfig, run: Run, *, ckpt: str, force_baseline: bool = False
) -> dict[str, object]:
    """The metrics of a checkpoint under its own settings, but for those given with -o."""
    own = checkpoints.own(cfg, Path(ckpt))
    model, day = checkpoints.load(own, Path(ckpt), run.device), work.data(own, run)
    if not force_baseline:
        checkpoints.check_baseline(own, model, day)
    measured = work.evaluate(own, model, day, run)
    return {k: v.model_dump() if isinstance(v, Absent) else v for k, v in measured.items()}


class Painter:
    """A loaded model that writes frames of any hour, at any size.

    Raises:
        AssayError: the images are not those that the model was trained on.
    """

    def __init__(
        self, cfg: LightmapConfig, run: Run, ckpt: str, baseline_path: str, size: str, force: bool
    ) -> None:
        own = checkpoints.own(cfg, Path(ckpt))
        model = checkpoints.load(own, Path(ckpt), run.device)
        saved = checkpoints.read(Path(ckpt), run.device)
        if baseline_path:
            day = data.read_one(Path(baseline_path), own)
        elif saved.image is not None and cfg.data_dir is None:
            day = data.alone(own, saved.image.cpu())
        else:
            day = data.read(own)
        if (day.width, day.height) != (saved.width, saved.height):
            raise AssayError(
                f"the images are {day.width}x{day.height}, the training's were "
                f"{saved.width}x{saved.height}",
                f"-o resize={saved.width}x{saved.height}, or -o size=WxH for other output",
                code="other_size",
            )
        if not force:
            checkpoints.check_baseline(own, model, day)
        self.frame = frames(own, model, day.to(run.device))
        if size:
            say("frames are %s: the base is resized (bicubic), the network is continuous", size)
            self.frame = _enlarged(own, model, day.to(run.device), sized(size))

    def write(self, time: float, path: Path) -> Path:
        """One frame as PNG."""
        return write_png(path, pictures.pixels(self.frame(time % 24)))


def _enlarged(cfg: LightmapConfig, model: Lightmap, day: Day, to: tuple[int, int]) -> Frame:
    """Frames of another size (width, height): the network at its own points, on a resized base."""
    base = Base(cfg, data.enlarged(day, to))
    if not cfg.network:
        return lambda t: base.shown(base.image(t))
    draw = Direct(model, day.at(cfg.baseline_time), to[::-1])
    return lambda t: base.shown(base.image(t) + base.mix(t).gain * draw(t))


def _name(time: float) -> str:
    return f"recon_{round(time, 4):g}.png"


def synth_city(cfg: LightmapConfig, run: Run, *, output_dir: str, step: float = 1) -> list[Path]:
    """The synthetic city's frames as tod_<h>.png, and tod_<h>h<mm>.png for a step below an hour."""
    width, height = sized(cfg.city_size)
    city = synth.City(width, height, cfg.city_seed)
    times = [float(t) for t in np.arange(0, 24, step)]
    return [write_png(Path(output_dir) / data.name(t), city.frame(t)) for t in times]
