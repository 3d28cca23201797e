"""GeoTIFF in: any bands and depths become uint8 RGB, by stated rules; nothing is guessed.

Bands: 1 is repeated, 3 are RGB, 4 are RGB and alpha, more need `bands`. Depths other than 8 bits
are stretched from the 2nd to the 98th percentile of a 1/8 sub-grid, and the report says so.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import AssayError

PERCENTILES = (2.0, 98.0)
SUBGRID = 8
DEGREE_M = 111_320.0  # one degree of latitude, metres
EARTH_M = 6_378_137.0  # radius that Web Mercator takes
GEO_KEYS, PIXEL_SCALE, TIE_POINT, NODATA = 34735, 33550, 33922, 42113
GEOGRAPHIC, PROJECTED, MODEL, POINT, UNITS = 2048, 3072, 1024, 1025, 3076  # keys inside GEO_KEYS
USER_DEFINED = 32767  # a projection that has no code
UNIT_M = {9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937}  # metre, foot, US survey foot
WEB_MERCATOR = (3857, 3785, 900913)


class Geo(NamedTuple):
    """Where pixels lie: map x = x0 + column * dx, map y = y0 - row * dy, of pixel corners."""

    x0: float
    y0: float
    dx: float
    dy: float
    epsg: int | None
    geographic: bool
    unit_m: float | None = 1.0  # of a projected map; None: the file does not say

    @property
    def metres(self) -> tuple[float, float] | None:
        """Height and width of a pixel in metres (they may differ), where the file tells."""
        if self.geographic:
            return self.dy * DEGREE_M, self.dx * DEGREE_M * math.cos(math.radians(self.y0))
        if self.epsg in WEB_MERCATOR:  # stretched by 1 / cos of the latitude
            shrink = 1 / math.cosh(self.y0 / EARTH_M)
            return self.dy * shrink, self.dx * shrink
        return None if self.unit_m is None else (self.dy * self.unit_m, self.dx * self.unit_m)

    def to_map(self, y: float, x: float) -> tuple[float, float]:
        """Map coordinates of a pixel's centre."""
        return self.x0 + (x + 0.5) * self.dx, self.y0 - (y + 0.5) * self.dy


class Picture(NamedTuple):
    """An image as the task uses it."""

    rgb: NDArray[np.uint8]  # H W 3
    nodata: NDArray[np.bool_] | None  # H W; None: all pixels hold data
    geo: Geo | None
    notes: list[str]


def read(
    path: Path, *, bands: tuple[int, int, int] | None = None, stretch: str = "percentile"
) -> Picture:
    """The image of a TIFF file, with where it lies and what was done to it.

    Raises:
        AssayError: missing or unreadable, no pixels, bands or a depth that need an option.
    """
    array, tags = _pixels(path)
    notes: list[str] = []
    nodata = _marked(array, tags)
    chosen, alpha = _bands(array, bands, tags, path, notes)
    if alpha is not None and (alpha == 0).any():
        nodata = (alpha == 0) if nodata is None else nodata | (alpha == 0)
    bad = ~np.isfinite(chosen).all(-1) if chosen.dtype.kind == "f" else None
    if bad is not None and bad.any():
        nodata = bad if nodata is None else nodata | bad
    rgb = _depth(chosen, nodata, stretch, path, notes)
    if nodata is not None:
        nodata = nodata if nodata.any() else None
    if nodata is not None:
        rgb[nodata] = 0
        notes.append(f"{path.name}: {int(nodata.sum())} pixels without data")
    return Picture(rgb, nodata, _geo(tags), notes)


