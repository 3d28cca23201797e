from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.circuitnet import rudy

SHAPE = (13, 9)


def random_nets(seed: int, count: int) -> rudy.Nets:
    rng = np.random.default_rng(seed)
    degree = rng.integers(1, 6, count)
    pins = rng.uniform(0, SHAPE, (degree.sum(), 2))
    pins[::7] = np.round(pins[::7])  # some on gcell edges, some on the far edge of the die
    return rudy.Nets(pins, np.concatenate([[0], degree.cumsum()]))


def brute_force(box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Every net over every gcell."""
    out = np.zeros(shape)
    for x0, y0, x1, y1 in box:
        for i, j in itertools.product(range(shape[0]), range(shape[1])):
            wide = max(0.0, min(x1, i + 1) - max(x0, i))
            high = max(0.0, min(y1, j + 1) - max(y0, j))
            out[i, j] += (1 / (x1 - x0) + 1 / (y1 - y0)) * wide * high
    return out


@pytest.mark.parametrize("seed", range(4))
def test_rudy_is_the_sum_over_all_overlaps(seed: int) -> None:
    box = rudy.boxes(random_nets(seed, 40), SHAPE)
    np.testing.assert_allclose(rudy.rudy(box, SHAPE), brute_force(box, SHAPE), rtol=0, atol=1e-10)


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_the_map_holds_the_half_perimeter_of_every_box(seed: int, count: int) -> None:
    box = rudy.boxes(random_nets(seed, count), SHAPE)
    half_perimeter = (box[:, 2:] - box[:, :2]).sum()
    assert rudy.rudy(box, SHAPE).sum() == pytest.approx(half_perimeter, rel=1e-9)


def test_boxes_are_never_thin_and_stay_on_the_die() -> None:
    pins = np.array([[0.0, 0.0], [13.0, 9.0], [5.0, 5.0], [5.1, 5.0]])
    box = rudy.boxes(rudy.Nets(pins, np.array([0, 1, 2, 4])), SHAPE)
    assert (box[:, 2:] - box[:, :2]).min() >= rudy.THIN - 1e-12
    assert box.min() >= 0
    assert (box[:, 2:] <= SHAPE).all()
    np.testing.assert_allclose(box[0], [0, 0, 0.25, 0.25])
    np.testing.assert_allclose(box[1], [12.75, 8.75, 13, 9])


def test_pins_carry_the_density_of_their_net() -> None:
    nets = random_nets(2, 25)
    each = rudy.density(rudy.boxes(nets, SHAPE))
    wanted = np.zeros(SHAPE)
    for i, weight in enumerate(each):
        for x, y in nets.pins[nets.start[i] : nets.start[i + 1]]:
            wanted[min(int(x), SHAPE[0] - 1), min(int(y), SHAPE[1] - 1)] += weight
    np.testing.assert_allclose(rudy.rudy_pin(nets, each, SHAPE), wanted, atol=1e-12)


def test_short_and_long_nets_add_up() -> None:
    nets = random_nets(3, 60)
    box = rudy.boxes(nets, SHAPE)
    short = rudy.local(box)
    assert 0 < short.sum() < len(short)
    whole = rudy.rudy(box[short], SHAPE) + rudy.rudy(box[~short], SHAPE)
    np.testing.assert_allclose(whole, rudy.rudy(box, SHAPE), atol=1e-10)
    kept = rudy.select(nets, ~short)
    np.testing.assert_allclose(rudy.boxes(kept, SHAPE), box[~short])
