from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from core.kit.io import read_rgb
from tasks.lightmap import animation


def grey(t: float) -> Tensor:
    """A frame that tells its time: 12:00 is 128."""
    return torch.full((3, 20, 30), t / 24)


def test_the_film_of_a_day_has_48_half_hours_in_4_seconds(tmp_path: Path) -> None:
    made = animation.day(grey, tmp_path)
    with Image.open(made[0]) as film:
        shown, lasted = [], 0
        for i in range(film.n_frames):
            film.seek(i)
            shown.append(int(np.asarray(film.convert("RGB"))[0, 0, 0]))
            lasted += film.info["duration"]
    assert shown == [int(i * 255 / 48 + 0.5) for i in range(48)]
    assert lasted == 4000
    assert ("mp4" in made[-1].suffix) == bool(importlib.util.find_spec("imageio_ffmpeg"))


@pytest.mark.parametrize(("width", "shown"), [(300, 300), (480, 240), (1280, 320)])
def test_wide_films_are_shrunk_by_whole_factors(width: int, shown: int, tmp_path: Path) -> None:
    (film, *_) = animation.day(lambda _: torch.rand(3, 8, width), tmp_path)
    with Image.open(film) as picture:
        assert picture.width == shown


def test_the_strip_holds_thirteen_quarter_hours(tmp_path: Path) -> None:
    strip = read_rgb(animation.slider(grey, tmp_path))
    middle = strip[strip.shape[0] // 2 + 5]
    seen = [int(v) for v in dict.fromkeys(middle[:, 0].tolist()) if v != 255]
    assert seen == [round((5 + i / 4) / 24 * 255) for i in range(13)]