def _pixels(path: Path) -> tuple[NDArray[Any], dict[int, Any]]:
    """Pixels as H W C, and the tags that we use."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            tags = {tag.code: tag.value for tag in page.tags}
            shape = page.shape
            if not shape or 0 in shape:
                raise AssayError(f"{path} has no pixels: {shape}")
            try:
                array = page.asarray()
            except ValueError as error:  # a compression that needs imagecodecs
                if "imagecodecs" not in str(error):
                    raise
                return _pillow(path, error, page.bitspersample), tags
            if page.axes.startswith("S"):  # planar: bands first, as the file itself says
                array = np.moveaxis(array, 0, -1)
            if page.colormap is not None:  # 16-bit colours of a palette image
                colours = np.asarray(page.colormap)
                array = (np.moveaxis(colours, 0, -1)[array] >> 8).astype(np.uint8)
            elif array.dtype == bool:
                array = array.astype(np.uint8) * 255
    except FileNotFoundError as error:
        raise AssayError(f"no image {path}", "Give tif") from error
    except (tifffile.TiffFileError, ValueError, OSError, IndexError) as error:
        raise AssayError(f"{path} is not a readable TIFF ({error})", code="bad_image") from error
    return (array[..., None] if array.ndim == 2 else array), tags


def _pillow(path: Path, cause: ValueError, bits: int) -> NDArray[Any]:
    """8-bit pixels of a compression that tifffile needs imagecodecs for."""
    from PIL import Image

    install = "Install the extra: pip install 'assay[geo]'"
    if bits > 8:  # Pillow would keep the high byte and say nothing
        raise AssayError(f"{path} has {bits} bits: {cause}", install)
    Image.MAX_IMAGE_PIXELS = None  # a map of 20k x 20k is no attack
    try:
        with Image.open(path, formats=["TIFF"]) as image:
            shown = image.convert("RGB") if image.mode == "P" else image
            array = np.asarray(shown)
            array = array.astype(np.uint8) * 255 if array.dtype == bool else array
    except OSError as error:
        raise AssayError(
            f"{path}: {cause}; Pillow cannot read it either ({error})",
            install,
        ) from error
    return array[..., None] if array.ndim == 2 else array


def _marked(array: NDArray[Any], tags: dict[int, Any]) -> NDArray[np.bool_] | None:
    """Pixels that hold the file's no-data value in every band."""
    if NODATA not in tags:
        return None
    try:
        value = float(str(tags[NODATA]).strip("\0 "))
    except ValueError:
        return None
    marked: NDArray[np.bool_] = (
        np.isnan(array).all(-1) if math.isnan(value) else (array == value).all(-1)
    )
    return marked


def _bands(
    array: NDArray[Any],
    bands: tuple[int, int, int] | None,
    tags: dict[int, Any],
    path: Path,
    notes: list[str],
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Three bands, and alpha where there is one."""
    count = array.shape[-1]
    if bands is not None:
        if not all(0 <= b < count for b in bands):
            raise AssayError(f"bands {bands} of {path.name}", f"It has bands 0..{count - 1}")
        return array[..., list(bands)], None
    if count == 1:
        notes.append(f"{path.name} has one band: repeated as grey")
        return np.repeat(array, 3, -1), None
    if count == 3:
        return array, None
    if count == 4:
        return array[..., :3], array[..., 3]
    raise AssayError(
        f"{path.name} has {count} bands", f"Give bands=[i,j,k] of 0..{count - 1} for R,G,B"
    )


def _depth(
    array: NDArray[Any],
    nodata: NDArray[np.bool_] | None,
    stretch: str,
    path: Path,
    notes: list[str],
) -> NDArray[np.uint8]:
    """8 bits as they are; others by a linear stretch of each band."""
    if array.dtype == np.uint8:
        return array.copy()
    if stretch == "none":
        raise AssayError(f"{path.name} is {array.dtype}, not 8 bits", "Give stretch=percentile")
    out = np.zeros(array.shape, np.uint8)
    for band in range(3):
        values = array[..., band].astype(np.float64)
        few = values[::SUBGRID, ::SUBGRID]
        seen = few[
            np.isfinite(few) & (~nodata[::SUBGRID, ::SUBGRID] if nodata is not None else True)
        ]
        if not seen.size:
            raise AssayError(f"{path.name}: band {band} has no finite pixels")
        low, high = np.percentile(seen, PERCENTILES)
        share = (np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-12)
        out[..., band] = np.rint(255 * np.clip(share, 0, 1))
        notes.append(f"{path.name}: band {band} {array.dtype} stretched from {low:g}..{high:g}")
    return out


def _geo(tags: dict[int, Any]) -> Geo | None:
    """Pixel scale, tie point and EPSG code, where the file has them."""
    if PIXEL_SCALE not in tags or TIE_POINT not in tags:
        return None
    dx, dy = map(float, tags[PIXEL_SCALE][:2])
    column, row, _, x, y = map(float, tags[TIE_POINT][:5])
    words = list(tags.get(GEO_KEYS, ()))
    keys = {words[i]: words[i + 3] for i in range(4, len(words) - 3, 4)}
    geographic = keys.get(MODEL) == 2
    epsg = keys.get(GEOGRAPHIC if geographic else PROJECTED)
    corner = 0.5 if keys.get(POINT) == 2 else 0.0  # PixelIsPoint: the tie is a pixel's centre
    x0, y0 = x - (column + corner) * dx, y + (row + corner) * dy
    told = epsg not in (None, 0, USER_DEFINED)
    unit_m = UNIT_M.get(keys[UNITS]) if UNITS in keys else 1.0 if told else None
    return Geo(x0, y0, dx, dy, epsg, geographic, unit_m)
