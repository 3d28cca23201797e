"""core.locks: who looks at a lock does not disturb those who look beside him."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core import locks


def looks(path: Path) -> set[bool]:
    """What eight threads see that look at a lock over and over."""

    def look(_: int) -> set[bool]:
        return {locks.held(path) for _ in range(2000)}

    with ThreadPoolExecutor(8) as pool:
        return set().union(*pool.map(look, range(8)))


def test_nobody_sees_a_free_lock_held_by_another_who_looks(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    path.touch()
    assert looks(path) == {False}


def test_everybody_sees_a_lock_that_is_held(tmp_path: Path) -> None:
    fd = locks.take(tmp_path / "alive")
    assert fd is not None
    assert looks(tmp_path / "alive") == {True}
    os.close(fd)
    assert not locks.held(tmp_path / "alive")


def test_looking_does_not_make_the_file(tmp_path: Path) -> None:
    assert not locks.held(tmp_path / "alive")
    assert not (tmp_path / "alive").exists()
