"""What git knows of a run: the commit of its exact tree, and that tree brought back."""

from core.git.snapshot import content_digest, moved, snapshot
from core.git.worktree import checkout, diff, remove

__all__ = ["checkout", "content_digest", "diff", "moved", "remove", "snapshot"]
