from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from core.contract import Absent
from tasks.lightmap import sizes, work
from tasks.lightmap.data import read
from tasks.lightmap.model import build
from tasks.lightmap.quantise import packed, quantised, unpacked
from tests.lightmap.conftest import MakeRun, config


def test_formats_round_as_numpy_does() -> None:
    torch.manual_seed(0)
    weights = {"w": torch.randn(7, 5), "b": torch.randn(7)}
    assert torch.equal(unpacked(packed(weights, "none"))["w"], weights["w"])
    half = weights["w"].numpy().astype(np.float16).astype(np.float32)
    assert np.array_equal(unpacked(packed(weights, "fp16"))["w"].numpy(), half)
    bits = weights["w"].numpy().view(np.uint32).astype(np.uint64)
    brain = (((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) << 16).astype(np.uint32)  # to even
    assert np.array_equal(unpacked(packed(weights, "bf16"))["w"].numpy(), brain.view(np.float32))


def test_int8_is_within_half_a_step_of_every_row() -> None:
    torch.manual_seed(0)
    weights = {"w": torch.randn(6, 40) * torch.logspace(-3, 3, 6)[:, None], "b": torch.randn(6)}
    got = unpacked(packed(weights, "int8"))
    step = weights["w"].abs().amax(1, keepdim=True) / 127
    assert ((got["w"] - weights["w"]).abs() <= step * 0.5001).all()
    assert torch.allclose(got["b"], weights["b"], rtol=1e-3)


def test_fewer_bits_make_smaller_files() -> None:
    model = build(config(hidden=64, layers=6))
    n = sum(p.numel() for p in model.parameters())
    size = {f: len(packed(model.state_dict(), f)) for f in ("none", "fp16", "bf16", "int8")}
    assert size["int8"] < size["bf16"] <= size["fp16"] < size["none"] < 4 * n + 4000
    assert size["int8"] < 1.2 * n + 5000


@pytest.mark.parametrize("form", ["fp16", "bf16", "int8"])
def test_a_run_measures_the_stored_weights_and_loses_little(form: str, make_run: MakeRun) -> None:
    cfg, small = config(), config(quantize=form)
    run = make_run(cfg)
    data = work.data(cfg, run)
    work.train(cfg, data, run)
    full = work.evaluate(cfg, work.load(cfg, run.judged(), "cpu"), data, run)
    model = work.load(small, run.judged(), "cpu")
    again = quantised(work.load(cfg, run.judged(), "cpu"), form).state_dict()
    assert all(torch.equal(v, again[k]) for k, v in model.state_dict().items())
    less = work.evaluate(small, model, data, run)
    for name in ("psnr", "model_bytes"):
        assert not isinstance(full[name], Absent)
    assert abs(full["psnr"] - less["psnr"]) <= 0.1  # type: ignore[operator]
    assert less["model_bytes"] < full["model_bytes"]  # type: ignore[operator]


def test_bytes_count_the_images_that_a_viewer_needs() -> None:
    net, blend = config(), config(blend="linear")
    day = read(net)
    noon, stored = (
        sizes.pixels(day, 12),
        sizes.image_bytes(sizes.pixels(day, 12), "WEBP", lossless=True, method=4),
    )
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(stored)).convert("RGB")), noon)
    model = build(net)
    alone = sizes.network_bytes(net, model)
    assert sizes.model_bytes(net, model, day) == alone + len(stored)
    assert sizes.model_bytes(config(residual_mode=False), model, day) == alone
    every = sum(sizes.lossless(sizes.pixels(day, h)) for h in range(24))
    assert sizes.model_bytes(blend, model, day) == every
