"""Repositories to photograph, and what git itself says of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from core import git as linkage
from core import project
from core.ledger.record import Git
from core.project import Project

CODE = ("work.py", "kit")


def sh(folder: Path, *words: str, ok: tuple[int, ...] = (0,)) -> bytes:
    """Output of a git command, by another road than the one under test."""
    done = subprocess.run(["git", *words], cwd=folder, check=False, capture_output=True)
    assert done.returncode in ok, done.stderr.decode()
    return done.stdout


def line(folder: Path, *words: str) -> str:
    return sh(folder, *words).decode().strip()


def write(root: Path, **files: str) -> None:
    """Files by name; `__` stands for a slash, `_dot_` for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def begin(root: Path) -> Project:
    """A repository with one commit."""
    root.mkdir(parents=True)
    sh(root, "init", "-q", "-b", "main")
    write(
        root,
        registry_dot_yaml="tasks: {}\n",
        work_dot_py="one\n",
        kit__a_dot_py="a\n",
        _dot_gitignore="*.ignored\nruns/\n",
    )
    commit(root, "begin")
    return project.find(root)


def commit(root: Path, message: str, *words: str) -> str:
    sh(root, "add", "-A")
    sh(root, "commit", "-qm", message, "--allow-empty", *words)
    return line(root, "rev-parse", "HEAD")


def take(made: Project, run: str = "RUN", code: tuple[str, ...] = CODE) -> Git:
    got = linkage.snapshot(made, run, code)
    assert got is not None
    return got


def held(root: Path, commit: str | None) -> dict[str, bytes]:
    """Path -> bytes of every file in a commit; a symbolic link's bytes are its target."""
    assert commit is not None
    names = sh(root, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit).split(b"\0")
    return {
        os.fsdecode(n): sh(root, "cat-file", "blob", f"{commit}:{os.fsdecode(n)}")
        for n in names
        if n
    }


def state(root: Path) -> dict[str, bytes | None]:
    """All that a snapshot must leave byte for byte as it is."""
    index = Path(line(root, "rev-parse", "--absolute-git-dir")) / "index"
    before = index.read_bytes() if index.exists() else None
    os.environ["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        return {
            "index": before,
            "status": sh(root, "status", "--porcelain=v2", "-z", "--branch"),
            "head": (index.parent / "HEAD").read_bytes(),
            "stash": sh(root, "stash", "list"),
            "refs": sh(root, "for-each-ref", "refs/heads", "refs/tags", "refs/stash"),
            "reflog": sh(root, "reflog", ok=(0, 128)),
        }
    finally:
        del os.environ["GIT_OPTIONAL_LOCKS"]


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def repo(tmp_path: Path) -> Project:
    """A repository with one commit: work.py, kit/a.py, a .gitignore."""
    return begin(tmp_path / "repo")
