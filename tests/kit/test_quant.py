"""Fake quantisers against ml_dtypes, brute force and finite differences."""

import itertools

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import AssayError
from core.kit import quant
from core.kit.observe import Observer
from core.kit.quant import BITS, SMALL

PEERS = {
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "e2m1": ml_dtypes.float4_e2m1fn,
}
FORMATS = sorted(BITS)
FP4 = sorted({s * m for s, m in itertools.product((-1, 1), (0, 0.5, 1, 1.5, 2, 3, 4, 6))})
floats = hnp.arrays(
    np.float32, st.integers(1, 40), elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False)
)


@pytest.mark.parametrize("fmt", SMALL)
def test_casts_agree_with_ml_dtypes_on_random_values(fmt: str) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, s, 25_000) for s in (1e-4, 0.1, 1, 100)]).astype(np.float32)
    x = np.clip(x, -SMALL[fmt].largest, SMALL[fmt].largest)  # the peer makes NaN of larger ones
    want = x.astype(PEERS[fmt]).astype(np.float32)
    np.testing.assert_array_equal(quant.cast(torch.from_numpy(x), fmt).numpy(), want)


@pytest.mark.parametrize("fmt", SMALL)
def test_every_code_point_and_every_tie_is_cast_as_ml_dtypes_does(fmt: str) -> None:
    codes = np.arange(2 ** BITS[fmt], dtype=np.uint8).view(PEERS[fmt]).astype(np.float32)
    codes = np.unique(codes[np.isfinite(codes)])
    x = np.concatenate([codes, (codes[1:] + codes[:-1]) / 2])
    want = x.astype(PEERS[fmt]).astype(np.float32)
    np.testing.assert_array_equal(quant.cast(torch.from_numpy(x), fmt).numpy(), want)


def test_what_is_too_large_becomes_the_largest_value() -> None:
    x = torch.tensor([1e9, -1e9, torch.inf])
    assert quant.cast(x, "e4m3").tolist() == [448, -448, 448]
    assert quant.cast(x[:2], "int4").tolist() == [7, -8]


@pytest.mark.parametrize("seed", range(3))
def test_scaled_fp4_is_the_nearest_of_fifteen_values(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(4, 31))
    got = quant.fake_weight(torch.from_numpy(x), "e2m1").numpy()
    for row, found in zip(x, got, strict=True):
        scale = np.abs(row).max() / 6
        want = [min(FP4, key=lambda c, v=v: (abs(v / scale - c), abs(c))) * scale for v in row]
        np.testing.assert_allclose(found, want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("fmt", FORMATS)
@given(x=floats)
def test_fake_is_idempotent_odd_and_monotone(fmt: str, x: np.ndarray) -> None:
    given_ = torch.from_numpy(np.sort(x)).double()
    amax = given_.abs().amax()
    once = quant.fake(given_, fmt, amax)
    torch.testing.assert_close(quant.fake(once, fmt, amax), once, rtol=1e-12, atol=0)
    torch.testing.assert_close(quant.fake(-given_, fmt, amax), -once, rtol=1e-12, atol=0)
    assert (once.diff() >= 0).all()


@given(x=floats, bits=st.sampled_from(["int8", "int4"]))
def test_integers_err_by_half_a_step_at_most(x: np.ndarray, bits: str) -> None:
    given_ = torch.from_numpy(x).double()
    amax = given_.abs().amax()
    step = float(amax) / quant.largest(bits)
    assert (quant.fake(given_, bits, amax) - given_).abs().max() <= step / 2 * (1 + 1e-9)


@given(x=floats, bits=st.sampled_from(["int8", "int4"]))
def test_a_range_with_zero_point_errs_by_one_step_and_keeps_zero(x: np.ndarray, bits: str) -> None:
    given_ = torch.from_numpy(x).double()
    low, high = given_.min(), given_.max()
    out = quant.fake_range(given_, bits, low, high)
    step = float(high.clamp(min=0) - low.clamp(max=0)) / (2 ** BITS[bits] - 1)
    assert (out - given_).abs().max() <= step * (1 + 1e-9)
    assert quant.fake_range(torch.zeros(1).double(), bits, low, high).item() == 0
    assert len(out.unique()) <= 2 ** BITS[bits]


def test_a_range_agrees_with_torch() -> None:
    x = torch.randn(500, generator=torch.Generator().manual_seed(0))
    low, high = torch.tensor(-0.7), torch.tensor(1.9)
    scale = (high - low) / 255
    zero = int((-low / scale).round())
    want = torch.fake_quantize_per_tensor_affine(x, float(scale), zero, 0, 255)
    torch.testing.assert_close(quant.fake_range(x, "int8", low, high), want)


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (5, 7), (3, 1, 4, 4)])
@pytest.mark.parametrize("dim", [0, 1])
def test_each_channel_and_group_is_quantised_alone(shape: tuple[int, ...], dim: int) -> None:
    w = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    by_channel = quant.fake_weight(w, "int4", dim=dim)
    by_group = quant.fake_weight(w, "e2m1", "group", dim=dim, group=8)
    for i in range(shape[dim]):
        one = w.select(dim, i)
        whole = quant.fake(one, "int4", one.abs().amax())
        assert torch.equal(by_channel.select(dim, i), whole)
        flat, found = one.flatten(), by_group.select(dim, i).flatten()
        for start in range(0, len(flat), 8):
            part = flat[start : start + 8]
            alone = quant.fake(part, "e2m1", part.abs().amax())
            torch.testing.assert_close(found[start : start + 8], alone)


