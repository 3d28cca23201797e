"""Windows of a map in the making, kept beside its cache for a run that goes on where one ended."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
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
    """`predict`, whose answers are written to a hidden `.part` beside `path` and read from there.

    It must be called with the same batches in the same order; `belongs` says what they are of, and
    a file of anything else is not read. The file goes when the block is left without an error. A
    disk that takes no more costs what was kept, not the map.
    """
    part = _claimed(path, belongs)
    with part.open("r+b", buffering=0) as file:
        windows = _Windows(file, predict)
        yield windows
        windows.tell()
    part.unlink(missing_ok=True)


class _Windows:
    """Reads batches as long as there are whole ones, then makes and appends them."""

    def __init__(self, file: BinaryIO, predict: Predict) -> None:
        self.file, self.predict = file, predict
        self.reading, self.writing, self.read = True, True, 0

    def __call__(self, rgb: Tensor) -> Tensor:
        """B C S S to B D S S."""
        if self.reading:
            at = self.file.tell()
            try:
                made = np.load(self.file, allow_pickle=False)
            except (EOFError, ValueError, OSError):  # the end, or a batch cut off in writing
                self.file.seek(at)
                self.file.truncate()
                self.tell()
            else:
                self.read += len(made)
                return torch.from_numpy(made)
        out = self.predict(rgb)
        if self.writing:
            self._keep(out.float().cpu().numpy())
        return out

    def _keep(self, made: np.ndarray) -> None:
        at = self.file.tell()
        try:
            np.save(self.file, made)
        except OSError as error:
            self.writing = False
            self.file.truncate(at)
            say(f"windows are kept no longer, this map cannot go on if it is cut off: {error}")

    def tell(self) -> None:
        """The reading is over: say how much it was."""
        if self.reading and self.read:
            say(f"{self.read} windows of a run that was cut off are taken over")
        self.reading = False


def _claimed(path: Path, belongs: dict[str, Any]) -> Path:
    """A file of the same windows of a process of this host that is gone, or a new one.

    It is now under this process's number; other files of processes that are gone are removed.
    """
    mine = hashlib.sha256(json.dumps(belongs, sort_keys=True).encode()).hexdigest()[:16]
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    own = path.with_name(f".{path.name}.{host}.{os.getpid()}.{mine}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in sorted(path.parent.glob(f".{path.name}.{host}.*.part")):
        pid, of = old.name.split(".")[-3:-1]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            with contextlib.suppress(FileNotFoundError):  # another process was quicker
                if of == mine and not own.exists():
                    old.rename(own)
                else:
                    old.unlink()
    own.touch()
    return own
