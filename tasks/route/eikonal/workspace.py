"""Large arrays that a solve borrows and that come back: fresh memory costs as much as filling it.

A map of 3000 x 3000 in float64 takes two arrays of 72 MB, which the system hands out page by page
and zeroed. Two that nobody uses any more are kept for the next solve of that size.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LEAST, MOST = 2**24, 2**27  # bytes: smaller ones cost little, larger ones are not kept

_spare: deque[NDArray[np.uint8]] = deque(maxlen=2)  # its methods need no lock


def borrow(n: int, dtype: DTypeLike) -> NDArray[Any]:
    """An array with anything in it; the memory is used again once nobody holds it.

    Its views hold it, and so do tensors made of them.
    """
    size = n * np.dtype(dtype).itemsize
    if not LEAST <= size <= MOST:
        return np.empty(n, dtype)
    memory = None
    while memory is None or memory.nbytes != size:  # those of other sizes are let go
        try:
            memory = _spare.popleft()
        except IndexError:
            memory = np.empty(size, np.uint8)
    array = np.frombuffer(memory.data, dtype, n)
    weakref.finalize(array, _spare.append, memory).atexit = False
    return array
