"""What git knows of a run: the commit of its exact tree, and that tree brought back."""

from core.git.code import blobs, content_digest, moved
from core.git.diff import changed_files, diff, locate
from core.git.snapshot import snapshot
from core.git.worktree import checkout, remove

__all__ = [
    "blobs",
    "changed_files",
    "checkout",
    "content_digest",
    "diff",
    "locate",
    "moved",
    "remove",
    "snapshot",
]
