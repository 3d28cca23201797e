"""How well a predicted map matches the label, one number for each map of a batch.

`nrms`, `ssim` and `emd` are CircuitNet's own (`utils/metrics.py`), reproduced with their oddities
because all published figures use them; the others say what those leave out. Both maps are cut to
[0, 1] and brought to 8 bits first, as officially; then all but SSIM follows from the histogram of
level pairs.

Legend: t label, p prediction; N maps of X x Y gcells; B = 256 levels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core.errors import AssayError, unknown

Floats = NDArray[np.float64]
Levels = NDArray[np.uint8]
Aggregate = Literal["compat", "strict"]

LEVELS = 256
CONSTANT_LABEL = 0.05  # the official NRMS where the label has no range and is missed
HOT = (0.1, 0.2, 0.3)  # labels above are hotspots
PEAKS = (0.005, 0.01, 0.02, 0.05)  # shares of the gcells with the highest labels
WINDOW, SIGMA = 11, 1.5


class Pair(NamedTuple):
    """A batch in 8 bits."""

    t: Levels  # N X Y
    p: Levels  # N X Y
    joint: Floats  # N B B: how many gcells have label level i and predicted level j
    hist_t: Floats  # N B
    hist_p: Floats  # N B


def eight_bits(a: Tensor) -> Levels:
    """Levels 0..255 of maps in [0, 1], cut at the ends; halves go to the even level."""
    return (a.detach().float().clamp(0, 1) * 255).round().byte().cpu().numpy()


def pair(label: Tensor, pred: Tensor) -> Pair:
    """Both maps of a batch, N X Y, in 8 bits. From a GPU only these bytes travel.

    Raises:
        AssayError: shapes differ, are not N X Y, or a value is not finite.
    """
    from tasks.circuitnet import metric_kernels

    if label.shape != pred.shape or label.ndim != 3:
        raise AssayError(
            f"label {tuple(label.shape)} and prediction {tuple(pred.shape)}", "Both are N X Y"
        )
    for name, a in (("label", label), ("prediction", pred)):
        if not bool(a.isfinite().all()):
            raise AssayError(f"the {name} has values that are NaN or infinite")
    t, p = eight_bits(label), eight_bits(pred)
    joint = metric_kernels.joint(t, p)
    return Pair(t, p, joint, joint.sum(2), joint.sum(1))


def nrms(both: Pair) -> Floats:
    """Root mean squared error over the label's range; NaN where both maps are one same level."""
    level = np.arange(LEVELS)
    squared = (both.joint * (level[:, None] - level) ** 2).sum((1, 2))
    rms = np.sqrt(squared / both.joint.sum((1, 2)))
    span = _range(both.hist_t)
    missed = np.where(rms > 0, CONSTANT_LABEL, np.nan)
    return cast(Floats, np.where(span > 0, rms / np.maximum(span, 1), missed))


def _range(hist: Floats) -> Floats:
    """Highest level less lowest level of each histogram."""
    some = hist > 0
    return cast(Floats, (LEVELS - 1 - some[:, ::-1].argmax(1) - some.argmax(1)).astype(np.float64))


def ssim(both: Pair) -> Floats:
    """Structural similarity: Gaussian window, no padding, biased moments, data range 255.

    Wang et al. 2004, in double: the window of core.kit.image.ssim is float32, which is 1e-6 off.
    """
    from tasks.circuitnet import metric_kernels

    x, y = both.t.shape[1:]
    if min(x, y) < WINDOW:
        raise AssayError(f"SSIM needs maps of at least {WINDOW}x{WINDOW}, got {x}x{y}")
    window = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found: Floats = metric_kernels.ssim(both.t, both.p, window / window.sum(), c1, c2)
    return found


def emd(both: Pair) -> Floats:
    """The official "earth mover's distance": equalised maps, level *frequencies* as samples.

    It compares neither images nor distributions of values (that is `emd_true`): two maps with one
    level each are at 0 whatever the levels.
    """
    t, p = (np.sort(_equalised(hist), axis=1) for hist in (both.hist_t, both.hist_p))
    found: Floats = np.abs(t - p).mean(1)  # the Wasserstein distance of two equal-sized samples
    return found


def _equalised(hist: Floats) -> Floats:
    """Level frequencies after level v has become floor(255 cdf(v)): N B."""
    share = hist / hist.sum(1, keepdims=True)
    to = np.floor(255 * share.cumsum(1)).astype(np.int64)
    out = np.zeros_like(hist)
    np.add.at(out, (np.arange(len(hist))[:, None], to), hist)
    return cast(Floats, out / hist.sum(1, keepdims=True))


def emd_true(both: Pair) -> Floats:
    """Earth mover's distance between the maps' distributions of values, in [0, 1]."""
    gap = (both.hist_t - both.hist_p).cumsum(1) / both.hist_t.sum(1, keepdims=True)
    found: Floats = np.abs(gap).sum(1) / (LEVELS - 1)
    return found


def f1(both: Pair, hot: float) -> Floats:
    """F1 of "above `hot`" in both maps; NaN where neither has such a gcell."""
    first = _first_above(hot)
    hit = both.joint[:, first:, first:].sum((1, 2))
    all_hot = both.hist_t[:, first:].sum(1) + both.hist_p[:, first:].sum(1)
    return np.where(all_hot > 0, 2 * hit / np.maximum(all_hot, 1), np.nan)


