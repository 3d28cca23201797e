"""Weights in fewer bits: what is stored is what is measured.

`packed` writes a network's weights as a compressed npz in the config's format, `unpacked` reads
them back as float32, and a run with `quantize` evaluates exactly what was read back. fp16 and bf16
round every weight; int8 scales every row of a matrix (every output channel, every level of a table)
by its largest magnitude / 127 and leaves vectors (biases, scales) in fp16.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tasks.lightmap.model import Lightmap

SCALE = "scale of "


def packed(weights: Mapping[str, Tensor], form: str) -> bytes:
    """Weights as the bytes of an npz; `form` is none (float32), fp16, bf16 or int8."""
    out = io.BytesIO()
    arrays: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        value = tensor.detach().cpu()
        if form == "bf16":
            value = value.bfloat16().view(torch.int16)
        elif form == "int8" and value.dim() > 1:
            peak = value.flatten(1).abs().amax(1).clamp_min(1e-12)
            scale = (peak / 127).to(torch.float32)
            arrays[SCALE + name] = scale
            rows = scale.view(-1, *[1] * (value.dim() - 1))
            value = (value / rows).round().clamp(-127, 127).to(torch.int8)
        elif form != "none":
            value = value.half()
        arrays[name] = value
    np.savez_compressed(out, allow_pickle=False, **{k: v.numpy() for k, v in arrays.items()})
    return out.getvalue()


def unpacked(data: bytes) -> dict[str, Tensor]:
    """What `packed` wrote, as float32."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    out = {}
    for name, value in arrays.items():
        if name.startswith(SCALE):
            continue
        if value.dtype == torch.int16:
            value = value.view(torch.bfloat16)
        scale = arrays.get(SCALE + name)
        rows = 1.0 if scale is None else scale.view(-1, *[1] * (value.dim() - 1))
        out[name] = value.float() * rows
    return out


def quantised(model: Lightmap, form: str) -> Lightmap:
    """The network with the weights that a file in this form would give back."""
    if form != "none":
        model.load_state_dict(unpacked(packed(model.state_dict(), form)))
    return model
