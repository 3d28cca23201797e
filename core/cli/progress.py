"""What a person sees of a run: a bar with its ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.ledger import Ledger

QUIET_S = 10.0  # between plain lines


class Progress:
    """Shows a run on stderr. Call it with every event of the run."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._tty = sys.stderr.isatty()
        self._began = self._work_began = self._seen = time.monotonic()
        self._done = self._total = 0
        self._next_line = 0.0
        self._metrics: dict[str, float | None] = {}
        self._draw("starting")

    def __call__(self, event: dict[str, Any]) -> None:
        """One event of the run's events.jsonl."""
        if event["kind"] == "phase":
            self._work_began = self._seen = time.monotonic()
            self._draw(event["name"])
        elif event["kind"] == "checkpoint":
            self._metrics = event["metrics"]
        elif event["kind"] == "progress":
            share = event["done"] / max(event["total"], 1)
            spent = self._spent(event["done"], event["total"])
            left = _duration(spent / share - spent) if share else "?"
            what = f"{event['done']}/{event['total']} {event.get('note', '')}".rstrip()
            self._draw(f"{_bar(share)} {what}  {left} left")

    def _spent(self, done: int, total: int) -> float:
        """Seconds since this work began: the phase's, or other work, which ended the one before.

        A note tells nothing: some name what was just done.
        """
        if done < self._done or total != self._total:
            self._work_began = self._seen
        self._done, self._total, self._seen = done, total, time.monotonic()
        return self._seen - self._work_began

    def end(self, text: str) -> None:
        """The run ended; its line stays."""
        clear = "\r\x1b[K" if self._tty else ""
        took = _duration(time.monotonic() - self._began)
        print(f"{clear}{self._title}  {text}  {took}", file=sys.stderr)

    def _draw(self, text: str) -> None:
        best = [f"{k} {v:.4g}" for k, v in self._metrics.items() if v is not None]
        line = "  ".join([self._title, text, *best[:2]])
        if self._tty:
            print(f"\r\x1b[K{line[: _columns() - 1]}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + QUIET_S
            print(line, file=sys.stderr, flush=True)


class Board:
    """Shows a study on stderr: a line for each run that ended, a bar with the ETA on a terminal."""

    def __init__(self, ledger: Ledger, metrics: Sequence[str]) -> None:
        self._ledger = ledger
        self._metrics = metrics  # shown of a run, as far as they fit
        self._tty = sys.stderr.isatty()
        self.begin(0)

    def begin(self, total: int) -> None:
        """So many runs are to end now."""
        self._total = total
        self._done = 0
        self._began = time.monotonic()

    def event(self, event: dict[str, Any]) -> None:
        """A line of the study's journal."""
        if event["kind"] not in ("ended", "reused", "refused"):
            return
        self._done += 1
        if event["kind"] == "refused":
            self.say(f"[{self._done}/{self._total}] trial {event['trial']}  {event['why']}")
            return
        record = self._ledger.find(event["run"])
        what = record.variant if event.get("trial") is None else f"trial {event['trial']}"
        state = "reused" if event["kind"] == "reused" else record.status
        given = [
            (name, record.metrics[name].value) for name in self._metrics if name in record.metrics
        ]
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in given[:3])
        head = f"[{self._done}/{self._total}] {what} seed {record.seed}  {state}"
        self.say(f"{head}  {numbers or record.reason}".rstrip() + self._eta() * (not self._tty))

    def tick(self) -> None:
        """Draw the bar again."""
        if self._tty:
            text = f"{_bar(min(1.0, self._done / max(self._total, 1)))} {self._done}/{self._total}"
            print(f"\r\x1b[K{text}{self._eta()}", end="", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """A line that stays."""
        self.close()
        print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._tty:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _eta(self) -> str:
        left = self._total - self._done
        if not self._done or left <= 0:
            return ""
        return f"  {_duration((time.monotonic() - self._began) / self._done * left)} left"


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def _bar(share: float, width: int = 24) -> str:
    full = round(share * width)
    return "━" * full + "─" * (width - full)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return (
        f"{whole // 60}m{whole % 60:02d}s"
        if whole < 3600
        else f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    )
