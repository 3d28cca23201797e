"""What a snapshot leaves out: secrets always; untracked files that are large, weights or data."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from core.ledger.record import Excluded

MAX_FILE = 5 << 20  # bytes of one untracked file
MAX_TOTAL = 50 << 20  # bytes of all untracked files together
MAX_NAMED = 100  # files named one by one: a ledger line has room for 1 MiB
DATA = {
    *(".bin", ".ckpt", ".gguf", ".h5", ".hdf5", ".onnx", ".pb", ".pt", ".pth", ".safetensors"),
    *(".arrow", ".feather", ".joblib", ".npy", ".npz", ".parquet", ".pickle", ".pkl", ".tfrecord"),
    *(".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst"),
    *(".avi", ".exr", ".hdr", ".mkv", ".mov", ".mp4", ".tif", ".tiff", ".wav"),
}
SECRETS = (
    *(
        ".env",
        ".env.*",
        "*.env",
        ".envrc",
        ".netrc",
        ".pgpass",
        ".pypirc",
        ".npmrc",
        ".git-credentials",
    ),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.ppk", "*.jks", "*.kdbx", "*.keystore"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*"),  # not id_*: that is `id_map.py`, too
    *("*credentials*.json", "client_secret*.json", "service[-_]account*.json"),
    *("secrets.json", "secrets.toml", "secrets.yaml", "secrets.yml"),
)
HARMLESS = ("*.pub", ".env.dist", ".env.example", ".env.sample", ".env.template")
SECRET, NESTED = "looks like a secret", "is a git repository of its own"


class Sorted(NamedTuple):
    """Untracked files, sorted."""

    taken: list[str]
    left: list[Excluded]


def sort(top: Path, names: Iterable[str]) -> Sorted:
    """Which untracked files to take, and which to leave out and why.

    Small files come first, so that the limit on the total keeps code and drops data. A file that
    vanished is in neither list.
    """
    taken: list[str] = []
    left: list[Excluded] = []
    total = 0
    for size, name in sorted((bytes_of(top, n), n) for n in names):
        if size < 0:
            continue
        if reason := _reason(top, name, size, total):
            left.append(excluded(name, size, reason))
        else:
            taken.append(name)
            total += size
    return Sorted(taken, left)


def bytes_of(top: Path, name: str) -> int:
    """Bytes of a file, -1 when there is none."""
    try:
        return os.lstat(top / name).st_size
    except OSError:
        return -1


def excluded(name: str, size: int, reason: str) -> Excluded:
    """The entry of a file; bytes of its name that are no UTF-8 are written as escapes."""
    return Excluded(
        path=os.fsencode(name).decode(errors="backslashreplace"), bytes=size, reason=reason
    )


def secret(name: str) -> bool:
    """Whether the name of a file says that it holds a key or a password."""
    base = name.rpartition("/")[2].lower()
    return _any(base, SECRETS) and not _any(base, HARMLESS)


def shortened(left: list[Excluded]) -> list[Excluded]:
    """At most `MAX_NAMED` entries, and one for all the others."""
    named, rest = left[:MAX_NAMED], left[MAX_NAMED:]
    if not rest:
        return named
    total = sum(entry.bytes for entry in rest)
    return [*named, excluded(f"({len(rest)} more files)", total, "not named one by one")]


def _reason(top: Path, name: str, size: int, total: int) -> str | None:
    if name.endswith("/"):
        return NESTED
    if secret(name):
        return SECRET
    if Path(name).suffix.lower() in DATA:
        return "weights or data"
    if size > MAX_FILE:
        return f"larger than {MAX_FILE >> 20} MiB"
    if total + size > MAX_TOTAL:
        return f"untracked files pass {MAX_TOTAL >> 20} MiB in all"
    if not os.access(top / name, os.R_OK, follow_symlinks=False):
        return "cannot be read"
    return None


def _any(base: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(base, pattern) for pattern in patterns)
