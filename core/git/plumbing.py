"""Git's own commands through GitPython: no shell, no hooks, no locks that others would meet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from core.errors import AssayError
from core.project import work_tree

# Whatever the user's configuration says: no hook runs, every file is looked at (no fsmonitor), an
# index is one file, mixed line ends are no error, and a ref that is just being moved is waited for.
SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.splitIndex": "false",
    "core.safecrlf": "false",
    "core.filesRefLockTimeout": "10000",
}


class Refused(AssayError):
    """Git did not do what it was asked."""


class Entry(NamedTuple):
    """What a tree holds at a path."""

    kind: str  # blob, tree, or commit: a submodule
    oid: str


class Plumbing:
    """Git in one folder of a work tree. File names that are no UTF-8 come through as surrogates."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # a missing git is told by `raw`
        import git

        self._git = git.Git(folder)
        self._env = {"GIT_OPTIONAL_LOCKS": "0", **(env or {})}
        if found := work_tree(folder):
            # Said outright, because inside a git hook these are set for whatever git is doing.
            self._env |= {"GIT_DIR": str(found.git_dir), "GIT_WORK_TREE": str(found.top)}

    def raw(self, *words: str, given: str = "") -> bytes:
        """The bytes that `git <words>` prints; `given` is its standard input.

        Raises:
            Refused: git left with an error; the message has its last line.
            AssayError: git is not installed.
        """
        import git

        settings = [word for item in SETTINGS.items() for word in ("-c", "=".join(item))]
        with tempfile.TemporaryFile() as stdin:
            stdin.write(os.fsencode(given))
            stdin.seek(0)
            try:
                code, out, said = self._git.execute(
                    ["git", *settings, *words],
                    istream=stdin,
                    with_extended_output=True,
                    with_exceptions=False,
                    stdout_as_string=False,
                    strip_newline_in_stdout=False,
                    env=self._env,
                )
            except git.GitCommandNotFound as error:
                raise AssayError("git is not installed", "Install git", code="no_git") from error
        if code:
            last = (said.strip().splitlines() or [f"left with code {code}"])[-1]
            raise Refused(f"git {words[0]}: {last}", "See `git status`", code="git")
        return bytes(out)

    def __call__(self, *words: str, given: str = "") -> str:
        """As `raw`, as text without its last newline."""
        return os.fsdecode(self.raw(*words, given=given)).removesuffix("\n")

    def maybe(self, *words: str) -> str | None:
        """Output, or None where git says there is no such thing."""
        try:
            return self(*words)
        except Refused:
            return None

    def resolve(self, names: Sequence[str]) -> list[str | None]:
        """Ids of the objects behind names such as `HEAD^{tree}`; None where this clone has none."""
        found = self("cat-file", "--batch-check=%(objectname)", given="\n".join(names) + "\n")
        lines = found.split("\n")
        return [None if line.endswith((" missing", " ambiguous")) else line for line in lines]

    def entries(self, tree: str, paths: Iterable[str], *options: str) -> dict[str, Entry]:
        """What a tree or commit holds at these paths (none: at all), from this folder."""
        rows = self("ls-tree", "-z", *options, tree, "--", *paths).split("\0")[:-1]
        parts = [row.partition("\t") for row in rows]
        return {path: Entry(*head.split(" ")[1:3]) for head, _, path in parts}
