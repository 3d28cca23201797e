from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from core.errors import AssayError
from core.kit.io import bit_depth, read_rgb, write_png

RNG = np.random.default_rng(0)


def deep_png(path: Path, pixels: np.ndarray) -> Path:
    """A PNG of 16 bits a channel, grey (H W) or colour (H W 3), written by hand."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 16, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_rgb_comes_back_as_written(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = write_png(tmp_path / "new" / "a.png", pixels)
    assert np.array_equal(read_rgb(path), pixels)
    assert bit_depth(path) == 8


def test_floats_are_rounded_to_the_nearest_code_value(tmp_path: Path) -> None:
    path = write_png(tmp_path / "a.png", np.array([[0, 0.5, 1], [1 / 255, 0.9 / 255, 1.6 / 255]]))
    assert read_rgb(path)[..., 0].tolist() == [[0, 128, 255], [1, 1, 2]]


@pytest.mark.parametrize("bad", [np.array([[1.01]]), np.array([[-0.1]]), np.array([[np.nan]])])
def test_floats_outside_the_range_are_refused(tmp_path: Path, bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not \\[0, 1\\]"):
        write_png(tmp_path / "a.png", bad)


def test_a_wrong_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="H W 3"):
        write_png(tmp_path / "a.png", np.zeros((3, 4, 5), np.uint8))


def test_grey_and_palette_become_rgb(tmp_path: Path) -> None:
    grey = RNG.integers(0, 256, (4, 6), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert np.array_equal(read_rgb(tmp_path / "grey.png"), np.dstack([grey] * 3))
    few = np.array([[[255, 0, 0], [0, 0, 9]]], np.uint8)
    Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "p.png")
    assert np.array_equal(read_rgb(tmp_path / "p.png"), few)


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
@pytest.mark.parametrize("writer", ["by hand", "OpenCV"])
def test_16_bits_are_rounded(tmp_path: Path, shape: tuple[int, ...], writer: str) -> None:
    deep = RNG.integers(0, 65536, shape)
    edges = (0, 128, 129, 385, 386, 32767, 32768, 65406, 65407)
    deep[0, :9] = np.reshape(edges, (9, *[1] * (deep.ndim - 2)))
    path = tmp_path / "deep.png"
    if writer == "by hand":
        deep_png(path, deep)
    else:  # with row filters; its colours are blue first
        values = deep.astype(np.uint16)
        cv2.imwrite(str(path), values[..., ::-1] if values.ndim == 3 else values)
    want = np.rint(deep / 65535 * 255).astype(np.uint8)
    assert bit_depth(path) == 16
    assert np.array_equal(read_rgb(path), want if want.ndim == 3 else np.dstack([want] * 3))


def test_16_bits_with_alpha(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (8, 9, 4)).astype(np.uint16)
    deep[..., 3] = 65535
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    want = np.rint(deep[..., 2::-1] / 65535 * 255)
    assert np.array_equal(read_rgb(tmp_path / "a.png"), want)
    deep[0, 0] = 0, 30000, 60000, 0
    cv2.imwrite(str(tmp_path / "b.png"), deep)
    with pytest.raises(AssayError, match=r"b\.png has transparent pixels"):
        read_rgb(tmp_path / "b.png")
    assert read_rgb(tmp_path / "b.png", (1, 2, 3))[0, 0].tolist() == [1, 2, 3]


def test_opaque_alpha_is_dropped_and_other_alpha_needs_a_background(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (4, 6, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(read_rgb(tmp_path / "a.png"), pixels[..., :3])
    pixels[0, 0] = 200, 100, 0, 51
    Image.fromarray(pixels).save(tmp_path / "b.png")
    with pytest.raises(AssayError, match=r"b\.png has transparent pixels"):
        read_rgb(tmp_path / "b.png")
    assert read_rgb(tmp_path / "b.png", (0, 100, 50))[0, 0].tolist() == [40, 100, 40]


def test_what_is_no_png_is_named(tmp_path: Path) -> None:
    whole = write_png(tmp_path / "whole.png", RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:-200])
    (tmp_path / "text.png").write_text("hello")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "jpeg.png", format="JPEG")
    for name in ("cut.png", "text.png", "jpeg.png", "none.png"):
        with pytest.raises(AssayError, match=name):
            read_rgb(tmp_path / name)
    assert bit_depth(tmp_path / "text.png") == 0
