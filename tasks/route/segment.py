"""The road probability of a whole image: sliding windows, blended, smoothed once, and kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from core.errors import AssayError
from core.kit.tiles import stitch
from tasks.route.city.paint import smooth_noise
from tasks.route.config import RouteConfig
from tasks.route.geotiff import Picture
from tasks.route.log import say
from tasks.route.models.samroad import CELL, SamRoad
from tasks.route.partial import Predict, kept

Map = NDArray[np.float32]  # H W in [0, 1]
VERSION = 1  # of the stitching: part of what a cached map belongs to
STRIP = 8  # rows of cells decoded at once: 128 pixels
RANGE = 1e-3  # how far a cached map may leave [0, 1]


def probability(
    cfg: RouteConfig,
    net: nn.Module,
    picture: Picture,
    device: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
    features: Path | None = None,
) -> Map:
    """Road probability of every pixel, H W; from the cache when it holds this very map.

    `features`: SAM-Road's encoder output of the whole image, decoded in place of the image.
    """
    belongs = fingerprint(cfg, net, picture, features) if cfg.cache_prob else {}
    if cfg.cache_prob:
        found = recall(cfg.cache_prob, belongs, picture.rgb.shape[:2], cfg.cache_policy)
        if found is not None:
            return found
    if features is not None:
        prob = _finished(cfg, picture, decoded(net, features, picture.rgb.shape[:2], device))
    else:
        prob = _segment(cfg, net, picture, device, progress, belongs)
    if cfg.cache_prob:
        keep(cfg.cache_prob, prob, belongs)
    return prob


@torch.no_grad()
def _segment(
    cfg: RouteConfig,
    net: nn.Module,
    picture: Picture,
    device: str,
    progress: Callable[[int, int], None],
    belongs: dict[str, Any],
) -> Map:
    """The stitched windows; those of a run that was cut off are read where there is a cache."""
    image = torch.from_numpy(picture.rgb).permute(2, 0, 1)
    side = patch_of(cfg, net)
    net.eval()

    def windows(rgb: Tensor) -> Tensor:
        made: Tensor = net(rgb).sigmoid()
        if cfg.tta == "flip":
            for axes in ((-1,), (-2,), (-1, -2)):
                made = made + net(rgb.flip(axes)).sigmoid().flip(axes)
            made = made / 4
        return made[:, None]

    predict: Predict = windows
    with contextlib.ExitStack() as stack:
        if cfg.cache_prob:
            about = {**belongs, "batch": cfg.infer_batch}
            predict = stack.enter_context(kept(cfg.cache_prob, about, predict))
        made = stitch(
            image,
            predict,
            tile=side,
            stride=min(cfg.stride, side),
            batch=cfg.infer_batch,
            device=device,
            progress=progress,
        )
    return _finished(cfg, picture, made[0].numpy())


@torch.no_grad()
def decoded(net: nn.Module, path: Path, shape: tuple[int, ...], device: str) -> Map:
    """Road probability H W from encoder features C ceil(H/16) ceil(W/16), strip by strip.

    The decoder's layers each work inside one cell of 16 pixels: strips leave no seam.

    Raises:
        AssayError: not readable, another shape, no floats, or not finite.
    """
    assert isinstance(net, SamRoad)
    try:
        features = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise AssayError(f"{path} cannot be read as an array ({error})") from error
    wanted = (net.shape.neck, *(-(-n // CELL) for n in shape))
    if features.shape != wanted or features.dtype.kind != "f":
        raise AssayError(
            f"{path} is {features.dtype} {features.shape}, the image needs floats {wanted}",
            "Make it again, or cached_features=false",
        )
    net.eval()
    rows = []
    for first in range(0, wanted[1], STRIP):
        part = torch.from_numpy(features[:, first : first + STRIP].astype(np.float32))[None]
        rows.append(net.decode(part.to(device)).sigmoid()[0].cpu().numpy())
    prob: Map = np.concatenate(rows)[: shape[0], : shape[1]]
    return prob


def _finished(cfg: RouteConfig, picture: Picture, prob: Map) -> Map:
    """Blurred once, no road where there is no data."""
    if cfg.smooth_sigma:
        prob = gaussian_filter(prob, cfg.smooth_sigma, mode="nearest").astype(np.float32)
    if picture.nodata is not None:
        prob[picture.nodata] = 0
    if not np.isfinite(prob).all():
        raise AssayError("the network gives NaN or infinite probabilities", "Check its weights")
    return prob.clip(0, 1).astype(np.float32, copy=False)


def patch_of(cfg: RouteConfig, net: nn.Module) -> int:
    """Side of a window: fixed by the network's position table, else by the config."""
    own = getattr(net, "patch", None)
    return int(own) if own else cfg.patch


