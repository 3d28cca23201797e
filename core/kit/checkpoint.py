"""Checkpoint files: written whole or not at all, read without unpickling objects."""

from __future__ import annotations

import json
import os
import pickle
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import AssayError

FORMAT = 1


def save(
    path: Path,
    state: Mapping[str, Any],
    step: int,
    extra: Mapping[str, Any],
    *,
    torch: bool = True,
) -> None:
    """Write `{format, step, state, rng, **extra}` to `path`: temporary name, fsync, rename.

    `state` maps names to objects with a `state_dict`, tensors, or plain JSON values. The file is in
    torch's own format, loadable with `weights_only`; without `torch` it is JSON.
    """
    packed = {k: v.state_dict() if hasattr(v, "state_dict") else v for k, v in state.items()}
    content = {"format": FORMAT, "step": step, "state": packed, "rng": _rng(torch), **extra}
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            if torch:
                import torch as pytorch

                pytorch.save(content, file)
            else:
                file.write(json.dumps(content).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)


def load(path: Path, device: str = "cpu") -> dict[str, Any]:
    """What `save` wrote, tensors on `device`.

    Raises:
        AssayError: the file is missing, cut short, or not a checkpoint.
    """
    try:
        with path.open("rb") as file:
            is_json = file.read(1) == b"{"
        if is_json:
            content = json.loads(path.read_bytes())
        else:
            import torch

            content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise AssayError(f"no checkpoint {path}", code="no_checkpoint") from error
    except Exception as error:  # torch raises several types for a cut or foreign file
        raise AssayError(
            f"{path} cannot be read as a checkpoint ({str(error).splitlines()[0][:120]})",
            "Give last.ckpt or best.ckpt of a run",
            code="bad_checkpoint",
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise AssayError(f"{path} is not a checkpoint of format {FORMAT}", code="bad_checkpoint")
    return content


def foreign(path: Path, device: str = "cpu") -> dict[str, Any]:
    """The content of a torch file of other people: tensors, containers and plain values.

    Objects of other classes (Lightning keeps its settings so) become empty dicts: no code of theirs
    is imported or run.

    Raises:
        AssayError: the file is missing, cut short, or holds no mapping.
    """
    import torch

    try:
        try:
            content = torch.load(path, map_location=device, weights_only=True)
        except pickle.UnpicklingError:  # a class that weights_only does not know
            content = torch.load(
                path, map_location=device, weights_only=False, pickle_module=_Inert
            )
    except FileNotFoundError as error:
        raise AssayError(f"no checkpoint {path}", code="no_checkpoint") from error
    except Exception as error:  # torch raises several types for a cut or foreign file
        raise AssayError(
            f"{path} cannot be read as a torch file ({str(error).splitlines()[0][:120]})",
            code="bad_checkpoint",
        ) from error
    if not isinstance(content, dict):
        raise AssayError(f"{path} holds no mapping of tensors", code="bad_checkpoint")
    return content


def save_plain(path: Path, content: Mapping[str, Any]) -> Path:
    """Tensors and plain values as a torch file that `weights_only` reads; whole or not at all."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        torch.save(dict(content), fresh)
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


class _Nothing(dict[str, Any]):
    """Stands for an object of an unknown class; takes any state and keeps none."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, _: Any) -> None:
        """Keep nothing."""


class _Inert:
    """A pickle module that makes tensors and containers, and `_Nothing` of all else."""

    ALLOWED = (
        ("collections", "OrderedDict"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch", "Size"),
    )

    class Unpickler(pickle.Unpickler):
        """Finds no class outside the list."""

        def find_class(self, module: str, name: str) -> Any:
            """The listed function or class, else an inert stand-in."""
            if (module, name) in _Inert.ALLOWED:
                return super().find_class(module, name)
            return _Nothing

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        """What torch reads the head of its files of before 2020 with."""
        return _Inert.Unpickler(file, **options).load()


def restore(state: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Put a loaded checkpoint back into the objects of `state`, and the random generators too.

    Objects take their `state_dict`; plain dicts are updated in place; other values belong to the
    caller, who reads them from `saved["state"]`.
    """
    for name, value in state.items():
        if hasattr(value, "load_state_dict"):
            value.load_state_dict(saved["state"][name])
        elif isinstance(value, dict):
            value.update(saved["state"][name])
    _restore_rng(saved["rng"])


def _rng(torch: bool) -> dict[str, Any]:
    """States of the global generators that a task may have used."""
    kind, words, gauss = random.getstate()
    states: dict[str, Any] = {"python": [kind, list(words), gauss]}
    if torch:
        import torch as pytorch

        states["torch"] = pytorch.get_rng_state()
        if pytorch.cuda.is_initialized():
            states["cuda"] = pytorch.cuda.get_rng_state()
    return states


def _restore_rng(states: Mapping[str, Any]) -> None:
    kind, words, gauss = states["python"]
    random.setstate((kind, tuple(words), gauss))
    if "torch" in states:
        import torch

        torch.set_rng_state(states["torch"].cpu())
        if "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"].cpu())
