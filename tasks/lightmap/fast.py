"""Faster forms of the same network on a CPU: the layers behind the tables in 16 or 8 bits.

All of them start from `Renderer`'s tables, so no form computes a sine or the wide first layer per
pixel, and a day of many hours builds them once.

    rows      float32, torch: blocks of rows that stay in a core's own cache, in place
    bf16      the same with activations and weights of 16 bits (AVX-512 bf16 or AMX make it fast)
    onnx      float32 by onnxruntime, whose small products are faster than torch's
    onnx8     onnxruntime with weights of 8 bits and activations quantised on the fly
"""

from __future__ import annotations

import tempfile
import typing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.errors import AssayError
from tasks.lightmap.model import Lightmap
from tasks.lightmap.render import CPU_CHUNK, Renderer

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

FORMS = ("rows", "bf16", "onnx", "onnx8")


class HalfRenderer(Renderer):
    """Layers 2 and on in bfloat16; the tables are added in float32, their sum is rounded.

    Where torch has oneDNN, product, bias and ReLU are one call.
    """

    chunk = 8 * CPU_CHUNK  # calls cost as much as the cache they would save
    kind = torch.bfloat16

    def __init__(self, model: Lightmap, image: Tensor) -> None:
        super().__init__(model, image)
        self.half = [
            (layer.weight.detach().bfloat16(), layer.bias.detach().bfloat16())
            for layer in self.layers[1:]
        ]
        self.fused = torch.backends.mkldnn.is_available() and not image.is_cuda

    def _rest(self, z: Tensor, buffers: list[Tensor]) -> Tensor:
        x = z.relu_()
        for i, (weight, bias) in enumerate(self.half[:-1], start=1):
            if self.fused:
                x = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "relu", [], "")
            else:
                x = torch.addmm(bias, x, weight.T, out=buffers[i % 2][: len(z)]).relu_()
        weight, bias = self.half[-1]
        return torch.addmm(bias, x, weight.T)


class OnnxRenderer(Renderer):
    """Layers 2 and on by onnxruntime, in float32 or with 8-bit weights."""

    def __init__(self, model: Lightmap, image: Tensor, bits: int = 32) -> None:
        super().__init__(model, image)
        self.session = _session([(m.weight, m.bias) for m in self.layers[1:]], bits)

    def _rest(self, z: Tensor, buffers: list[Tensor]) -> Tensor:
        (made,) = self.session.run(None, {"z": z.numpy()})
        return torch.from_numpy(made)


def form(name: str, model: Lightmap, image: Tensor) -> Renderer:
    """The renderer of one of FORMS; the network must be one whose first layer is tabulated."""
    if not model.tabulated:
        raise AssayError("only a plain ReLU network has fast forms", "Leave film, hash_grid, sines")
    if name == "rows":
        return Renderer(model, image)
    return (
        HalfRenderer(model, image)
        if name == "bf16"
        else OnnxRenderer(model, image, 8 if name == "onnx8" else 32)
    )


def _session(layers: list[tuple[Tensor, Tensor]], bits: int) -> Any:
    """An onnxruntime session of relu, product, bias, again and again."""
    try:
        import onnxruntime
        from onnxruntime.quantization import (
            QuantType,
            quantize_dynamic,
        )
    except ImportError as error:
        raise AssayError(
            "this form needs onnx and onnxruntime", "pip install onnx onnxruntime, or use bf16"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder, "net.onnx"), Path(folder, "small.onnx")
        path.write_bytes(graph(layers))
        if bits == 8:
            quantize_dynamic(path, small, weight_type=QuantType.QInt8, per_channel=True)
            path = small
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )


def graph(layers: list[tuple[Tensor, Tensor]]) -> bytes:
    """An ONNX file: z (N hidden, before its ReLU) to out (N 3)."""
    from onnx import TensorProto, checker, helper, numpy_helper

    def kept(name: str, tensor: Tensor) -> Any:
        value: NDArray[np.float32] = tensor.detach().cpu().float().contiguous().numpy()
        return numpy_helper.from_array(np.ascontiguousarray(value), name)

    nodes, weights, x = [], [], "z"
    for i, (weight, bias) in enumerate(layers):
        weights += [kept(f"w{i}", weight.T), kept(f"b{i}", bias)]
        last = "out" if i == len(layers) - 1 else f"x{i}"
        nodes += [
            helper.make_node("Relu", [x], [f"r{i}"]),
            helper.make_node("MatMul", [f"r{i}", f"w{i}"], [f"p{i}"]),
            helper.make_node("Add", [f"p{i}", f"b{i}"], [last]),
        ]
        x = last
    hidden = layers[0][0].shape[1]
    whole = helper.make_graph(
        nodes,
        "lightmap",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", hidden])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 3])],
        weights,
    )
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
