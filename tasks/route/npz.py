"""Distance files: nodes on the road and the shortest distance between every two of them.

Files count from the bottom left, 0..1, (x, y), distances in image heights. In memory everything is
(y, x) in pixels from the top left, and distances are pixels. No pair is NaN.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import AssayError

NEEDED = ("matched_node_norm", "undirected_dist_norm", "meta_sat_height_px", "meta_sat_width_px")
EDGE = 1e-3  # how far a coordinate may leave [0, 1]
CLIP_PX = 0.5  # how far rounding may lead outside the image
FORMAT_VERSION = 1


class Cases(NamedTuple):
    """C cases of N nodes each."""

    yx: NDArray[np.int64]  # C N 2
    dist: NDArray[np.float64]  # C N N, pixels; 0 on the diagonal, NaN where there is no pair
    metres: float | None  # of one pixel of height, where the file says so
    notes: list[str]  # what a reader should know


def read(path: Path, height: int, width: int, *, allow_size_mismatch: bool = False) -> Cases:
    """The cases of a file that belongs to an image of that size.

    Raises:
        AssayError: missing file or key, object arrays, wrong rank or shape, NaN coordinates,
            coordinates outside the image, or another image size.
    """
    raw = _load(path)
    nodes, dist = _shapes(raw, path)
    theirs = tuple(int(raw[k].ravel()[0]) for k in NEEDED[2:])
    notes: list[str] = []
    scale = float(theirs[0])
    if theirs != (height, width):
        text = f"{path.name} was made for {theirs[0]}x{theirs[1]}, the image is {height}x{width}"
        if not allow_size_mismatch:
            raise AssayError(
                f"{text} (height x width)", "Give the right file, or allow_size_mismatch=true"
            )
        scale *= height / theirs[0]
        notes.append(text)
    yx = _pixels(nodes, height, width, path)
    far = dist * scale
    own = np.eye(far.shape[-1], dtype=bool)
    far = np.where(np.isfinite(far) & (far > 0), far, np.nan)
    far[:, own] = 0.0
    notes += _oddities(yx, far, path)
    ref = raw.get("meta_distance_ref_m")
    metres = float(ref.ravel()[0]) / scale if ref is not None else None
    return Cases(yx, far, metres, notes)


def _load(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            found = {k: file[k] for k in file.files if "directed_dist" not in k or k in NEEDED}
    except FileNotFoundError as error:
        raise AssayError(f"no distance file {path}", "Give npz, or another p_count") from error
    except (
        OSError,
        ValueError,
        EOFError,
        zipfile.BadZipFile,
    ) as error:  # cut short, not a zip, or object arrays
        raise AssayError(f"{path} cannot be read as NPZ of plain arrays ({error})") from error
    missing = [k for k in NEEDED if k not in found]
    if missing:
        raise AssayError(f"{path} lacks {', '.join(missing)}", f"Found: {', '.join(sorted(found))}")
    return found


def _shapes(
    raw: dict[str, NDArray[np.generic]], path: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes = np.asarray(raw[NEEDED[0]], np.float64)
    dist = np.asarray(raw[NEEDED[1]], np.float64)
    nodes = nodes[None] if nodes.ndim == 2 else nodes
    dist = dist[None] if dist.ndim == 2 else dist
    if nodes.ndim != 3 or nodes.shape[2] != 2:
        raise AssayError(f"{path}: {NEEDED[0]} is C N 2 or N 2, got {nodes.shape}")
    cases, n = nodes.shape[:2]
    if dist.shape != (cases, n, n):
        raise AssayError(f"{path}: {NEEDED[1]} must be {(cases, n, n)}, got {dist.shape}")
    return nodes, dist


def to_pixels(nodes: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """(x, y) from the bottom left, 0..1, as (y, x) pixels from the top left; not rounded."""
    return np.stack([(1 - nodes[..., 1]) * (height - 1), nodes[..., 0] * (width - 1)], -1)


def to_norm(yx: NDArray[np.floating], height: int, width: int) -> NDArray[np.float64]:
    """The inverse of `to_pixels`."""
    yx = np.asarray(yx, np.float64)
    return np.stack([yx[..., 1] / (width - 1), 1 - yx[..., 0] / (height - 1)], -1)


def _pixels(nodes: NDArray[np.float64], height: int, width: int, path: Path) -> NDArray[np.int64]:
    if not np.isfinite(nodes).all():
        raise AssayError(f"{path}: {NEEDED[0]} holds NaN or infinite coordinates")
    beyond = np.maximum(-nodes, nodes - 1).max(initial=0)
    if beyond > EDGE:
        worst = nodes[np.unravel_index(np.argmax(np.maximum(-nodes, nodes - 1)), nodes.shape)]
        raise AssayError(f"{path}: coordinate {worst:.4f} lies outside [0, 1]")
    exact = to_pixels(nodes, height, width)
    last = np.array([height - 1, width - 1])
    out = np.maximum(-exact, exact - last).max(initial=0)
    if out > CLIP_PX:
        raise AssayError(f"{path}: a node lies {out:.2f} px outside the image")
    return np.clip(np.rint(exact), 0, last).astype(np.int64)


def _oddities(yx: NDArray[np.int64], dist: NDArray[np.float64], path: Path) -> list[str]:
    """Distances that differ by direction, or are shorter than the straight line."""
    notes = []
    back = dist.transpose(0, 2, 1)
    uneven = np.abs(dist - back) > 1e-6 * np.maximum(dist, back)
    if uneven.any():
        notes.append(f"{path.name}: {int(uneven.sum()) // 2} distances differ by direction")
    step = (yx[:, :, None] - yx[:, None]).astype(np.float64)
    short = np.sqrt((step * step).sum(-1)) - dist > 2
    if short.any():
        notes.append(f"{path.name}: {int(short.sum()) // 2} distances are below the straight line")
    return notes


def write(
    path: Path,
    yx: NDArray[np.floating],
    dist: NDArray[np.float64],
    height: int,
    width: int,
    metres: float | None = None,
) -> Path:
    """The file for nodes C N 2 (y, x pixels, fractions kept) and distances C N N (inf: no pair)."""
    step = np.asarray(yx, np.float64)[:, :, None] - np.asarray(yx, np.float64)[:, None]
    arrays = {
        NEEDED[0]: to_norm(yx, height, width),
        NEEDED[1]: dist / height,
        "euclidean_dist_norm": np.sqrt((step * step).sum(-1)) / height,
        NEEDED[2]: np.array([height]),
        NEEDED[3]: np.array([width]),
        "format_version": np.array([FORMAT_VERSION]),
    }
    if metres is not None:
        arrays["meta_distance_ref_m"] = np.array([height * metres])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path
