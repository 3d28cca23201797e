from __future__ import annotations

import numpy as np
import torch
from skimage.color import rgb2xyz, xyz2rgb

from tasks.lightmap.blend import Base
from tasks.lightmap.colour import to_linear, to_srgb
from tasks.lightmap.data import read
from tests.lightmap.conftest import config


def test_linear_light_is_that_of_skimage_and_back() -> None:
    codes = torch.linspace(0, 1, 256)
    grey = codes.numpy().astype(float)[None, :, None].repeat(3, 2)
    luminance = rgb2xyz(grey)[0, :, 1]  # Y of a grey is its linear light
    np.testing.assert_allclose(to_linear(codes).numpy(), luminance, atol=1e-5)
    torch.testing.assert_close(to_srgb(to_linear(codes)), codes, rtol=0, atol=2e-6)
    back = xyz2rgb(rgb2xyz(grey))[0, :, 0]
    np.testing.assert_allclose(to_srgb(to_linear(codes)).numpy(), back, atol=1e-5)


def test_a_blend_in_linear_light_is_the_mean_of_the_light() -> None:
    cfg = config(blend="linear", color_space="linear")
    day, base = read(cfg), Base(cfg, read(cfg))
    light = (to_linear(day.at(7)) + to_linear(day.at(8))) / 2
    torch.testing.assert_close(base.shown(base.image(7.5)), to_srgb(light), rtol=0, atol=1e-6)
    torch.testing.assert_close(base.shown(base.image(7.0)), day.at(7), rtol=0, atol=2e-6)