def average_precision(both: Pair, hot: float) -> Floats:
    """Area under precision over recall of the prediction as a score for "label above `hot`".

    Sum of (recall step) x precision over the 256 levels, from the highest; NaN without a hotspot.
    """
    first = _first_above(hot)
    hits = both.joint[:, first:].sum(1)[:, ::-1]  # N B, highest predicted level first
    named = both.hist_p[:, ::-1].cumsum(1)
    precision = hits.cumsum(1) / np.maximum(named, 1)
    total = hits.sum(1)
    return np.where(total > 0, (hits * precision).sum(1) / np.maximum(total, 1), np.nan)


def _first_above(hot: float) -> int:
    """The lowest level that stands for a value above `hot`."""
    return int(np.floor(hot * 255)) + 1


def peak_nrms(both: Pair, share: float) -> Floats:
    """NRMS over the `share` of gcells with the highest labels, those that tie with the last too.

    Divided by the whole label's range; NaN where it has none.
    """
    level = np.arange(LEVELS)
    squared = (both.joint * (level[:, None] - level) ** 2).sum(2)[:, ::-1].cumsum(1)
    count = both.hist_t[:, ::-1].cumsum(1)
    wanted = np.maximum(1, np.rint(share * count[:, -1]))
    cut = (count >= wanted[:, None]).argmax(1)[:, None]
    error, number = (np.take_along_axis(a, cut, 1)[:, 0] for a in (squared, count))
    span = _range(both.hist_t)
    return np.where(span > 0, np.sqrt(error / number) / np.maximum(span, 1), np.nan)


def pearson(both: Pair) -> Floats:
    """Correlation of the levels; NaN where a map is constant."""
    level = np.broadcast_to(np.arange(LEVELS, dtype=np.float64), both.hist_t.shape)
    return _correlation(both, level, level)


def spearman(both: Pair) -> Floats:
    """Correlation of the ranks, ties sharing their mean rank; NaN where a map is constant."""
    ranks = [hist.cumsum(1) - (hist - 1) / 2 for hist in (both.hist_t, both.hist_p)]
    return _correlation(both, *ranks)


def _correlation(both: Pair, of_t: Floats, of_p: Floats) -> Floats:
    """Pearson correlation of a number for each level (N B): from histograms, exact."""
    n = both.hist_t.sum(1, keepdims=True)
    t = of_t - (of_t * both.hist_t).sum(1, keepdims=True) / n
    p = of_p - (of_p * both.hist_p).sum(1, keepdims=True) / n
    cov = np.einsum("nij,ni,nj->n", both.joint, t, p)
    power = (t**2 * both.hist_t).sum(1) * (p**2 * both.hist_p).sum(1)
    varies = (_range(both.hist_t) > 0) & (_range(both.hist_p) > 0)
    return np.where(varies, cov / np.sqrt(np.where(varies, power, 1)), np.nan)


def mean_peak_nrms(both: Pair) -> Floats:
    """Mean of `peak_nrms` over all PEAKS."""
    found: Floats = np.mean([peak_nrms(both, share) for share in PEAKS], axis=0)
    return found


METRICS: Mapping[str, Callable[[Pair], Floats]] = {
    "nrms": nrms,
    "ssim": ssim,
    "emd": emd,
    "emd_true": emd_true,
    **{f"f1_{round(100 * h)}": functools.partial(f1, hot=h) for h in HOT},
    **{f"ap_{round(100 * h)}": functools.partial(average_precision, hot=h) for h in HOT},
    "peak_nrms": mean_peak_nrms,
    **{
        f"peak_nrms_{1000 * s:.0f}pm": functools.partial(peak_nrms, share=s) for s in PEAKS
    },  # pm: per mille
    "pearson": pearson,
    "spearman": spearman,
}
OFFICIAL = ("nrms", "ssim", "emd")


def score(label: Tensor, pred: Tensor, names: Sequence[str] = tuple(METRICS)) -> dict[str, Floats]:
    """The named metrics of every map of a batch: label and prediction N X Y, or N 1 X Y.

    Raises:
        AssayError: no such metric, or maps that cannot be compared.
    """
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    if label.ndim == 4 and label.shape[1] == 1:
        label, pred = label[:, 0], pred[:, 0]
    both = pair(label, pred)
    return {name: METRICS[name](both) for name in names}


class Mean(NamedTuple):
    """A metric over a test set."""

    value: float  # NaN when no map could be measured
    maps: int  # that have a value
    undefined: int  # NaN
    ones: int  # exactly 1


def aggregate(values: Floats, how: Aggregate, undefined: float = float("nan")) -> Mean:
    """The mean over maps.

    `compat`: the official sum leaves out values that are exactly 1 and divides by all maps, so a
    perfect SSIM counts as 0; officially a NaN spoils the mean, here it is kept out and counted.
    `strict`: the plain mean; where a value is NaN, `undefined` counts (0 for nrms: both maps are
    equal), and if that is NaN the map is kept out.

    Raises:
        AssayError: no such way.
    """
    if how not in get_args(Aggregate):
        raise unknown("way to aggregate", how, get_args(Aggregate))
    nan, ones = int(np.isnan(values).sum()), int((values == 1).sum())
    if how == "strict":
        values = np.where(np.isnan(values), undefined, values)
    kept = values[~np.isnan(values)]
    total = kept[kept != 1].sum() if how == "compat" else kept.sum()
    value = float(total / len(kept)) if len(kept) else float("nan")
    return Mean(value, len(kept), nan, ones)


def summary(scores: Mapping[str, Floats], how: Aggregate) -> dict[str, Mean]:
    """Every metric over a test set."""
    return {
        name: aggregate(values, how, 0.0 if name == "nrms" else float("nan"))
        for name, values in scores.items()
    }
