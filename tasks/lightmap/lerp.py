"""The frame between two 8-bit frames, 8 bits in and out: what a decoded basis costs a frame."""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor


@numba.njit(cache=True, nogil=True, parallel=True)
def _lerp(a, b, share, out):  # type: ignore[no-untyped-def]
    """Into out, a + (b - a) share with the share in 1/256, rounded; all of one length."""
    for block in numba.prange((len(a) + 65535) // 65536):
        start = block * 65536
        for i in range(start, min(start + 65536, len(a))):
            whole = np.int32(a[i]) * (256 - share) + np.int32(b[i]) * share
            out[i] = np.uint8((whole + 128) >> 8)


def mixed(a: Tensor, b: Tensor, share: float) -> Tensor:
    """Frames of bytes of one shape, mixed 1 - share to share; the share is rounded to 1/256."""
    numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
    out = torch.empty_like(a, memory_format=torch.contiguous_format)
    flat = [x.contiguous().view(-1).numpy() for x in (a, b, out)]
    _lerp(flat[0], flat[1], np.int32(round(share * 256)), flat[2])
    return out
