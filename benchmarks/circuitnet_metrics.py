"""Scoring 32 maps of 256 x 256: ours in one batch against the official way, CPU seconds.

The peer is written here from the definitions, with the libraries that CircuitNet's test code calls
(OpenCV's filter2D, SciPy's wasserstein_distance, scikit-image's normalized_root_mse), map by map,
each metric called twice for each map, as that code does. It counts levels with NumPy where the
official code loops over pixels in Python, so the official code is slower still; `pixel_loop` is
that loop on one map. Both must agree to 1e-9, or there is no result.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.circuitnet import metrics

MAPS, SIDE, REPEATS = 32, 256, 3
Levels = NDArray[np.uint8]


def maps() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sparse smooth labels and noisy predictions."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    t = np.stack([gaussian_filter(rng.normal(size=(SIDE, SIDE)), 3) for _ in range(MAPS)])
    t = np.clip(6 * t, 0, 1).astype(np.float32)
    return t, np.clip(0.7 * t + 0.2 * rng.random(t.shape), 0, 1).astype(np.float32)


def peer_nrms(a: Levels, b: Levels) -> float:
    from skimage.metrics import normalized_root_mse

    return float(normalized_root_mse(a.ravel(), b.ravel(), normalization="min-max"))


def peer_ssim(a: Levels, b: Levels) -> float:
    import cv2

    kernel = cv2.getGaussianKernel(11, 1.5)
    window = kernel @ kernel.T
    x, y = a.astype(np.float64), b.astype(np.float64)

    def smooth(image: Any) -> Any:
        return cv2.filter2D(image, -1, window)[5:-5, 5:-5]

    mx, my = smooth(x), smooth(y)
    vx, vy, cov = smooth(x * x) - mx * mx, smooth(y * y) - my * my, smooth(x * y) - mx * my
    c1, c2 = 2.55**2, 7.65**2
    value = (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(value.mean())


def peer_emd(a: Levels, b: Levels, count: Callable[[Any], Any] | None = None) -> float:
    from scipy.stats import wasserstein_distance

    count = count or (lambda image: np.bincount(image.ravel(), minlength=256) / image.size)
    found = []
    for image in (a, b):
        share = count(image)
        equal = (255 * np.array([share[: v + 1].sum() for v in range(256)])).astype(np.int64)
        found.append(count(equal[image]))
    return float(wasserstein_distance(*found))


def pixel_loop(image: Levels) -> NDArray[np.float64]:
    """Level frequencies, as the official code counts them."""
    hist = [0.0] * 256
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            hist[image[i, j]] += 1
    return np.array(hist) / image.size


def official_way(t: NDArray[np.float32], p: NDArray[np.float32]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"nrms": [], "ssim": [], "emd": []}
    for a, b in zip(t, p, strict=True):
        for name, metric in (("nrms", peer_nrms), ("ssim", peer_ssim), ("emd", peer_emd)):
            for _ in range(2):  # once to see whether it is 1, once to add it
                x, y = (np.rint(np.clip(m, 0, 1) * 255).astype(np.uint8) for m in (a, b))
                value = metric(x, y)
            found[name].append(value)
    return found


def seconds(call: Callable[[], Any]) -> float:
    """Least CPU seconds of a call."""
    took = []
    for _ in range(REPEATS):
        begin = time.process_time()
        call()
        took.append(time.process_time() - begin)
    return min(took)


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    import cv2

    cv2.setNumThreads(1)
    t, p = maps()
    label, pred = torch.from_numpy(t), torch.from_numpy(p)
    ours, peer = metrics.score(label, pred, metrics.OFFICIAL), official_way(t, p)
    for name in metrics.OFFICIAL:
        np.testing.assert_allclose(ours[name], peer[name], rtol=0, atol=1e-9)
    ours_s = seconds(lambda: metrics.score(label, pred, metrics.OFFICIAL))
    all_s = seconds(lambda: metrics.score(label, pred))
    peer_s = seconds(lambda: official_way(t, p))
    levels = (t[0] * 255).astype(np.uint8)
    loop_s = seconds(lambda: peer_emd(levels, levels, pixel_loop))
    result = {
        "benchmark": "circuitnet_metrics",
        "maps": MAPS,
        "ours_ms_a_map": 1e3 * ours_s / MAPS,
        "ours_all_metrics_ms_a_map": 1e3 * all_s / MAPS,
        "peer_ms_a_map": 1e3 * peer_s / MAPS,
        "peer_emd_pixel_loop_ms": 1e3 * loop_s,
        "ratio": peer_s / ours_s,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
