from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from core.errors import AssayError
from tasks.route import geotiff
from tasks.route.regions import SAMPLE

RGB = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def write(path: Path, array: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, array, **options)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "lzw"},
        {"compression": "deflate", "predictor": True},
        {"tile": (16, 16)},
        {"bigtiff": True},
        {"bigtiff": True, "tile": (32, 16), "compression": "lzw"},
        {"byteorder": ">"},
    ],
    ids=str,
)
def test_eight_bit_rgb_comes_back_as_it_is(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write(tmp_path / "a.tif", RGB, photometric="rgb", **options)
    got = geotiff.read(path)
    np.testing.assert_array_equal(got.rgb, RGB)
    assert got.nodata is None
    assert got.geo is None
    assert got.notes == []


def test_planar_is_known_by_its_tag_not_its_shape(tmp_path: Path) -> None:
    """3 x 3 pixels: the shape alone could not tell."""
    for n in (3, 40):
        image = RGB[:n, :n]
        path = write(
            tmp_path / f"{n}.tif",
            np.moveaxis(image, -1, 0),
            photometric="rgb",
            planarconfig="separate",
        )
        np.testing.assert_array_equal(geotiff.read(path).rgb, image)


def test_bands(tmp_path: Path) -> None:
    grey = geotiff.read(write(tmp_path / "1.tif", RGB[..., 0]))
    np.testing.assert_array_equal(grey.rgb, np.repeat(RGB[..., :1], 3, -1))
    assert "one band" in grey.notes[0]
    five = np.concatenate([RGB, RGB[..., :2]], -1)
    path = write(tmp_path / "5.tif", five, photometric="minisblack", planarconfig="contig")
    with pytest.raises(AssayError, match=r"5 bands. Give bands=\[i,j,k\] of 0\.\.4"):
        geotiff.read(path)
    np.testing.assert_array_equal(geotiff.read(path, bands=(4, 2, 0)).rgb, five[..., [4, 2, 0]])
    with pytest.raises(AssayError, match=r"It has bands 0\.\.4"):
        geotiff.read(path, bands=(0, 1, 5))
    with pytest.raises(AssayError, match="2 bands"):
        geotiff.read(
            write(tmp_path / "2.tif", RGB[..., :2], photometric="minisblack", planarconfig="contig")
        )


def test_transparent_pixels_hold_no_data(tmp_path: Path) -> None:
    alpha = np.full((40, 56, 1), 255, np.uint8)
    alpha[:5] = 0
    path = write(
        tmp_path / "a.tif", np.concatenate([RGB, alpha], -1), photometric="rgb", extrasamples=[2]
    )
    got = geotiff.read(path)
    assert got.nodata is not None
    np.testing.assert_array_equal(got.nodata, alpha[..., 0] == 0)
    assert (got.rgb[:5] == 0).all()
    np.testing.assert_array_equal(got.rgb[5:], RGB[5:])


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_other_depths_are_stretched_not_clipped(tmp_path: Path, dtype: type) -> None:
    """Defect 8 of the origin: a 16-bit image became white."""
    deep = (RGB.astype(np.float64) * 40 + 1000).astype(dtype)
    path = write(tmp_path / "a.tif", deep, photometric="rgb")
    got = geotiff.read(path)
    few = deep[::8, ::8].astype(np.float64)
    for band in range(3):
        low, high = np.percentile(few[..., band], (2, 98))
        want = 255 * np.interp(deep[..., band], [low, high], [0, 1])
        assert np.abs(got.rgb[..., band] - want).max() <= 0.5 + 1e-9
    assert 100 < got.rgb.mean() < 155
    assert sum("stretched from" in n for n in got.notes) == 3
    with pytest.raises(AssayError, match=r"not 8 bits\. Give stretch=percentile"):
        geotiff.read(path, stretch="none")


def test_nan_holds_no_data(tmp_path: Path) -> None:
    deep = RGB.astype(np.float32)
    deep[3, 4] = np.nan
    got = geotiff.read(write(tmp_path / "a.tif", deep, photometric="rgb"))
    assert got.nodata is not None
    assert np.argwhere(got.nodata).tolist() == [[3, 4]]
    assert (got.rgb[3, 4] == 0).all()


def test_the_files_own_nodata_value(tmp_path: Path) -> None:
    deep = RGB.astype(np.uint16) + 7
    deep[:2] = 0
    path = write(
        tmp_path / "a.tif", deep, photometric="rgb", extratags=[(42113, "s", 0, "0", True)]
    )
    got = geotiff.read(path)
    assert got.nodata is not None
    assert np.flatnonzero(got.nodata.any(1)).tolist() == [0, 1]


def test_one_bit_and_palette(tmp_path: Path) -> None:
    from PIL import Image

    bits = RGB[..., 0] > 127
    Image.fromarray(bits).save(tmp_path / "bits.tif")
    np.testing.assert_array_equal(
        geotiff.read(tmp_path / "bits.tif").rgb, np.repeat(bits[..., None] * 255, 3, -1)
    )
    image = Image.fromarray(RGB).quantize(16)
    image.save(tmp_path / "palette.tif")
    np.testing.assert_array_equal(
        geotiff.read(tmp_path / "palette.tif").rgb, np.asarray(image.convert("RGB"))
    )


def test_compressed_without_imagecodecs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", RGB, photometric="rgb", compression="lzw", predictor=True)
    page = tifffile.TiffPage

    def asarray(self: Any, *_: Any, **__: Any) -> Any:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(page, "asarray", asarray)
    np.testing.assert_array_equal(geotiff.read(path).rgb, RGB)
    deep = write(tmp_path / "b.tif", RGB.astype(np.uint16), photometric="rgb", compression="lzw")
    with pytest.raises(AssayError, match=r"imagecodecs.*Install the extra"):
        geotiff.read(deep)


def test_files_that_are_no_images(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="no image"):
        geotiff.read(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_text("hello")
    with pytest.raises(AssayError, match="not a readable TIFF"):
        geotiff.read(tmp_path / "a.tif")
    path = write(tmp_path / "b.tif", RGB, photometric="rgb")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(AssayError, match="not a readable TIFF"):
        geotiff.read(path)


def test_the_real_sample() -> None:
    got = geotiff.read(SAMPLE)
    assert got.rgb.shape == (1300, 1300, 3)
    assert got.geo is not None
    assert got.geo.epsg == 4326
    assert got.geo.metres is not None
    high, wide = got.geo.metres
    assert high == pytest.approx(0.30, abs=0.005)  # square degrees are no square metres
    assert wide == pytest.approx(0.24, abs=0.005)
    x, y = got.geo.to_map(649.5, 649.5)
    assert x == pytest.approx(-115.1706276 + 650 * 2.7e-6, abs=1e-9)
    assert y == pytest.approx(36.2406177 - 650 * 2.7e-6, abs=1e-7)


def test_web_mercator_metres_shrink_with_latitude(tmp_path: Path) -> None:
    lat = 60.0
    y = 6378137 * math.log(math.tan(math.pi / 4 + math.radians(lat) / 2))
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 3857)
    path = write(
        tmp_path / "a.tif",
        RGB,
        photometric="rgb",
        extratags=[
            (33550, "d", 3, (2.0, 2.0, 0.0), True),
            (33922, "d", 6, (0.0, 0.0, 0.0, 1000.0, y, 0.0), True),
            (34735, "H", len(keys), keys, True),
        ],
    )
    geo = geotiff.read(path).geo
    assert geo is not None
    assert geo.epsg == 3857
    assert geo.metres == pytest.approx((1.0, 1.0), rel=1e-6)  # cos 60 degrees is a half


@pytest.mark.parametrize(
    ("keys", "metres"),
    [
        ((3072, 0, 1, 2227, 3076, 0, 1, 9003), 2 * 1200 / 3937),  # California in survey feet
        ((3072, 0, 1, 32767, 3076, 0, 1, 9001), 2.0),  # a projection of one's own, in metres
        ((3072, 0, 1, 32767, 1025, 0, 1, 1), None),  # ... in who knows what
        ((3072, 0, 1, 32611, 1025, 0, 1, 1), 2.0),
        ((3072, 0, 1, 32611, 3076, 0, 1, 9030), None),  # nautical miles
        ((), None),  # where a pixel lies, but not in which units
    ],
)
def test_metres_are_known_where_the_file_tells_its_units(
    tmp_path: Path, keys: tuple[int, ...], metres: float | None
) -> None:
    words = (1, 1, 0, 1 + len(keys) // 4, 1024, 0, 1, 1, *keys)
    tags = [
        (33550, "d", 3, (2.0, 2.0, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 1000.0, 5000.0, 0.0), True),
    ]
    tags += [(34735, "H", len(words), words, True)] if keys else []
    geo = geotiff.read(write(tmp_path / "a.tif", RGB, photometric="rgb", extratags=tags)).geo
    assert geo is not None
    assert geo.to_map(0, 0) == (1001.0, 4999.0)
    assert geo.metres == (None if metres is None else pytest.approx((metres, metres)))


def test_tifffile_is_not_loaded_by_the_declaration() -> None:
    import subprocess

    code = "import sys, tasks.route; print('tifffile' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
