"""Seeds: one number fixes a run, and every step of it on its own."""

from __future__ import annotations

import hashlib
import random
import sys


def everything(seed: int) -> None:
    """Seed Python's and, where they are loaded, NumPy's and torch's global generators."""
    random.seed(seed)
    if "numpy" in sys.modules:
        import numpy as np

        np.random.seed(seed % 2**32)  # noqa: TID251 - a plug-in may draw from it
    if "torch" in sys.modules:
        import torch

        torch.manual_seed(seed)


def derive(*parts: int | str) -> int:
    """A 63-bit seed that depends on all parts and nothing else: `derive(seed, "batch", step)`.

    Hashed, so that neighbouring seeds and steps give unrelated streams.
    """
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
