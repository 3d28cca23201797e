"""A run as it goes: its curves, its progress and its phase, read on from events.jsonl."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core import events


class Following:
    """What a run's event file has said so far."""

    def __init__(self, folder: Path) -> None:
        self._tail = events.Tail(folder / events.NAME)
        self._reading = threading.Lock()  # screens look in threads
        self.steps: dict[str, list[float]] = {}  # logged name -> steps
        self.values: dict[str, list[float]] = {}  # and values; NaN was not finite
        self.done, self.total, self.note = 0, 0, ""
        self.phase = ""

    def read(self) -> bool:
        """Take what is new; whether anything was."""
        news = False
        with self._reading:
            for event in self._tail.new():
                self._take(event)
                news = True
        return news

    def _take(self, event: dict[str, Any]) -> None:
        kind, step = event["kind"], event.get("step")
        if kind == "log" and isinstance(event.get("values"), dict) and events.number(step):
            for name, value in event["values"].items():
                self.steps.setdefault(name, []).append(float(step or 0))
                self.values.setdefault(name, []).append(value if events.number(value) else math.nan)
        elif kind == "progress" and all(events.number(event.get(k)) for k in ("done", "total")):
            self.done, self.total = int(event["done"]), int(event["total"])
            self.note = str(event.get("note", ""))
        elif kind == "phase":
            self.phase = str(event.get("name", ""))
        elif kind == "resume" and events.number(step):
            self._forget(float(step or 0))

    def _forget(self, step: float) -> None:
        """What came after the checkpoint that a resumed run goes on from did not happen."""
        for name, steps in self.steps.items():
            rows = zip(steps, self.values[name], strict=True)
            kept = [(s, v) for s, v in rows if s <= step]
            steps[:], self.values[name][:] = [s for s, _ in kept], [v for _, v in kept]

    def last(self, name: str) -> float | None:
        """The newest value of a name."""
        values = self.values.get(name)
        return values[-1] if values else None

    @property
    def share(self) -> float | None:
        """How much is done; None before the first word of it."""
        return min(1.0, self.done / self.total) if self.total > 0 else None


def ranked(names: Iterable[str], first: str | None) -> list[str]:
    """Logged names, those of this metric first: measured before lost, of the whole before parts."""

    def key(name: str) -> tuple[bool, bool, int, str]:
        kind, _, metric = name.rpartition("/")
        return metric != first, kind.startswith("loss"), name.count("/"), name

    return sorted(names, key=key)
