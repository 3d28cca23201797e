"""SAM-Road files: what network they hold, and their tensors under our names; strict by group."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import AssayError
from core.kit import checkpoint
from tasks.route.log import say
from tasks.route.models.samroad import SamRoad, Shape

State = dict[str, Tensor]
BLOCK = re.compile(r"image_encoder\.blocks\.(\d+)\.")
PREFIXES = ("model.", "module.")
BLOCK_STEP = ("block_log_alpha", "block_th_logit")
SCALARS = ("cost_log_alpha", "cost_log_gamma", "eik_gate_logit", *BLOCK_STEP)  # of SAMRoute files
UNUSED = ("block_", "cost_net")  # learned too, in forms of theirs
KNOWN = (*SCALARS, *UNUSED, "topo_net.", "bilinear_sampler.", "pixel_")


class Contents(NamedTuple):
    """What a file gives."""

    net: SamRoad
    scalars: dict[str, float]  # learned routing parameters, where the file has them
    raw: bool  # SAM's own weights: the decoder is untrained
    notes: list[str]


def open_file(path: Path, side: int) -> Contents:
    """The network of a SAM-Road or SAM file.

    A file with a decoder fixes the window's size; raw SAM weights (no decoder) are resized to
    `side` cells and give a network whose decoder must be trained.

    Raises:
        AssayError: no SAM weights, a decoder that is not supported, missing or misshapen tensors.
    """
    state = _named(checkpoint.foreign(path), path)
    if any(k.startswith("mask_decoder.") for k in state) and not _has_decoder(state):
        raise AssayError(
            f"{path} uses SAM's mask decoder, which is not supported", "Give a map_decoder"
        )
    state = merge_lora(state)
    shape = shape_of(state, path)
    notes: list[str] = []
    if not _has_decoder(state):
        notes.append(f"{path.name} has no map_decoder: raw SAM weights, the decoder is untrained")
        if side != shape.side:
            state, shape = resize(state, shape, side)
    elif state["map_decoder.7.weight"].shape[1] == 32:
        raise AssayError(
            f"{path} has the up-sample and convolve decoder, which is not supported",
            "Give a model with the plain SAM-Road decoder",
        )
    net = SamRoad(shape)
    notes += _fill(net, state, path)
    scalars = {k: float(state[k]) for k in SCALARS if k in state}
    unused = sorted(k for k in state if k.startswith(UNUSED) and k not in SCALARS)
    if unused:
        notes.append(
            f"{path.name} learned {', '.join(unused[:4])}, which is not taken over: "
            "give block, block_th and cost_net"
        )
    for note in notes:
        say(note)
    return Contents(net, scalars, not _has_decoder(state), notes)


def _named(content: Mapping[str, object], path: Path) -> State:
    """The tensors, without the prefixes of wrappers; raw SAM names get `image_encoder.`."""
    inner = content.get("state_dict", content)
    if not isinstance(inner, Mapping):
        raise AssayError(f"{path} has no state_dict of tensors", code="bad_checkpoint")
    state = {str(k): _tensor(v) for k, v in inner.items() if isinstance(v, (Tensor, float))}
    for prefix in PREFIXES:
        if state and all(k.startswith(prefix) for k in state):
            state = {k.removeprefix(prefix): v for k, v in state.items()}
    if not any(k.startswith("image_encoder.") for k in state):
        some = ", ".join(sorted(state)[:3]) or "no tensors"
        raise AssayError(
            f"{path} holds no image_encoder.* ({some})",
            "Give a SAM-Road .ckpt or .pth, or raw SAM weights",
            code="bad_checkpoint",
        )
    return state


def _tensor(value: Tensor | float) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value)


def _has_decoder(state: State) -> bool:
    return "map_decoder.7.weight" in state


def merge_lora(state: State) -> State:
    """Fold low-rank updates of q and v into the weights: W_q + B_q A_q, W_v + B_v A_v."""
    merged = {
        k.replace(".qkv.qkv.", ".qkv."): v for k, v in state.items() if ".qkv.linear_" not in k
    }
    for key, low in state.items():
        if not key.endswith(".qkv.linear_a_q.weight"):
            continue
        stem = key.removesuffix("linear_a_q.weight")
        weight = merged[f"{stem}weight"].clone()
        dim = weight.shape[1]
        weight[:dim] += state[f"{stem}linear_b_q.weight"] @ low
        weight[-dim:] += state[f"{stem}linear_b_v.weight"] @ state[f"{stem}linear_a_v.weight"]
        merged[f"{stem}weight"] = weight
    return merged


def shape_of(state: State, path: Path) -> Shape:
    """Width, depth, heads, window and side, read off the tensors."""
    pos = state.get("image_encoder.pos_embed")
    tables = {
        int(m[1]): v for k, v in state.items() if (m := BLOCK.match(k)) and k.endswith("rel_pos_h")
    }
    if pos is None or not tables:
        raise AssayError(f"{path} lacks image_encoder.pos_embed or blocks", code="bad_checkpoint")
    depth = 1 + max(tables)
    neck = state.get("image_encoder.neck.0.weight")
    shape = Shape(
        dim=pos.shape[-1],
        depth=depth,
        heads=pos.shape[-1] // tables[0].shape[1],
        side=pos.shape[1],
        neck=256 if neck is None else neck.shape[0],
    )
    narrow = [len(v) for i, v in tables.items() if i not in shape.everywhere]
    return shape._replace(window=(narrow[0] + 1) // 2) if narrow else shape


def resize(state: State, shape: Shape, side: int) -> tuple[State, Shape]:
    """Position tables for another number of cells: bilinear, and linear for relative ones.

    Only blocks that see the whole grid have tables of its size; they are told by their number.
    """
    wanted = shape._replace(side=side)
    made = dict(state)
    pos = state["image_encoder.pos_embed"].movedim(-1, 1)
    pos = F.interpolate(pos, size=(side, side), mode="bilinear", align_corners=False)
    made["image_encoder.pos_embed"] = pos.movedim(1, -1)
    for key, table in state.items():
        match = BLOCK.match(key)
        if match and ".rel_pos_" in key and int(match[1]) in wanted.everywhere:
            line = F.interpolate(
                table.T[None], size=wanted.table(int(match[1])), mode="linear", align_corners=False
            )
            made[key] = line[0].T
    return made, wanted


def _fill(net: SamRoad, state: State, path: Path) -> list[str]:
    """Load encoder and decoder, each whole or not at all."""
    own = net.state_dict()
    groups = ["image_encoder."] + (["map_decoder."] if _has_decoder(state) else [])
    for group in groups:
        wanted = {k: v.shape for k, v in own.items() if k.startswith(group)}
        missing = sorted(k for k in wanted if k not in state)
        odd = [
            f"{k} {tuple(state[k].shape)}, not {tuple(s)}"
            for k, s in wanted.items()
            if k in state and state[k].shape != s
        ]
        if missing or odd:
            what = f"lacks {', '.join(missing[:5])}" if missing else f"has {'; '.join(odd[:5])}"
            raise AssayError(
                f"{path}: {group}* does not fit: it {what} (in all {len(missing) + len(odd)})",
                code="bad_checkpoint",
            )
    net.load_state_dict({k: state.get(k, v) for k, v in own.items()})
    strange = sorted(k for k in state if k not in own and not k.startswith(KNOWN))
    return [f"{path.name}: ignored {', '.join(strange[:8])}"] if strange else []
