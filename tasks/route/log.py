"""What a run says to people: lines on stderr, which the tracker keeps as the run's log."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """One line."""
    print(f"route: {text}", file=sys.stderr)  # noqa: T201
