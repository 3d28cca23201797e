"""`git status`, read: where HEAD stands, and every path that is not as in HEAD."""

from __future__ import annotations

from typing import NamedTuple

from core.git.plumbing import Plumbing

NO_FILE = "000000"  # git's mode of a file that is not there


class Change(NamedTuple):
    """A tracked path that differs from HEAD, in the index or in the work tree."""

    path: str  # from the top of the work tree
    head: str  # "<mode> <blob>" in HEAD, as `git update-index --index-info` takes it
    on_disk: bool
    submodule: str  # "S<c><m><u>": c other commit, m modified files, u untracked ones; else "N..."


class Status(NamedTuple):
    """A work tree against HEAD."""

    head: str | None  # None: no commit yet
    branch: str | None  # None: detached
    changes: list[Change]
    untracked: list[str]  # files that git does not ignore; "name/": a repository of its own


def read(git: Plumbing) -> Status:
    """The state of the work tree that `git` stands in."""
    found = git(
        "status",
        *("--porcelain=v2", "--branch", "-z", "--no-renames", "--no-ahead-behind"),
        *("--untracked-files=all", "--ignore-submodules=none"),
    )
    head: dict[str, str] = {}
    changes: list[Change] = []
    untracked: list[str] = []
    for line in found.split("\0"):
        match line[:1]:
            case "#":
                _, key, value = line.split(" ", 2)
                head[key] = value
            case "1":
                _, _, sub, mode, _, disk, blob, _, path = line.split(" ", 8)
                changes.append(Change(path, f"{mode} {blob}", disk != NO_FILE, sub))
            case "u":  # unmerged: stage 2 is HEAD's
                _, _, sub, _, mode, _, disk, _, blob, _, path = line.split(" ", 10)
                changes.append(Change(path, f"{mode} {blob}", disk != NO_FILE, sub))
            case "?":
                untracked.append(line[2:])
    oid, branch = head["branch.oid"], head["branch.head"]
    return Status(
        None if oid == "(initial)" else oid,
        None if branch == "(detached)" else branch,
        changes,
        untracked,
    )
