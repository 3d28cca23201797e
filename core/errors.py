"""Errors that a person or an agent can act on: one line, a next step, an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the `assay` command; `error.code` in the JSON is finer."""

    OK = 0
    BUG = 1
    INPUT = 2
    INCONCLUSIVE = 3
    NOT_ACCEPTED = 4
    NOT_FINISHED = 5
    BUSY = 75
    INTERRUPTED = 130


class AssayError(Exception):
    """A mistake in what we were given: the message names thing and value, the hint what next.

    Bugs are never wrapped in it; they keep their traceback.
    """

    def __init__(
        self, message: str, hint: str = "", *, code: str = "input", exit_code: Exit = Exit.INPUT
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


def unknown(kind: str, name: str, known: Iterable[str], *, where: str = "") -> AssayError:
    """The error for a name that does not exist, with the closest known one."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    guess = f"Did you mean '{close[0]}'? " if close else ""
    place = f" in {where}" if where else ""
    return AssayError(
        f"no {kind} '{name}'{place}",
        f"{guess}Known: {', '.join(names) or 'none'}",
        code=f"unknown_{kind.replace(' ', '_')}",
    )
