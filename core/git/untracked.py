"""Which untracked files a snapshot takes: not the large, not weights and data, never a secret."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from pathlib import Path

from core.ledger.record import Excluded

MAX_FILE = 5 << 20  # bytes of one untracked file
MAX_TOTAL = 50 << 20  # bytes of all of them
DATA = {
    *(".ckpt", ".pt", ".pth", ".safetensors", ".onnx", ".pkl", ".h5", ".hdf5", ".npy", ".npz"),
    *(".parquet", ".zip", ".tar", ".gz", ".zst", ".7z", ".mp4", ".tif", ".tiff"),
}
SECRETS = (
    *(".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", ".netrc", ".pypirc"),
    *("id_rsa*", "id_ed25519*", "id_ecdsa*", "*credentials*.json"),
)
PUBLIC = (".env.example", ".env.template", "*.pub")


def sort_out(top: Path, names: Sequence[str]) -> tuple[list[str], list[Excluded]]:
    """The files to take and the ones left out, with the reason."""
    taken, left = [], []
    total = 0
    for name in sorted(names):
        size = _size(top / name)
        if size is None:  # it vanished since git listed it
            continue
        reason = _reason(name, size, total)
        if reason:
            left.append(Excluded(path=name, bytes=size, reason=reason))
        else:
            taken.append(name)
            total += size
    return taken, left


def _size(path: Path) -> int | None:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return None


def _reason(name: str, size: int, total: int) -> str | None:
    base = name.rstrip("/").rsplit("/", 1)[-1]
    if name.endswith("/"):
        return "a git repository of its own"
    if _any(base, SECRETS) and not _any(base, PUBLIC):
        return "looks like a secret"
    if Path(base).suffix.lower() in DATA:
        return "weights or data"
    if size > MAX_FILE:
        return f"larger than {MAX_FILE >> 20} MiB"
    if total + size > MAX_TOTAL:
        return f"untracked files pass {MAX_TOTAL >> 20} MiB in all"
    return None


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name.lower(), pattern) for pattern in patterns)