def test_power_of_two_scales_cut_nothing_off() -> None:
    w = torch.randn(4, 64, generator=torch.Generator().manual_seed(2))
    out = quant.fake_weight(w, "e2m1", "group", group=32, scales="power of two")
    for row, found in zip(w.view(8, 32), out.view(8, 32), strict=True):
        scale = 2.0 ** np.ceil(np.log2(row.abs().max().item() / 6))
        want = row.numpy() / scale
        want = want.astype(PEERS["e2m1"]).astype(np.float32) * scale
        np.testing.assert_allclose(found.numpy(), want, rtol=1e-6)


def test_the_gradient_goes_straight_through_where_values_are_in_range() -> None:
    x = torch.tensor([-3.0, -0.4, 0.3, 5.0], requires_grad=True)
    out = quant.straight_through(x, torch.round, x.abs() < 1)
    (out * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert out.tolist() == [-3, 0, 0, 5]
    assert x.grad is not None
    assert x.grad.tolist() == [0, 2, 3, 0]


def test_a_learned_scale_has_the_papers_gradient() -> None:
    x = torch.tensor([0.26, -0.9, 5.0, -9.0])
    scale = torch.tensor([0.5], requires_grad=True)
    out = quant.learned(x, "int4", scale)
    assert out.tolist() == [0.5, -1.0, 3.5, -4.0]
    out.sum().backward()
    # Esser et al. 2020, eq. 3: round(x/s) - x/s inside, -Q_N or Q_P outside, times 1/sqrt(N Q_P)
    inside = (1 - 0.52) + (-2 + 1.8)
    assert scale.grad is not None
    assert scale.grad.item() == pytest.approx((inside + 7 - 8) / np.sqrt(4 * 7), rel=1e-5)


def watched(how: str, *parts: np.ndarray) -> Observer:
    seen = Observer(how)
    for part in parts:
        seen.see(torch.from_numpy(part.astype(np.float32)))
    return seen


def test_observers_find_the_ranges_that_numpy_finds() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(0.5, s, 40_000).astype(np.float32) for s in (1, 1.2, 0.8)]
    whole = np.concatenate(parts)
    assert watched("minmax", *parts).range("int8") == (whole.min(), whole.max())
    seen = watched("p99.9", *parts)
    width = 2 * seen.reach / 4096
    want = np.quantile(whole, [0.0005, 0.9995])
    np.testing.assert_allclose(seen.range("int8"), want, atol=3 * width)  # few values lie there
    moving = np.array([parts[0].min(), parts[0].max()])
    for part in parts[1:]:
        moving = 0.9 * moving + 0.1 * np.array([part.min(), part.max()])
    np.testing.assert_allclose(watched("average", *parts).range("int8"), moving, rtol=1e-6)


@pytest.mark.parametrize("fmt", ["int4", "e2m1"])
def test_the_mse_observer_beats_its_neighbours_and_the_whole_range(fmt: str) -> None:
    x = np.random.default_rng(1).standard_t(3, 30_000).astype(np.float32)
    seen = watched("mse", x)

    def error(low: float, high: float) -> float:
        out = quant.fake_range(torch.from_numpy(x), fmt, torch.tensor(low), torch.tensor(high))
        return float(np.square(out.numpy() - x).mean())

    cuts = [i / 64 * float(np.abs(x).max()) for i in range(4, 65)]
    least = min(error(max(seen.low, -c), min(seen.high, c)) for c in cuts)
    found = error(*seen.range(fmt))
    assert found <= 1.02 * least  # the histogram is a little coarse
    assert found < 0.7 * error(seen.low, seen.high)


def test_the_entropy_observer_cuts_a_long_tail_but_not_a_flat_one() -> None:
    rng = np.random.default_rng(2)
    flat = watched("kl", rng.uniform(0, 1, 50_000))
    tailed = watched("kl", np.append(rng.normal(0, 1, 50_000), 60))
    assert flat.range("int4")[1] > 0.9
    assert tailed.range("int4")[1] < 30


def test_nothing_seen_is_an_error() -> None:
    with pytest.raises(AssayError, match="no calibration data"):
        Observer().range("int8")
