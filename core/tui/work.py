"""Work that goes on beside the screens."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from textual.dom import DOMNode


def begin(
    owner: DOMNode,
    do: Callable[..., Coroutine[Any, Any, None]],
    *given: Any,
    group: str = "default",
    exclusive: bool = False,
) -> None:
    """Do it in a worker of its owner.

    The coroutine is made when the worker begins, so that an app that leaves before that leaves
    none behind that nobody awaits.
    """
    work: Any = partial(do, *given)  # Textual's union of types leaves the result open
    owner.run_worker(work, group=group, exclusive=exclusive)
