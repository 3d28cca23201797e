"""Git's own commands through GitPython: no shell, no optional locks, one line when git refuses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import AssayError


class Refused(AssayError):
    """Git did not do what it was asked."""


class Entry(NamedTuple):
    """A line of a tree: 160000 is a submodule, 120000 a symbolic link."""

    mode: str
    blob: str


class Plumbing:
    """Commands in one work tree, optionally over an index of its own."""

    def __init__(self, top: Path, index: Path | None = None) -> None:
        import git

        self._git = git.Git(top)
        self._env = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        if index:
            self._env["GIT_INDEX_FILE"] = str(index)

    def __call__(
        self, *words: str, given: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Output of `git <words>`, without its last newline; `given` is its standard input.

        File names that are no UTF-8 come through as surrogates.

        Raises:
            Refused: git left with an error, whose last line is in the message.
        """
        import tempfile

        import git

        with tempfile.TemporaryFile() as stdin:
            stdin.write(given or b"")
            stdin.seek(0)
            try:
                out = self._git.execute(
                    ["git", *words],
                    istream=stdin,
                    stdout_as_string=False,
                    env={**os.environ, **self._env, **(env or {})},
                )
            except git.GitCommandError as error:
                raise Refused(f"git {words[0]}: {_last_line(error)}", code="git") from error
        assert isinstance(out, bytes)
        return out.decode("utf-8", "surrogateescape")

    def maybe(self, *words: str) -> str | None:
        """Output, or None where git says there is no such thing."""
        try:
            return self(*words)
        except Refused:
            return None

    def tree(self, tree: str, *paths: str) -> dict[str, Entry]:
        """Every file below a tree, by path."""
        out = {}
        for line in self("ls-tree", "-r", "-z", tree, "--", *paths).split("\0"):
            if line:
                head, _, path = line.partition("\t")
                mode, _, blob = head.split(" ")
                out[path] = Entry(mode, blob)
        return out


def _last_line(error: Any) -> str:
    text = error.stderr
    text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    lines = [
        line for line in text.replace("stderr: ", "").strip(" '\n").splitlines() if line.strip()
    ]
    return lines[-1].strip() if lines else f"left with {error.status}"
