"""All maps of an annotation file in two files that are read in place.

`<csv>-<format>-<key>/feature.npy` is N C H W, float16 or float32, `label.npy` N 1 H W, float32.
The key is a digest of the rows and of their files' sizes and times: other maps get another folder.
Until it is whole, its name ends in `.part`. What a killed run wrote there stays, and the next run
goes on behind it; two runs at once write the same bytes to the same places.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from core.errors import AssayError
from tasks.circuitnet.annotation import Row
from tasks.circuitnet.split import Array, Maps, Split, fits
from tasks.circuitnet.tree import stamp

VERSION = 1  # of the files
Progress = Callable[[int, int, str], None]


def key(rows: Sequence[Row], root: Path, channels: int, kind: str, *, shared: bool = False) -> str:
    """What the files are made from, as a name; `shared`: beside those of other data roots."""
    made_from = [[*row, *stamp(root / row.feature), *stamp(root / row.label)] for row in rows]
    where = [str(root.resolve())] if shared else []
    text = json.dumps([VERSION, kind, channels, made_from, *where])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def silent(done: int, total: int, note: str) -> None:
    """Progress that nobody follows."""


def opened(split: Split, folder: Path, kind: str, progress: Progress = silent) -> Split:
    """The same layouts, read from the files in `folder`.

    These are opened, and made if they are not there, when the first map is asked for, in whatever
    thread that is: who needs the test maps alone copies no training maps.

    Raises:
        AssayError: from that map on: maps of different shapes, values beyond float16, no room, or
            files that are damaged.
    """
    guard = threading.Lock()
    found: list[Array] = []

    def files() -> list[Array]:
        with guard:
            if not found:
                if not folder.is_dir():
                    _make(split, folder, np.dtype(kind), progress)
                found.extend(_load(folder))
        return found

    def one(i: int) -> Maps:
        feature, label = files()
        return np.array(feature[i], np.float32), np.array(label[i])

    return dataclasses.replace(split, one=one, label=lambda i: np.array(files()[1][i]))


def _load(folder: Path) -> list[Array]:
    try:
        return [np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("feature", "label")]
    except (OSError, ValueError, EOFError) as error:
        raise AssayError(
            f"the cache {folder} is damaged: {error}",
            f"Delete {folder} and run again, which makes it anew",
            code="bad_cache",
        ) from error


def _make(split: Split, folder: Path, kind: np.dtype[np.floating], progress: Progress) -> None:
    part = folder.with_name(f"{folder.name}.part")
    feature, label = split.one(0)
    count = len(split)
    try:
        part.mkdir(parents=True, exist_ok=True)
        if folder.is_dir():  # since it was looked for
            part.rmdir()
            return
        with (
            Rows(part / "feature.npy", (count, *feature.shape), kind) as features,
            Rows(part / "label.npy", (count, *label.shape), np.dtype("float32")) as labels,
        ):
            first = min(features.whole, labels.whole)
            for i in range(first, count):
                feature, label = split.one(i)
                features.put(i, feature, split.names[i])
                labels.put(i, label, split.names[i])
                progress(i + 1, count, f"maps into {folder.name}")
        part.rename(folder)
    except AssayError:  # with other maps there it has another name
        shutil.rmtree(part, ignore_errors=True)
        raise
    except OSError as error:
        if folder.is_dir():  # another run was faster
            shutil.rmtree(part, ignore_errors=True)
            return
        raise AssayError(
            f"cannot write the cache {part}: {error.strerror}",
            "Make room and run again, which goes on from there; or set cache_dir, or cache=off",
        ) from error


class Rows:
    """An .npy file that grows row by row; a row that is there is never changed."""

    def __init__(self, path: Path, shape: tuple[int, ...], kind: np.dtype[np.floating]) -> None:
        head = io.BytesIO()
        described = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False}
        np.lib.format.write_array_header_1_0(head, {**described, "shape": shape})
        self.kind, self.shape, self.head = kind, shape[1:], head.getvalue()
        self.size = kind.itemsize * math.prod(self.shape)
        path.touch()
        self.file = path.open("r+b")
        self.whole = max(0, (path.stat().st_size - len(self.head)) // self.size)
        self.file.write(self.head)
        self.file.flush()

    def put(self, number: int, values: Array, name: str) -> None:
        """Write row `number`; the rows before it are there."""
        fits(name, values.shape, self.shape)
        with np.errstate(over="ignore"):
            kept = values.astype(self.kind)
        if not np.isfinite(kept).all():
            raise AssayError(f"{name} has values beyond {self.kind}", "Set cache=float32")
        self.file.seek(len(self.head) + number * self.size)
        self.file.write(kept.tobytes())
        self.file.flush()

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.fsync(self.file.fileno())
        finally:
            self.file.close()
