"""A run's own event file, `events.jsonl`: what the child says while it works, for who watches."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

NAME = "events.jsonl"


class Writer:
    """Appends one JSON line an event: a plain write, no fsync, about 5 us."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if _torn(path):
            os.write(self._fd, b"\n")

    def log(self, values: Mapping[str, float], step: int) -> None:
        """One row of scalars; a value that is not finite is kept as null."""
        try:
            line = json.dumps(
                {"t": time.time(), "kind": "log", "step": step, "values": values}, allow_nan=False
            )
        except (TypeError, ValueError):  # NumPy and torch scalars, NaN and infinities
            clean = {k: v if math.isfinite(v) else None for k, v in _floats(values).items()}
            line = json.dumps({"t": time.time(), "kind": "log", "step": step, "values": clean})
        os.write(self._fd, line.encode() + b"\n")

    def event(self, kind: str, **fields: Any) -> None:
        """Any other event: image, checkpoint, progress, report, phase, resume."""
        os.write(self._fd, json.dumps({"t": time.time(), "kind": kind, **fields}).encode() + b"\n")

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _torn(path: Path) -> bool:
    """Whether the file ends inside a line: an earlier attempt was killed in a write."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return False
        file.seek(size - 1)
        return file.read(1) != b"\n"


class Tail:
    """Reads what was added since the last look; tolerates any bytes, never writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """Whole lines that appeared since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        for line in data[:whole].splitlines():
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict) and "kind" in event:
                yield event


def read(path: Path) -> list[dict[str, Any]]:
    """All events of a run, without those that a resume superseded."""
    return settled(Tail(path).new())


def settled(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events without those that a later resume among them superseded."""
    left: list[dict[str, Any]] = []
    for event in events:
        if event["kind"] == "resume" and _step(event):
            left = [e for e in left if not _step(e) or e["step"] <= event["step"]]
        left.append(event)
    return left


def _step(event: dict[str, Any]) -> bool:
    """Whether it belongs to a step; a line that is damaged or of another version may not."""
    return number(event.get("step"))


def number(value: Any) -> bool:
    """Whether it is a number that a float can hold; NaN and infinities are none."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and abs(value) <= sys.float_info.max


def series(path: Path) -> dict[str, list[tuple[int, float | None]]]:
    """Every logged scalar as (step, value) rows; None is a value that is no finite number."""
    out: dict[str, list[tuple[int, float | None]]] = {}
    for event in read(path):
        if event["kind"] == "log" and _step(event) and isinstance(event.get("values"), dict):
            for name, value in event["values"].items():
                row = (event["step"], value if number(value) else None)
                out.setdefault(name, []).append(row)
    return out


def summary(path: Path) -> dict[str, dict[str, Any]]:
    """`series` as the ledger keeps it: rows, last, min, max."""
    out = {}
    for name, rows in series(path).items():
        seen = [v for _, v in rows if v is not None]
        out[name] = {
            "rows": len(rows),
            "last": rows[-1][1],
            "min": min(seen, default=None),
            "max": max(seen, default=None),
        }
    return out
