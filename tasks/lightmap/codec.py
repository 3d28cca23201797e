"""A day of one camera in one small file: a Karhunen-Loeve transform over hours and colours.

The 3 T colour planes of T frames are one matrix; its K strongest eigenimages ("basis images") hold
nearly all of it, because the camera does not move. Each is cut into 8x8 blocks, cosine transformed,
quantised with one step (which is optimal for squared error, as the whole transform is orthonormal),
and coded by an adaptive range coder; so is the matrix that mixes them, fitted to the images *as the
decoder has them*.

    frame(hour, colour) = sum_k mix[hour, colour, k] * basis[k]

File, little endian: b"ALM1", u16 T H W K, f32 step, f32 hours[T], f16 scale[K], coded bytes, crc32.
Nothing in it is executed or unpickled. Letters: T hours, K basis images, H W pixels.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn

from core.errors import AssayError
from core.kit.io import Pixels

MAGIC, HEAD = b"ALM1", "<4s4Hf"
SIDE = 8  # of a block, as JPEG
ROUND = 0.4  # a coefficient counts from 0.6 steps on: fewer bits for the same error
INWARD = 0.03  # of a step: large values are rarer, so the mean of a bin lies nearer to zero
MIX_STEPS = 80  # steps of the mixing matrix in one of the coefficients

Planes = NDArray[np.float32]


class Basis(NamedTuple):
    """A decoded file."""

    hours: tuple[float, ...]  # T
    mix: Planes  # T 3 K
    planes: Planes  # K H W

    def frame(self, row: int | NDArray[np.float32]) -> Planes:
        """Colours 3 H W of frame `row`, or of a mixture of frames by T weights; not clamped."""
        mix = self.mix[row] if isinstance(row, int) else np.tensordot(row, self.mix, 1)
        return np.tensordot(mix, self.planes, 1)

    def frames(self) -> Pixels:
        """All frames, T 3 H W."""
        made = (np.clip(self.frame(i), 0, 1) * 255 + 0.5 for i in range(len(self.hours)))
        return np.stack([frame.astype(np.uint8) for frame in made])


def zigzag() -> NDArray[np.int64]:
    """Numbers of a block's 64 coefficients, row by row, from low to high frequency."""
    y, x = np.mgrid[:SIDE, :SIDE]
    back = np.where((x + y) % 2, y, x)
    return np.lexsort((back.ravel(), (x + y).ravel()))


def encode(frames: Pixels, hours: Sequence[float], k: int, step: float) -> bytes:
    """T 3 H W frames as a file of at most `k` basis images; full range is 1, `step` one level."""
    t, _, height, width = frames.shape
    flat: Planes = frames.reshape(3 * t, -1).astype(np.float32) / np.float32(255)
    values, vectors = np.linalg.eigh((flat @ flat.T).astype(np.float64))
    strongest: Planes = vectors[:, np.argsort(values)[::-1][:k]].astype(np.float32)
    images: Planes = (strongest.T @ flat).reshape(-1, height, width)
    q = _quantised(images, step)
    used = np.asarray(q.any(axis=(1, 2, 3)))
    used[0] = True  # a black day has a basis image too
    q = q[used]
    planes = _planes(q, step, height, width).reshape(len(q), -1)
    mix = np.linalg.lstsq((planes @ planes.T).astype(np.float64), planes @ flat.T, rcond=1e-9)[0].T
    strength = np.sqrt(np.square(planes).mean(1, dtype=np.float64))
    scale = (step / MIX_STEPS / np.maximum(strength, step)).astype("<f2")
    table = np.rint(mix / scale.astype(np.float32)).astype(np.int32)
    from tasks.lightmap import rangecoder  # numba takes half a second: only where needed

    head = struct.pack(HEAD, MAGIC, t, height, width, len(q), step)
    numbers = np.asarray(hours, "<f4").tobytes() + scale.tobytes()
    body: bytes = head + numbers + rangecoder.encode(table, q)
    return body + struct.pack("<I", zlib.crc32(body))


def decode(data: bytes) -> Basis:
    """The basis images and their mixture.

    Raises:
        AssayError: not such a file, or one that is cut short or damaged.
    """
    start = struct.calcsize(HEAD)
    if len(data) < start + 4 or data[:4] != MAGIC:
        raise AssayError("not a lightmap file (ALM1)", "Write one with `encode`", code="bad_file")
    body, (checksum,) = data[:-4], struct.unpack("<I", data[-4:])
    if zlib.crc32(body) != checksum:
        raise AssayError(
            "a lightmap file that is cut short or damaged", "Copy it again", code="bad_file"
        )
    _, t, height, width, k, step = struct.unpack_from(HEAD, body)
    hours = np.frombuffer(body, "<f4", t, start)
    scale = np.frombuffer(body, "<f2", k, start + 4 * t).astype(np.float32)
    from tasks.lightmap import rangecoder

    shape = (k, -(-height // SIDE), -(-width // SIDE), SIDE * SIDE)
    table, q = rangecoder.decode(body[start + 4 * t + 2 * k :], (3 * t, k), shape)
    mix = (table * scale).astype(np.float32).reshape(t, 3, k)
    return Basis(tuple(float(h) for h in hours), mix, _planes(q, step, height, width))


def _quantised(planes: Planes, step: float) -> NDArray[np.int32]:
    """K H W to block coefficients K R C 64, in steps."""
    k, height, width = planes.shape
    rows, columns = -(-height // SIDE), -(-width // SIDE)
    beyond = ((0, 0), (0, rows * SIDE - height), (0, columns * SIDE - width))
    whole = np.pad(planes, beyond, mode="edge").reshape(k, rows, SIDE, columns, SIDE)
    waves = dctn(whole, axes=(2, 4), norm="ortho").transpose(0, 1, 3, 2, 4)
    waves = waves.reshape(k, rows, columns, SIDE * SIDE)[..., zigzag()]
    q: NDArray[np.int32] = (np.sign(waves) * np.floor(np.abs(waves) / step + ROUND)).astype(
        np.int32
    )
    return q


def _planes(q: NDArray[np.int32], step: float, height: int, width: int) -> Planes:
    """The way back: K R C 64 to K H W."""
    k, rows, columns, _ = q.shape
    waves = np.empty(q.shape, np.float32)
    waves[..., zigzag()] = step * (q - INWARD * np.sign(q))
    waves = waves.reshape(k, rows, columns, SIDE, SIDE).transpose(0, 1, 3, 2, 4)
    whole = idctn(waves, axes=(2, 4), norm="ortho")
    made: Planes = whole.reshape(k, rows * SIDE, columns * SIDE)[:, :height, :width]
    return made.astype(np.float32)
