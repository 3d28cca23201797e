"""An adaptive binary range coder, and how quantised blocks pass through it (numba, cached).

One walk serves both directions: with `writing` every decision is coded as it is, without it every
decision is read and the array filled, so encoder and decoder cannot disagree. A probability is the
mean of a fast and a slow average (Fabian Giesen's mixing of two rates); carries as in LZMA's coder.

Letters: K planes, R C blocks down and across, 64 coefficients a block in zigzag order.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from core.errors import AssayError

TOP = 1 << 24
LEVELS = 12  # of activity around a coefficient
BANDS = 10  # of frequency
UNARY = 14  # magnitudes up to here by adaptive bits, the rest by Golomb's code
CONTEXTS = 4096
LOW, RANGE, CACHE, PENDING, AT = range(5)  # cells of the coder's state; CODE while reading
CODE = LOW


@numba.njit(cache=True, nogil=True)
def _shift(state, data):  # type: ignore[no-untyped-def]
    """Write the highest byte of `low`, and the carry into those that waited for it."""
    low = state[LOW]
    if low < 0xFF000000 or low > 0xFFFFFFFF:
        carry = low >> 32
        byte = state[CACHE]
        while state[PENDING] > 0:
            data[state[AT]] = (byte + carry) & 0xFF
            state[AT] += 1
            byte = 0xFF
            state[PENDING] -= 1
        state[CACHE] = (low >> 24) & 0xFF
    state[PENDING] += 1
    state[LOW] = (low & 0x00FFFFFF) << 8


@numba.njit(cache=True, nogil=True)
def _bit(state, data, chance, context, bit, writing):  # type: ignore[no-untyped-def]
    """Code one decision under a context (below 0: both ways equally likely), and learn from it."""
    half = 1 << 14
    p = half
    if context >= 0:
        p = min(max((chance[context, 0] + chance[context, 1]) >> 2, 32), (1 << 15) - 32)
    bound = (state[RANGE] >> 15) * p
    if not writing:
        bit = 0 if state[CODE] < bound else 1
    if bit == 0:
        state[RANGE] = bound
    else:
        if writing:
            state[LOW] += bound
        else:
            state[CODE] -= bound
        state[RANGE] -= bound
    if context >= 0:
        for rate, shift in ((0, 4), (1, 7)):
            if bit == 0:
                chance[context, rate] += (65535 - chance[context, rate]) >> shift
            else:
                chance[context, rate] -= chance[context, rate] >> shift
    while state[RANGE] < TOP:
        state[RANGE] <<= 8
        if writing:
            _shift(state, data)
        else:
            byte = data[state[AT]] if state[AT] < len(data) else 0
            state[CODE] = (state[CODE] << 8) | byte
            state[AT] += 1
    return bit


@numba.njit(cache=True, nogil=True)
def _number(state, data, chance, context, value, writing):  # type: ignore[no-untyped-def]
    """A number >= 0 by Elias' gamma code; the length's bits are adaptive from `context` on."""
    length = 0
    if writing:
        while (value + 1) >> (length + 1):
            length += 1
    n = 0
    while _bit(state, data, chance, context + min(n, 23), 1 if n < length else 0, writing):
        n += 1
        if n > 30:
            return 0  # a damaged file: the checksum has the word
    out = 1
    for i in range(n - 1, -1, -1):
        out = (out << 1) | _bit(state, data, chance, -1, ((value + 1) >> i) & 1, writing)
    return out - 1


@numba.njit(cache=True, nogil=True)
def _blocks(state, data, chance, q, writing):  # type: ignore[no-untyped-def]
    """All blocks, K R C 64: an emptiness flag, then zero flag, magnitude and sign of each."""
    planes, rows, columns, size = q.shape
    magnitude = 128 + 3 * BANDS * LEVELS
    for k in range(planes):
        kind = 0 if k == 0 else 1 if k < 8 else 2
        for r in range(rows):
            for c in range(columns):
                here = q[k, r, c]
                left = q[k, r, max(c - 1, 0)]
                above = q[k, max(r - 1, 0), c]
                last = q[max(k - 1, 0), r, c]
                busy = 0
                filled = 0
                for i in range(size):
                    busy += (c > 0 and left[i] != 0) + (r > 0 and above[i] != 0)
                    filled += here[i] != 0
                near = min(busy, 15) + 16 * kind
                if not _bit(state, data, chance, near, 1 if filled else 0, writing):
                    continue
                for i in range(size):
                    around = 0
                    if c > 0:
                        around += 2 * min(abs(left[i]), 3)
                    if r > 0:
                        around += 2 * min(abs(above[i]), 3)
                    if k > 0:
                        around += min(abs(last[i]), 3)
                    if i > 0:
                        around += min(abs(here[i - 1]), 3)
                    if i > 1:
                        around += min(abs(here[i - 2]), 3)
                    around = min(around, LEVELS - 1)
                    band = min(i, 3) if i < 4 else min(4 + (i - 4) // 8, BANDS - 1)
                    context = 128 + (kind * BANDS + band) * LEVELS + around
                    value = abs(here[i])
                    if not _bit(state, data, chance, context, 1 if value else 0, writing):
                        continue
                    start = magnitude + ((band // 3) * 4 + around // 3) * UNARY
                    size_of = 1
                    while size_of < UNARY and _bit(
                        state, data, chance, start + size_of, 1 if value > size_of else 0, writing
                    ):
                        size_of += 1
                    if size_of == UNARY:
                        size_of += _number(state, data, chance, 48, value - UNARY, writing)
                    sign = _bit(state, data, chance, -1, 1 if here[i] < 0 else 0, writing)
                    here[i] = -size_of if sign else size_of


@numba.njit(cache=True, nogil=True)
def _table(state, data, chance, table, writing):  # type: ignore[no-untyped-def]
    """A table of signed integers, column by column; columns share how large they are."""
    for k in range(table.shape[1]):
        for t in range(table.shape[0]):
            value = table[t, k]
            folded = 2 * value - 1 if value > 0 else -2 * value
            got = _number(state, data, chance, 80 if k < 3 else 104, folded, writing)
            table[t, k] = (got + 1) // 2 if got % 2 else -(got // 2)


@numba.njit(cache=True, nogil=True)
def _walk(data, table, q, writing):  # type: ignore[no-untyped-def]
    """Code `table` and `q` into `data`, or from it; the number of bytes."""
    chance = np.full((CONTEXTS, 2), 1 << 15, np.int64)
    state = np.zeros(5, np.int64)
    state[RANGE] = 0xFFFFFFFF
    if writing:
        state[PENDING] = 1
    else:
        for i in range(5):
            state[CODE] = (state[CODE] << 8 | (data[i] if i < len(data) else 0)) & 0xFFFFFFFF
        state[AT] = 5
    _table(state, data, chance, table, writing)
    _blocks(state, data, chance, q, writing)
    if writing:
        for _ in range(5):
            _shift(state, data)
    return state[AT]


def encode(table: NDArray[np.int32], q: NDArray[np.int32]) -> bytes:
    """A table T K of integers and blocks K R C 64, as bytes."""
    data = np.empty(1 << 16 | (q.size + table.size) * 8, np.uint8)
    size = _walk(data, table.copy(), q.copy(), True)
    return data[:size].tobytes()


def decode(
    data: bytes, table: tuple[int, int], q: tuple[int, int, int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """What `encode` was given; its shapes must be known.

    Raises:
        AssayError: more coefficients are claimed than any file of this length could hold.
    """
    if np.prod(q, dtype=np.int64) > 1 << 31:
        raise AssayError(f"a file that claims blocks of {q} is damaged", code="bad_file")
    values, blocks = np.zeros(table, np.int32), np.zeros(q, np.int32)
    _walk(np.frombuffer(data, np.uint8).copy(), values, blocks, False)
    return values, blocks
