"""sRGB code values and the linear light that they stand for (IEC 61966-2-1). Both in [0, 1]."""

from __future__ import annotations

from torch import Tensor


def to_linear(code: Tensor) -> Tensor:
    """Linear light of sRGB values."""
    return (code / 12.92).where(code <= 0.04045, ((code + 0.055) / 1.055) ** 2.4)


def to_srgb(light: Tensor) -> Tensor:
    """Code values of linear light, which must not be negative."""
    return (light * 12.92).where(light <= 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055)
