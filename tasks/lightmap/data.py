"""The images of a day: `tod_<h>.png`, h = 0..23, of one size. All bad files are named at once."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import AssayError
from core.kit.image import SSIM_WINDOW
from core.kit.io import Pixels, bit_depth, read_rgb
from tasks.lightmap import STREET, synth
from tasks.lightmap.config import LightmapConfig, size

NAME = re.compile(r"tod_(\d{1,2})(?:h(\d{2}))?\.png")
say = logging.getLogger("lightmap").warning


@dataclass(frozen=True)
class Day:
    """Frames of one fixed view, as 8-bit sRGB code values."""

    frames: Tensor  # T 3 H W uint8, whole hours
    hours: tuple[float, ...]  # T, rising; others too with train_extra_times
    between: Tensor  # E 3 H W uint8, times that are never trained on
    times: tuple[float, ...]  # E, rising
    meta: Mapping[str, Any]  # meta.json, passed through

    @property
    def height(self) -> int:
        """Rows of every frame."""
        return self.frames.shape[2]

    @property
    def width(self) -> int:
        """Columns of every frame."""
        return self.frames.shape[3]

    @property
    def longest(self) -> int:
        """The longer side in pixels."""
        return max(self.height, self.width)

    def at(self, time: float) -> Tensor:
        """The image of a time that has one: 3 H W in [0, 1]."""
        if time in self.hours:
            return self.frames[self.hours.index(time)].float() / 255
        return self.between[self.times.index(time)].float() / 255

    def to(self, device: str) -> Day:
        """The same day on another device."""
        return replace(self, frames=self.frames.to(device), between=self.between.to(device))


def read(cfg: LightmapConfig) -> Day:
    """The day that a config names: a folder, the bundled street, or the synthetic city.

    Raises:
        AssayError: one error that lists every missing or unusable file.
    """
    if cfg.data_dir is None and cfg.data == "city":
        day = synthetic(cfg)
    else:
        day = read_folder(cfg.data_dir or STREET, cfg)
    if cfg.train_extra_times:
        day = _all_known(day)
    _check(day, cfg)
    return day


def _all_known(day: Day) -> Day:
    """The day with the times between among its hours."""
    times = (*day.hours, *day.times)
    order = sorted(range(len(times)), key=times.__getitem__)
    frames = torch.cat([day.frames, day.between])[order]
    return replace(
        day, frames=frames, hours=tuple(times[i] for i in order), between=frames[:0], times=()
    )


def synthetic(cfg: LightmapConfig) -> Day:
    """The city at 24 whole hours and the 12 half hours after even ones, as the street has them."""
    width, height = size(cfg.city_size)
    city = synth.City(width, height, cfg.city_seed)
    times = tuple(h + 0.5 for h in range(0, 24, 2))
    return Day(
        frames=_stack([city.frame(h) for h in range(24)]),
        hours=tuple(range(24)),
        between=_stack([city.frame(t) for t in times]),
        times=times,
        meta={"city_seed": cfg.city_seed},
    )


def read_folder(folder: Path, cfg: LightmapConfig) -> Day:
    """All `tod_*.png` of a folder: whole hours, and the times between them."""
    files, problems = find(folder)
    missing = [name(h) for h in range(24) if h not in files]
    if missing and not cfg.allow_missing:
        problems.append("missing: " + ", ".join(missing))
    images: dict[float, Pixels] = {}
    for time, path in sorted(files.items()):
        try:
            images[time] = read_image(path, cfg)
        except AssayError as error:
            problems.append(str(error))
    problems += _odd_sizes({files[time].name: image for time, image in images.items()})
    hours, times = [t for t in images if t == int(t)], [t for t in images if t != int(t)]
    if problems or not hours:
        raise AssayError(
            f"{folder}: " + ("; ".join(problems) or "no tod_<h>.png"),
            "Mend the files, or see allow_missing, resize and alpha_background",
            code="bad_data",
        )
    frames, meta = _stack([images[t] for t in hours]), folder / "meta.json"
    return Day(
        frames=frames,
        hours=tuple(int(t) for t in hours),
        between=_stack([images[t] for t in times]) if times else frames[:0],
        times=tuple(times),
        meta=_meta(meta) if meta.exists() else {},
    )


def _meta(path: Path) -> Mapping[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise AssayError(f"{path} is no JSON object ({error})", code="bad_data") from error


def read_one(path: Path, cfg: LightmapConfig) -> Day:
    """A day of which only the baseline image is known: enough to render, not to blend."""
    if cfg.blend != "none":
        raise AssayError("a blend needs all its images", "Leave baseline_path out")
    return alone(cfg, _stack([read_image(path, cfg)]))


def alone(cfg: LightmapConfig, frames: Tensor) -> Day:
    """The day of the baseline image 1 3 H W uint8."""
    return Day(frames, (cfg.baseline_time,), frames[:0], (), {})


def enlarged(day: Day, to: tuple[int, int]) -> Day:
    """The day at another size (width, height), bicubic: for drawing, not for measuring."""
    frames = F.interpolate(day.frames.float(), to[::-1], mode="bicubic", align_corners=False)
    return replace(
        day, frames=frames.round().clamp(0, 255).byte(), between=day.between[:0], times=()
    )


def name(time: float) -> str:
    """File name of a time: tod_6.png, tod_6h30.png."""
    minute = round(time % 1 * 60)
    return f"tod_{int(time)}h{minute:02d}.png" if minute else f"tod_{int(time)}.png"


def find(folder: Path) -> tuple[dict[float, Path], list[str]]:
    """Image files by time, and what is wrong with their names."""
    if not folder.is_dir():
        raise AssayError(f"no folder {folder}", "Set data_dir to a folder with tod_<h>.png")
    files: dict[float, Path] = {}
    problems = []
    for path in sorted(folder.glob("tod_*.png")):
        match = NAME.fullmatch(path.name)
        if match is None or int(match[1]) > 23 or not 0 < int(match[2] or 1) < 60:
            problems.append(f"{path.name} is neither tod_<0..23>.png nor tod_<0..23>h<01..59>.png")
            continue
        time = int(match[1]) + int(match[2] or 0) / 60
        if time in files:
            problems.append(f"{files[time].name} and {path.name} are the same time")
        files[time] = path
    return files, problems


def read_image(path: Path, cfg: LightmapConfig) -> Pixels:
    """One image as H W 3, resized where the config says so."""
    image = read_rgb(path, cfg.alpha_background)
    if bit_depth(path) == 16:
        say("%s has 16 bits a channel; frames are kept in 8, rounded", path.name)
    if cfg.resize:
        image = _resized(image, size(cfg.resize))
    height, width = image.shape[:2]
    if min(height, width) < cfg.smallest:
        raise AssayError(f"{path.name} is {width}x{height}, below {cfg.smallest}x{cfg.smallest}")
    return image


def _resized(image: Pixels, to: tuple[int, int]) -> Pixels:
    """Area mean where the image shrinks, bicubic where it grows."""
    from PIL import Image

    shrinks = to[0] <= image.shape[1] and to[1] <= image.shape[0]
    how = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    return np.array(Image.fromarray(image).resize(to, how))


def _odd_sizes(images: Mapping[str, Pixels]) -> list[str]:
    """Images whose size is not the first one's."""
    sizes = {name: f"{image.shape[1]}x{image.shape[0]}" for name, image in images.items()}
    first = next(iter(sizes), "")
    return [
        f"{name} is {size}, {first} is {sizes[first]}"
        for name, size in sizes.items()
        if size != sizes[first]
    ]


