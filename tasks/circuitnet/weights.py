"""Weight files: CircuitNet's, the seed's and our checkpoints, loaded strictly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from core.errors import AssayError

SHOWN = 6  # keys that a message names


def tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """The tensors by name in what `core.kit.checkpoint.foreign` found in a weight file.

    Accepts `{'state_dict': ...}`, a bare mapping, names that begin with `module.` (DataParallel),
    and checkpoints of this task's runs.

    Raises:
        AssayError: it holds no tensors by name.
    """
    found = _inner(content)
    if not found or not all(isinstance(v, Tensor) for v in found.values()):
        raise AssayError(
            f"{path} holds no tensors by name",
            "Give a .pth file with a state_dict, or best.ckpt of a run",
            code="bad_checkpoint",
        )
    return {name.removeprefix("module."): value for name, value in found.items()}


def _inner(content: Any) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        return {}
    if "state_dict" in content:
        return _inner(content["state_dict"])
    if "format" in content and isinstance(content.get("state"), Mapping):  # core.kit.checkpoint
        return _inner(content["state"].get("model"))
    return content


def kind(keys: Iterable[str]) -> str:
    """Which network's weights these are, by their names."""
    names = set(keys)
    if any(".main_conv." in k for k in names):
        return "the seed's SE/ASPP GPDL (naming=seed)"
    if "encoder.c1.main.0.weight" not in names:
        return "another network"
    base = "RouteNet" if "encoder.c1.main.1.running_mean" in names else "GPDL"
    parts = {"SE": any(".se." in k for k in names), "ASPP": "aspp.project.0.weight" in names}
    added = " and ".join(part for part, there in parts.items() if there)
    return f"{base} with {added}" if added else base


def put(model: nn.Module, content: Any, path: Path, *, partial: bool = False) -> list[str]:
    """Load what a file holds into the network; the names that did not fit.

    Only with `partial` may there be any.

    Raises:
        AssayError: names or shapes differ; the message says whose weights the file holds.
    """
    theirs, ours = tensors(content, path), model.state_dict()
    missing = sorted(k for k in ours.keys() - theirs.keys() if "num_batches_tracked" not in k)
    extra = sorted(theirs.keys() - ours.keys())
    shapes = sorted(k for k in ours.keys() & theirs.keys() if ours[k].shape != theirs[k].shape)
    wrong = [
        f"{len(names)} {what} ({', '.join(names[:SHOWN])}{', ...' * (len(names) > SHOWN)})"
        for what, names in (("missing", missing), ("unexpected", extra), ("of other shape", shapes))
        if names
    ]
    if wrong and not partial:
        raise AssayError(
            f"{path} holds {kind(theirs)}, the config asks for {kind(ours)}: {'; '.join(wrong)}",
            "Set the network's switches to match, or -o partial_load=true to load what fits",
            code="other_architecture",
        )
    model.load_state_dict({k: v for k, v in theirs.items() if k in ours and k not in shapes}, False)
    return wrong
