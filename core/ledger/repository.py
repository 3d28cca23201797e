"""What the ledger asks of git, by its command line: segments on every branch, and one commit."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from core.errors import AssayError

SEGMENTS = "ledger/segments"
_COUNTS = (b"refs/heads/", b"refs/remotes/")


class Segment(NamedTuple):
    """A published segment, wherever it stands."""

    name: str  # <writer>/<ULID>.jsonl
    branch: bool  # some branch has it, so that it is never written again
    head: bool  # HEAD has it


def tips(root: Path) -> dict[str, bool]:
    """Commits of HEAD and of all local and remote branches; True for HEAD's."""
    out: dict[str, bool] = {}
    for row in _git(root, "show-ref", "--head", ok=(0, 1)).splitlines():
        oid, _, ref = row.partition(b" ")
        if ref == b"HEAD":
            out[oid.decode()] = True
        elif ref.startswith(_COUNTS):
            out.setdefault(oid.decode(), False)
    return out


def segments(root: Path, commits: dict[str, bool]) -> dict[str, Segment]:
    """Every segment in these commits, by blob id: three looks, however many branches there are."""
    folders: dict[tuple[str, str], bool] = {}  # (writer, tree of its folder) -> HEAD has it
    trees = _objects(root, "tree", [f"{oid}:./{SEGMENTS}" for oid in commits])
    for is_head, tree in zip(commits.values(), trees, strict=True):
        for entry in _entries(tree or b"", commits):
            folders[entry] = folders.get(entry, False) or is_head
    out: dict[str, Segment] = {}
    trees = _objects(root, "tree", [oid for _, oid in folders])
    for ((writer, _), is_head), tree in zip(folders.items(), trees, strict=True):
        for name, oid in _entries(tree or b"", commits):
            head = is_head or (oid in out and out[oid].head)
            out[oid] = Segment(f"{writer}/{name}", branch=True, head=head)
    return out


def contents(root: Path, oids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The bytes of blobs that this clone has."""
    wanted = list(oids)
    for oid, data in zip(wanted, _objects(root, "blob", wanted), strict=True):
        if data is not None:
            yield oid, data


def blob_id(data: bytes, hexdigits: int = 40) -> str:
    """Git's id of a file's bytes, in a repository whose ids have so many digits."""
    algorithm = hashlib.sha1 if hexdigits == 40 else hashlib.sha256
    return algorithm(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def tracked(root: Path) -> set[str]:
    """Names of the segments in git's index: added, if not yet committed."""
    listed = _git(root, "ls-files", "-z", "--", SEGMENTS).decode().split("\0")
    return {path.removeprefix(f"{SEGMENTS}/") for path in listed if path}


def missing(root: Path, commits: Iterable[str]) -> set[str]:
    """Those of the commits that this clone does not have."""
    asked = "\n".join(commits).encode()
    answers = _git(root, "cat-file", "--batch-check", stdin=asked).decode().splitlines()
    return {row.split()[0] for row in answers if row.endswith(" missing")}


def commit(root: Path, message: str) -> str | None:
    """Commit the folder `ledger/` and nothing else that is staged; None when it has no change."""
    _git(root, "add", "--", "ledger")
    if not _git(root, "status", "--porcelain", "--", "ledger"):
        return None
    # --only: git builds the commit from HEAD and these paths in an index of its own.
    _git(root, "commit", "--quiet", "--only", "-m", message, "--", "ledger")
    return _git(root, "rev-parse", "HEAD").decode().strip()


def _entries(tree: bytes, like: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and id of each entry of a raw tree object: mode, blank, name, NUL, id, and again."""
    width = len(next(iter(like))) // 2
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        name = tree[at:end].partition(b" ")[2].decode(errors="replace")
        at = end + 1 + width
        yield name, tree[end + 1 : at].hex()


def _objects(root: Path, kind: str, names: list[str]) -> Iterator[bytes | None]:
    """The bytes behind each name, in order; None where there is none of this kind."""
    if not names:
        return
    out = _git(root, "cat-file", "--batch", "--buffer", stdin="\n".join(names).encode())
    at = 0
    for _ in names:
        end = out.index(b"\n", at)
        header = out[at:end]
        at = end + 1
        if header.endswith((b" missing", b" ambiguous")):
            yield None
            continue
        _, found, size = header.split()
        yield out[at : at + int(size)] if found == kind.encode() else None
        at += int(size) + 1


def _git(root: Path, *args: str, stdin: bytes = b"", ok: tuple[int, ...] = (0,)) -> bytes:
    try:
        done = subprocess.run(
            ["git", *args], cwd=root, input=stdin, capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise AssayError("git is not installed", "Install git", code="no_git") from error
    if done.returncode not in ok:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["?"]
        raise AssayError(
            f"git {args[0]} failed: {said[-1]}", f"See `git -C {root} status`", code="git"
        )
    return done.stdout
