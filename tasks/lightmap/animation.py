"""The day as moving pictures, and a strip of a few hours side by side."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.kit import figure
from core.kit.io import write_png
from tasks.lightmap.blend import Frame

FRAMES, PER_SECOND = 48, 12
GIF_WIDTH = 320  # at most; a GIF of the whole street would be 6 MB
STRIP = tuple(5 + i / 4 for i in range(13))  # dawn, when most changes
STRIP_WIDTH = 160

Codes = NDArray[np.uint8]


def clock(time: float) -> str:
    """6.5 as 6:30."""
    return f"{int(time)}:{round(time % 1 * 60):02d}"


def day(frame: Frame, out: Path) -> list[Path]:
    """day.gif of 48 half hours; day.mp4 as well where imageio-ffmpeg is installed."""
    images = [frame(24 * i / FRAMES) for i in range(FRAMES)]
    made = [_gif([codes(_narrow(image, GIF_WIDTH)) for image in images], out / "day.gif")]
    if importlib.util.find_spec("imageio_ffmpeg"):
        made.append(_mp4([codes(image) for image in images], out / "day.mp4"))
    return made


def slider(frame: Frame, out: Path) -> Path:
    """Quarter hours from 5:00 to 8:00 in one row."""
    cells = [codes(_narrow(frame(t), STRIP_WIDTH)) for t in STRIP]
    return write_png(
        out / "slider.png", figure.sheet(cells, [clock(t) for t in STRIP], columns=len(cells))
    )


def codes(image: Tensor) -> Codes:
    """3 H W in [0, 1] as H W 3 of 8 bits."""
    pixels: Codes = (image.permute(1, 2, 0).cpu().numpy() * 255 + 0.5).astype(np.uint8)
    return pixels


def _narrow(image: Tensor, width: int) -> Tensor:
    """Shrunk by a whole factor, by area mean, to at most this width."""
    factor = -(-image.shape[2] // width)
    return F.avg_pool2d(image[None], factor)[0] if factor > 1 else image


def _gif(frames: Sequence[Codes], path: Path) -> Path:
    """A GIF that repeats. It counts in hundredths of a second, so 12 a second are 8, 8 and 9."""
    pictures = [Image.fromarray(frame).quantize(dither=Image.Dither.NONE) for frame in frames]
    times = [10 * (100 * (i + 1) // PER_SECOND - 100 * i // PER_SECOND) for i in range(len(frames))]
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=times, loop=0)
    return path


def _mp4(frames: Sequence[Codes], path: Path) -> Path:
    """H.264 at the frames' own size, an odd last row or column left out."""
    import imageio_ffmpeg

    height, width = (2 * (n // 2) for n in frames[0].shape[:2])
    writer = imageio_ffmpeg.write_frames(
        str(path), (width, height), fps=PER_SECOND, macro_block_size=2, quality=8
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame[:height, :width]))
    writer.close()
    return path
