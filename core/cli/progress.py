"""What a person sees of a run: a bar with its ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

QUIET_S = 10.0  # between plain lines


class Progress:
    """Shows one run after another on stderr. Call it with every event of a run."""

    def __init__(self, total_runs: int = 1) -> None:
        self._tty = sys.stderr.isatty()
        self._total = total_runs
        self._number = 0
        self._title = ""
        self._began = self._phase_began = time.monotonic()
        self._next_line = 0.0
        self._metrics: dict[str, float | None] = {}

    def start(self, title: str) -> None:
        """A run begins."""
        self._number += 1
        self._title = title
        self._metrics = {}
        self._phase_began = time.monotonic()

    def __call__(self, event: dict[str, Any]) -> None:
        """One event of the run's events.jsonl."""
        if event["kind"] == "phase":
            self._phase_began = time.monotonic()
            self._draw(event["name"])
        elif event["kind"] == "checkpoint":
            self._metrics = event["metrics"]
        elif event["kind"] == "progress":
            share = event["done"] / max(event["total"], 1)
            spent = time.monotonic() - self._phase_began
            left = spent / share - spent if share else 0.0
            self._draw(
                f"{_bar(share)} {event['done']}/{event['total']}  {_duration(left)} left", share
            )

    def end(self, text: str) -> None:
        """A run ended; its line stays."""
        self._clear()
        print(
            f"{self._head()}{text}  {_duration(time.monotonic() - self._phase_began)}",
            file=sys.stderr,
        )

    def _head(self) -> str:
        count = f"[{self._number}/{self._total}] " if self._total > 1 else ""
        return f"{count}{self._title}  "

    def _draw(self, text: str, share: float = 1.0) -> None:
        best = "  ".join(
            f"{k} {v:.4g}" for k, v in list(self._metrics.items())[:2] if v is not None
        )
        if self._tty:
            width = _columns()
            print(
                f"\r\x1b[K{f'{self._head()}{text}  {best}'[: width - 1]}", end="", file=sys.stderr
            )
            sys.stderr.flush()
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + QUIET_S
            print(f"{self._head()}{text}  {best}".rstrip(), file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._tty:
            print("\r\x1b[K", end="", file=sys.stderr)


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
