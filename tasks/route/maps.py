"""The probability map of each image, made once a process while the network stays as it is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from core.contract import Run
from core.errors import AssayError
from tasks.route import segment
from tasks.route.config import RouteConfig
from tasks.route.log import say
from tasks.route.regions import Region

KEPT = 4  # maps; one of 3000 x 3000 is 36 MB


class Made(NamedTuple):
    """A map and the seconds that it took."""

    prob: segment.Map
    seconds: float


def _tell(run: Run) -> Callable[[int, int], None]:
    """Says how far a long segmentation is: a bar after two seconds, a line each ten."""
    began = told = time.monotonic()
    before = 0  # windows of the first moments: those of a run that was cut off are read at once

    def tell(done: int, total: int) -> None:
        nonlocal told, before
        now = time.monotonic()
        if now - began < 1:
            before = done
        if now - began > 2:
            run.progress(done, total, "windows")
        if now - told > 10 and done < total:
            told = now
            left = (now - began) * (total - done) / max(done - before, 1)
            say(f"window {done} of {total}, {left:.0f} s left")

    return tell


_made: dict[str, Made] = {}


def of(cfg: RouteConfig, net: nn.Module, region: Region, run: Run) -> Made:
    """The road probability of a region, by the network or from its mask.

    Raises:
        AssayError: model=mask without a mask, cached_features without features.
    """
    if cfg.model == "mask":
        if region.mask is None:
            raise AssayError(f"model=mask needs the road mask of {region.name}", "Give mask")
        began = time.perf_counter()
        prob = segment.degraded(region.mask, cfg.mask_noise, run.seed)
        return Made(prob, time.perf_counter() - began)
    features = region.features if cfg.cached_features else None
    if cfg.cached_features and features is None:
        raise AssayError(
            f"no samroad_feat_full_*.npy beside the image of {region.name}",
            "Add it, or cached_features=false",
        )
    belongs = segment.fingerprint(cfg, net, region.picture, features)
    key = json.dumps([belongs, str(cfg.cache_prob)])
    if key not in _made:
        while len(_made) >= KEPT:
            _made.pop(next(iter(_made)))
        began = time.perf_counter()
        prob = segment.probability(cfg, net, region.picture, run.device, _tell(run), features)
        _made[key] = Made(prob, time.perf_counter() - began)
    return _made[key]