def _stack(images: Sequence[Pixels]) -> Tensor:
    """H W 3 arrays as one N 3 H W tensor."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def digest(cfg: LightmapConfig, day: Day) -> str:
    """sha256 of the images that the network's output is added to, and of their size."""
    hours = [cfg.baseline_time] if cfg.blend == "none" else trained_hours(cfg, day)
    frames = day.frames[[day.hours.index(h) for h in hours]].cpu().numpy()
    return hashlib.sha256(repr(frames.shape).encode() + frames.tobytes()).hexdigest()


def _check(day: Day, cfg: LightmapConfig) -> None:
    """What can be wrong with a day whose files are all readable."""
    if len(day.hours) < 2:
        raise AssayError(f"{len(day.hours)} hour(s) of 24: at least 2 are needed", code="bad_data")
    if cfg.baseline_time not in day.hours:
        raise AssayError(
            f"tod_{cfg.baseline_time}.png, the baseline image, is missing",
            f"Set baseline_time to one of {list(day.hours)}",
            code="bad_data",
        )
    if len(trained_hours(cfg, day)) < 2:
        raise AssayError(
            f"val_hours {list(cfg.val_hours)} held out leave fewer than 2 hours to learn from",
            "Hold fewer out, or set val_split to seen",
            code="bad_data",
        )
    if not measured_hours(cfg, day):
        raise AssayError(
            f"no image at any of val_hours {list(cfg.val_hours)} but the given one",
            f"Set val_hours to some of {list(day.hours)}",
            code="bad_data",
        )
    smallest = max(SSIM_WINDOW * cfg.val_downsample, cfg.smallest)
    if min(day.height, day.width) < smallest:
        raise AssayError(
            f"frames are {day.width}x{day.height}, below {smallest}x{smallest}",
            f"SSIM needs {SSIM_WINDOW} pixels after val_downsample, training a whole patch_size",
            code="bad_data",
        )
    baseline = day.at(cfg.baseline_time)
    if bool((baseline == baseline[:, :1, :1]).all()):
        say("the baseline image is one colour: it tells the network nothing")
    if bool((day.frames == day.frames[:1]).all()):
        say("all hours are the same image: there is no change to learn")


def trained_hours(cfg: LightmapConfig, day: Day) -> list[float]:
    """Hours whose images training, and a blend, may see."""
    held = set(held_hours(cfg, day))
    return [h for h in day.hours if h not in held]


def held_hours(cfg: LightmapConfig, day: Day) -> list[float]:
    """Measured hours that training does not see."""
    return measured_hours(cfg, day) if cfg.val_split == "holdout" else []


def measured_hours(cfg: LightmapConfig, day: Day) -> list[float]:
    """val_hours that exist, but for the hour that the network is given."""
    return [h for h in day.hours if h in cfg.val_hours and h != cfg.given_hour]
