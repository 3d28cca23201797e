"""What a promise is: a check of one task that says, when it fails, which promise was broken."""

from __future__ import annotations

import functools
from collections.abc import Callable

from core.testing.subject import Subject

Promise = Callable[[Subject], None]


def promise(check: Promise) -> Promise:
    """Let whatever the check raises become an AssertionError that names task and promise.

    The first line of the check's docstring is the promise in words.
    """
    text = (check.__doc__ or "").splitlines()[0]

    @functools.wraps(check)
    def checked(subject: Subject) -> None:
        try:
            check(subject)
        except Exception as error:
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            raise AssertionError(
                f"task {subject.task.name} breaks its promise {check.__name__} ({text}) "
                f"Seen: {kind}{error}"
            ) from error

    return checked


def demand(holds: bool, seen: str) -> None:
    """Like `assert`, but also under `python -O`."""
    if not holds:
        raise AssertionError(seen)
