from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from core.kit.encode import cyclic, harmonics


@pytest.mark.parametrize("include", [True, False])
def test_harmonics_are_input_then_sines_then_cosines_octave_by_octave(include: bool) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (7, 2))
    want = [[*row] if include else [] for row in x]
    for row, out in zip(x, want, strict=True):
        for wave in (math.sin, math.cos):
            for k in range(3):
                out += [wave(math.pi * 2**k * v) for v in row]
    got = harmonics(torch.from_numpy(x), 3, include)
    np.testing.assert_allclose(got.numpy(), want, atol=1e-12)


def test_a_column_of_harmonics_depends_on_its_own_coordinate_alone() -> None:
    a = harmonics(torch.tensor([[0.3, -0.7]]), 4, True)
    b = harmonics(torch.tensor([[0.3, 0.1]]), 4, True)
    assert torch.equal(a[:, 0::2], b[:, 0::2])
    assert (a[:, 1::2] != b[:, 1::2]).all()


def test_cyclic_codes_are_the_fourier_pairs_of_the_period() -> None:
    t = np.array([0.0, 5.5, 23.9])
    angle = 2 * math.pi * t[:, None] / 24 * np.arange(1, 5)
    want = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    np.testing.assert_allclose(cyclic(torch.from_numpy(t), 4, 24.0).numpy(), want, atol=1e-12)


def test_cyclic_codes_repeat_to_the_bit() -> None:
    t = torch.tensor([0.0, 0.5, 18.25])
    for turns in (-1, 1, 3):
        assert torch.equal(cyclic(t, 4, 24.0), cyclic(t + 24 * turns, 4, 24.0))
