from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from core.errors import AssayError
from tasks.lightmap.fast import FORMS, form, graph
from tasks.lightmap.lerp import mixed
from tasks.lightmap.model import build, grid
from tests.lightmap.conftest import config

CODE = 1 / 255
NEAR = {"rows": 1e-5, "bf16": 1.5 * CODE, "onnx": 1e-5, "onnx8": 1.5 * CODE}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("encoder", [False, True])
def test_every_form_is_the_network_s_own_forward_pass(name: str, encoder: bool) -> None:
    torch.manual_seed(0)
    model = build(config(hidden=64, layers=6, use_baseline_encoder=encoder)).eval()
    image = torch.rand(3, 37, 53)
    draw = form(name, model, image)
    with torch.no_grad():
        for t in (0.0, 18.25):
            want = model(grid(37, 53), torch.full((37 * 53,), t), image)
            got = draw(t).permute(1, 2, 0).reshape(-1, 3)
            assert (got - want).abs().max() <= NEAR[name]


def test_a_network_without_tables_has_no_fast_form() -> None:
    with pytest.raises(AssayError, match="fast forms"):
        form("bf16", build(config(film=True)), torch.rand(3, 16, 16))


def test_the_graph_is_numpy_s_products() -> None:
    torch.manual_seed(1)
    layers = [(torch.randn(7, 5), torch.randn(7)), (torch.randn(3, 7), torch.randn(3))]
    z = np.random.default_rng(0).normal(size=(11, 5)).astype(np.float32)
    want = z
    for weight, bias in layers:
        want = np.maximum(want, 0) @ weight.numpy().T + bias.numpy()
    session = onnxruntime.InferenceSession(graph(layers), providers=["CPUExecutionProvider"])
    assert np.allclose(session.run(None, {"z": z})[0], want, atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_mixing_bytes_is_exact_to_rounding(share: float) -> None:
    random = np.random.default_rng(0)
    a, b = random.integers(0, 256, (2, 3, 401, 307), dtype=np.uint8)
    got = mixed(torch.from_numpy(a), torch.from_numpy(b), share).numpy()
    want = (1 - share) * a.astype(float) + share * b
    assert np.abs(got - want).max() <= 0.5
