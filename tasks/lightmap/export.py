"""A plain network as files for other programs, and how long it takes to paint a frame.

network.npz: the weights as `quantize` stores them. network.onnx: (xy, t) to colour change, N points
a call, xy in [-1, 1] at pixel centres, t in hours. network.glsl: `vec3 lightmap(vec2 xy, float t)`,
GLSL ES 3.00, weights as constants. All give the change that is added to the baseline image.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from core.contract import Run
from core.errors import AssayError
from core.kit import timing
from tasks.lightmap import checkpoints, fast
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.config import size as sized
from tasks.lightmap.data import read
from tasks.lightmap.mlp import DAY_H
from tasks.lightmap.model import Lightmap
from tasks.lightmap.quantise import packed
from tasks.lightmap.render import renderer

Layers = list[tuple[Tensor, Tensor]]


def export(cfg: LightmapConfig, run: Run, *, ckpt: str, output_dir: str = "") -> list[Path]:
    """Write network.npz, and of a plain ReLU network network.onnx and network.glsl too."""
    own = checkpoints.own(cfg, Path(ckpt))
    model = checkpoints.load(own, Path(ckpt), "cpu")
    trained = model.mixer or (model if own.network else None)
    if trained is None:
        raise AssayError(f"{ckpt} is a blend: no network", "Its images are the model; see basis_k")
    out = Path(output_dir) if output_dir else run.dir / "export"
    out.mkdir(parents=True, exist_ok=True)
    files = {"network.npz": packed(trained.state_dict(), own.quantize)}
    if plain(own, model):
        files["network.onnx"] = onnx_file(own, model)
        files["network.glsl"] = glsl(own, model).encode()
    for name, content in files.items():
        (out / name).write_bytes(content)
    return [out / name for name in files]


def bench(
    cfg: LightmapConfig, run: Run, *, ckpt: str, size: str = "1920x1080", form: str = "auto"
) -> dict[str, Any]:
    """Wall milliseconds of one frame of network output, median and p95 of 20, on this device.

    `form` is one of fast.FORMS, or auto: as every other command paints.
    """
    own = checkpoints.own(cfg, Path(ckpt))
    model = checkpoints.load(own, Path(ckpt), run.device)
    if not own.network:
        raise AssayError(f"{ckpt} is a blend: no network to time", "Give another checkpoint")
    if form not in ("auto", *fast.FORMS):
        raise AssayError(f"no form '{form}'", f"Known: auto, {', '.join(fast.FORMS)}")
    width, height = sized(size)
    small = read(own).at(own.baseline_time)[None].to(run.device)
    image = F.interpolate(small, (height, width), mode="bicubic")[0]
    draw = renderer(model, image) if form == "auto" else fast.form(form, model, image)
    with run.quiet():
        took = timing.measure(lambda: draw(18.25), run.device, warm_up=3, repeats=20)
    return {"size": size, "form": form, "device": run.device, **took._asdict()}


def plain(cfg: LightmapConfig, model: Lightmap) -> bool:
    """Whether place and time alone, and a ReLU network, make the colour."""
    return cfg.network and model.tabulated and model.encoder is None


def _layers(model: Lightmap) -> Layers:
    return [(m.weight, m.bias) for m in model.mlp.net if isinstance(m, nn.Linear)]


def _frequencies(cfg: LightmapConfig) -> tuple[list[float], list[float]]:
    """Angular frequencies of place (of x as of y) and of time, per unit and per hour."""
    place = [math.pi * 2.0**k for k in range(cfg.xy_harmonics)]
    return place, [2 * math.pi * k / DAY_H for k in range(1, cfg.time_harmonics + 1)]


def onnx_file(cfg: LightmapConfig, model: Lightmap) -> bytes:
    """The network with its encodings as an ONNX file, operator set 17."""
    try:
        from onnx import TensorProto, checker, helper, numpy_helper
    except ImportError as error:
        raise AssayError("network.onnx needs onnx", "pip install onnx") from error

    place, time = _frequencies(cfg)
    waves = np.zeros((2, 2 * len(place)), np.float32)
    waves[0, 0::2] = waves[1, 1::2] = place
    kept = [
        numpy_helper.from_array(waves, "waves"),
        numpy_helper.from_array(np.array([time], np.float32), "clock"),
    ]
    node = helper.make_node
    nodes = [
        node("MatMul", ["xy", "waves"], ["place"]),
        node("MatMul", ["t", "clock"], ["time"]),
        *(node(op, [of], [f"{of}{op}"]) for of in ("place", "time") for op in ("Sin", "Cos")),
    ]
    parts = ["xy"] if cfg.xy_include_input else []
    nodes.append(
        node("Concat", [*parts, "placeSin", "placeCos", "timeSin", "timeCos"], ["x0"], axis=1)
    )
    layers = _layers(model)
    for i, (weight, bias) in enumerate(layers):
        kept += [
            numpy_helper.from_array(weight.detach().numpy(), f"w{i}"),
            numpy_helper.from_array(bias.detach().numpy(), f"b{i}"),
        ]
        last = i == len(layers) - 1
        nodes.append(
            node("Gemm", [f"x{i}", f"w{i}", f"b{i}"], ["change" if last else f"y{i}"], transB=1)
        )
        nodes += [] if last else [node("Relu", [f"y{i}"], [f"x{i + 1}"])]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "lightmap",
        [info("xy", TensorProto.FLOAT, ["n", 2]), info("t", TensorProto.FLOAT, ["n", 1])],
        [info("change", TensorProto.FLOAT, ["n", 3])],
        kept,
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(whole)
    data: bytes = whole.SerializeToString()
    return data


def glsl(cfg: LightmapConfig, model: Lightmap) -> str:
    """The network as a GLSL ES 3.00 function; every number in full float32 precision."""
    place, time = _frequencies(cfg)
    layers = _layers(model)
    widest = max(max(weight.shape) for weight, _ in layers)
    lines = [
        "// vec3 lightmap(vec2 xy, float t): change of colour at xy in [-1, 1], y down, hour t"
    ]
    lines += [_array(f"w{i}", weight) for i, (weight, _) in enumerate(layers)]
    lines += [_array(f"b{i}", bias) for i, (_, bias) in enumerate(layers)]
    lines += [
        "vec3 lightmap(vec2 xy, float t) {",
        f"  float a[{widest}], z[{widest}];",
        "  int n = 0;",
    ]
    if cfg.xy_include_input:
        lines.append("  a[n++] = xy.x; a[n++] = xy.y;")
    for wave in ("sin", "cos"):
        lines += [f"  a[n++] = {wave}({f:.9g} * xy.{c});" for f in place for c in "xy"]
    for wave in ("sin", "cos"):
        lines += [f"  a[n++] = {wave}({f:.9g} * t);" for f in time]
    for i, (weight, _) in enumerate(layers):
        rows, columns = weight.shape
        bend = "max(s, 0.0)" if i < len(layers) - 1 else "s"
        lines += [
            f"  for (int r = 0; r < {rows}; r++) {{",
            f"    float s = b{i}[r];",
            f"    for (int c = 0; c < {columns}; c++) s += w{i}[r * {columns} + c] * a[c];",
            f"    z[r] = {bend};",
            "  }",
            f"  for (int r = 0; r < {rows}; r++) a[r] = z[r];",
        ]
    return "\n".join([*lines, "  return vec3(a[0], a[1], a[2]);", "}", ""])


def _array(name: str, values: Tensor) -> str:
    flat = values.detach().flatten().tolist()
    numbers = ", ".join(f"{v:.9e}" for v in flat)
    return f"const float {name}[{len(flat)}] = float[]({numbers});"
