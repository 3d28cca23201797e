"""Windows of a map in the making, kept beside its cache for a run that goes on where one ended."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil
import torch
from torch import Tensor

from tasks.route.log import say

Predict = Callable[[Tensor], Tensor]


@contextlib.contextmanager
def kept(path: Path, belongs: dict[str, Any], predict: Predict) -> Iterator[Predict]:
    """`predict`, whose answers are written to `.<name>.<pid>.part` and read from there first.

    It must be called with the same batches in the same order; `belongs` says what they are of, and
    a file of anything else is not read. The file goes when the block is left without an error.
    """
    part = _claimed(path)
    with part.open("r+b") as file:
        mine = json.dumps(belongs, sort_keys=True).encode() + b"\n"
        known = file.readline() == mine
        if not known:
            file.seek(0)
            file.truncate()
            file.write(mine)
        yield _Windows(file, predict, known)
    part.unlink()


class _Windows:
    """Reads batches as long as there are whole ones, then makes and appends them."""

    def __init__(self, file: BinaryIO, predict: Predict, known: bool) -> None:
        self.file, self.predict, self.known, self.read = file, predict, known, 0

    def __call__(self, rgb: Tensor) -> Tensor:
        """B C S S to B D S S."""
        if self.known:
            at = self.file.tell()
            try:
                made = np.load(self.file, allow_pickle=False)
            except (EOFError, ValueError, OSError):  # the end, or a batch cut off in writing
                self.known = False
                self.file.seek(at)
                self.file.truncate()
                say(f"{self.read} windows of a run that was cut off are taken over")
            else:
                self.read += len(made)
                return torch.from_numpy(made)
        out = self.predict(rgb)
        np.save(self.file, out.float().cpu().numpy())
        self.file.flush()
        return out


def _claimed(path: Path) -> Path:
    """The file of a process that is gone, or a new one; now under this process's number."""
    own = path.with_name(f".{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in sorted(path.parent.glob(f".{path.name}.*.part")):
        number = old.name.split(".")[-2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            with contextlib.suppress(FileNotFoundError):  # another process was quicker
                return old.rename(own)
    own.touch()
    return own
