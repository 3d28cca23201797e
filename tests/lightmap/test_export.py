from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from core.errors import AssayError
from tasks.lightmap import export, work
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.model import build
from tasks.lightmap.quantise import unpacked
from tests.lightmap.conftest import MakeRun, config


def points(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    xy, t = random.uniform(-1, 1, (n, 2)), random.uniform(0, 24, (n, 1))
    return xy.astype(np.float32), t.astype(np.float32)


@pytest.mark.parametrize("included", [True, False])
def test_onnx_and_glsl_give_what_the_network_gives(included: bool) -> None:
    torch.manual_seed(0)
    cfg = config(hidden=24, layers=3, xy_include_input=included)
    model = build(cfg).eval()
    xy, t = points()
    with torch.no_grad():
        want = model(torch.from_numpy(xy), torch.from_numpy(t[:, 0]), torch.zeros(3, 8, 8)).numpy()
    session = onnxruntime.InferenceSession(
        export.onnx_file(cfg, model), providers=["CPUExecutionProvider"]
    )
    assert np.allclose(session.run(None, {"xy": xy, "t": t})[0], want, atol=1e-5)
    shader = Shader(export.glsl(cfg, model))
    got = [
        shader(float(x), float(y), float(hour)) for (x, y), hour in zip(xy, t[:, 0], strict=True)
    ]
    assert np.allclose(got, want, atol=1e-5)


class Shader:
    """Runs the exported text by its own lines: inputs by their formulas, layers by their loops."""

    def __init__(self, text: str) -> None:
        assert text.count("{") == text.count("}")
        assert text.count("(") == text.count(")")
        arrays = re.findall(r"const float (\w+)\[(\d+)\] = float\[\]\((.*)\);", text)
        self.arrays = {name: np.array(values.split(","), float) for name, _, values in arrays}
        assert all(len(self.arrays[name]) == int(n) for name, n, _ in arrays)
        self.inputs = re.findall(r"a\[n\+\+\] = ([^;]+);", text)
        self.layers = re.findall(r"s \+= (\w+)\[r \* (\d+) \+ c\].*\n\s+z\[r\] = (.*);", text)

    def __call__(self, x: float, y: float, t: float) -> np.ndarray:
        names = {"sin": math.sin, "cos": math.cos, "x": x, "y": y, "t": t}
        a = np.array([eval(e.replace("xy.", ""), {}, names) for e in self.inputs])
        for name, columns, bend in self.layers:
            weight = self.arrays[name].reshape(-1, int(columns))
            a = weight @ a + self.arrays[name.replace("w", "b")]
            a = np.maximum(a, 0) if "max" in bend else a
        return a


def test_the_tool_writes_all_three_and_the_npz_holds_the_weights(
    make_run: MakeRun, tmp_path: Path
) -> None:
    cfg = config()
    run = make_run(cfg)
    model = work.train(cfg, work.data(cfg, run), run)
    made = export.export(cfg, run, ckpt=str(run.judged()), output_dir=str(tmp_path))
    assert [p.name for p in made] == ["network.npz", "network.onnx", "network.glsl"]
    stored = unpacked(made[0].read_bytes())
    best = work.load(cfg, run.judged(), "cpu").state_dict()
    assert all(torch.equal(best[k], v) for k, v in stored.items())
    assert stored.keys() == model.state_dict().keys()
    told = export.bench(cfg, run, ckpt=str(run.judged()), size="64x32", form="bf16")
    assert 0 < told["median_ms"] <= told["p95_ms"]


def test_a_network_with_other_inputs_has_its_weights_alone(make_run: MakeRun) -> None:
    cfg = config(use_baseline_encoder=True)
    run = make_run(cfg)
    work.train(cfg, work.data(cfg, run), run)
    made = export.export(cfg, run, ckpt=str(run.judged()))
    assert [p.name for p in made] == ["network.npz"]


def test_a_blend_has_no_network_to_write_or_time(make_run: MakeRun) -> None:
    cfg = config(blend="linear")
    run = make_run(cfg)
    work.train(cfg, work.data(cfg, run), run)
    for tool in (export.export, export.bench):
        with pytest.raises(AssayError, match="is a blend: no network"):
            tool(cfg, run, ckpt=str(run.judged()))


def test_weights_are_written_in_the_checkpoint_s_own_form(make_run: MakeRun) -> None:
    cfg = config(quantize="int8")
    run = make_run(cfg)
    work.train(cfg, work.data(cfg, run), run)
    own, full = (
        export.export(LightmapConfig.model_validate(given), run, ckpt=str(run.judged()))[
            0
        ].read_bytes()
        for given in ({}, {"quantize": "none"})
    )
    assert len(own) < len(full)
    with pytest.raises(AssayError, match="size '1080p' is not WxH"):
        export.bench(cfg, run, ckpt=str(run.judged()), size="1080p")
