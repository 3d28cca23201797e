"""How many bytes it takes to paint the day: weights as stored, and the images they start from."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, trained_hours
from tasks.lightmap.model import Lightmap
from tasks.lightmap.quantise import packed

Frame = NDArray[np.uint8]  # H W 3


def image_bytes(frame: Frame, form: str, **settings: Any) -> bytes:
    """An image file of a frame, as Pillow writes it."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(frame).save(out, form, **settings)
    return out.getvalue()


def lossless(frame: Frame) -> int:
    """Bytes of a frame as lossless WebP: smaller than PNG, and as exact."""
    return len(image_bytes(frame, "WEBP", lossless=True, method=4))


def pixels(day: Day, hour: float) -> Frame:
    """A whole hour as H W 3."""
    frame: Frame = day.frames[day.hours.index(hour)].permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(frame)


def network_bytes(cfg: LightmapConfig, model: Lightmap) -> int:
    """The trained part alone: compressed weights in the config's format, and the basis file."""
    size = len(model.file)
    if model.mixer is not None:
        size += len(packed(model.mixer.state_dict(), cfg.quantize))
    elif cfg.network:
        size += len(packed(model.state_dict(), cfg.quantize))
    return size


def model_bytes(cfg: LightmapConfig, model: Lightmap, day: Day) -> float:
    """Everything that a viewer must have: the trained part, and images as lossless WebP."""
    hours: list[float] = []
    if cfg.blend != "none" and not cfg.basis_k:
        hours = list(trained_hours(cfg, day))
    elif cfg.given_hour is not None:
        hours = [cfg.baseline_time]
    return float(network_bytes(cfg, model) + sum(lossless(pixels(day, h)) for h in hours))