def degraded(mask: NDArray[np.uint8], noise: float, seed: int) -> Map:
    """A road mask as probability. `noise` weakens roads and raises the land, in smooth patches."""
    prob: Map = mask.astype(np.float32) / np.float32(255)
    if noise:
        rng = np.random.default_rng([seed, 53])
        height, width = mask.shape
        weak, false = (smooth_noise(rng, height, width, 24) for _ in range(2))
        a = np.float32(noise)
        prob = prob * (1 - a * weak) + (1 - prob) * (a / 2) * false
    return prob


def fingerprint(
    cfg: RouteConfig, net: nn.Module, picture: Picture, features: Path | None = None
) -> dict[str, Any]:
    """All that a map depends on."""
    pixels = hashlib.sha256(picture.rgb.tobytes())
    if picture.nodata is not None:
        pixels.update(picture.nodata.tobytes())
    weights = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        weights.update(name.encode())
        weights.update(tensor.detach().cpu().numpy().tobytes())
    return {
        "pixels": pixels.hexdigest(),
        "checkpoint": weights.hexdigest(),
        "model": type(net).__name__,
        "patch": patch_of(cfg, net),
        "stride": cfg.stride,
        "sigma": cfg.smooth_sigma,
        "tta": cfg.tta,
        "version": VERSION,
        **({"features": hashlib.sha256(features.read_bytes()).hexdigest()} if features else {}),
    }


def recall(path: Path, belongs: dict[str, Any], shape: tuple[int, ...], policy: str) -> Map | None:
    """The cached map, or None when it must be made again (said on stderr, with the reason).

    Raises:
        AssayError: values that are no probabilities; with policy `error`, a map of something else.
    """
    side = path.with_suffix(".json")
    if not path.exists():
        return None
    try:
        raw = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        return _stale(path, f"it cannot be read ({error})", policy)
    if raw.shape != tuple(shape):
        return _stale(path, f"it is {raw.shape}, the image {tuple(shape)}", policy)
    if not side.exists():
        prob = _as_probability(path, raw)
        say(f"{path} has no {side.name}: taken as it is, nobody knows which image it belongs to")
        return prob
    try:
        theirs = json.loads(side.read_text())
    except ValueError as error:
        return _stale(path, f"{side.name} cannot be read ({error})", policy)
    if not isinstance(theirs, dict) or theirs.get("map") != _digest(raw):
        return _stale(path, f"it is not the map that {side.name} describes", policy)
    differing = sorted(k for k, v in belongs.items() if theirs.get(k) != v)
    if differing and policy != "trust":
        return _stale(path, f"it belongs to other {', '.join(differing)}", policy)
    return _as_probability(path, raw)


def _stale(path: Path, why: str, policy: str) -> Map | None:
    """None, said on stderr; or the refusal that the policy asks for."""
    if policy == "error":
        raise AssayError(
            f"cached probability {path}: {why}", "Delete it, or cache_policy=check", code="cache"
        )
    say(f"{path} is made again: {why}")
    return None


def _as_probability(path: Path, raw: NDArray[Any]) -> Map:
    """Floats as they are, bytes over 255."""
    if raw.dtype == np.uint8:
        return raw.astype(np.float32) / np.float32(255)
    if raw.dtype not in (np.float16, np.float32, np.float64):
        raise AssayError(f"{path} holds {raw.dtype}", "A probability map is float or uint8")
    low, high = float(raw.min()), float(raw.max())
    if not (low >= -RANGE and high <= 1 + RANGE):  # NaN too
        raise AssayError(f"{path} holds values from {low:g} to {high:g}, no probabilities")
    return raw.astype(np.float32).clip(0, 1)


def keep(path: Path, prob: Map, belongs: dict[str, Any]) -> None:
    """Write side-car and map, each whole or not at all; a torn pair does not fit together."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps({**belongs, "map": _digest(prob)}, indent=1))
    fresh.rename(path.with_suffix(".json"))
    with fresh.open("wb") as file:
        np.save(file, prob)
    fresh.rename(path)


def _digest(array: NDArray[Any]) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
