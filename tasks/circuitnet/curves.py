"""ROC and precision-recall curves of DRC hotspots, as CircuitNet's `plot_roc` draws them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
THRESHOLDS = 200  # of the prediction: 0, 1/200, ..., 199/200


class Curves(NamedTuple):
    """Rates at every threshold, averaged over maps; NaN where no map counts."""

    threshold: Floats
    tpr: Floats  # also the recall
    fpr: Floats
    precision: Floats
    roc_auc: float
    prc_auc: float


def counts(label: Tensor, pred: Tensor, hot: float) -> Floats:
    """True and false positives and negatives of every map and threshold: 4 N T (tp, fp, tn, fn).

    A gcell is hot if its label is >= `hot`, and named hot if its prediction is >= the threshold.
    """
    edge = torch.linspace(0, 1, THRESHOLDS + 1, dtype=torch.float64)[:-1]
    n = len(label)
    passed = torch.bucketize(
        pred.double().cpu().reshape(n, -1), edge, right=True
    )  # of T thresholds
    is_hot = (label.cpu().reshape(n, -1) >= hot).long()
    code = (torch.arange(n)[:, None] * 2 + is_hot) * (THRESHOLDS + 1) + passed
    hist = torch.bincount(code.flatten(), minlength=2 * n * (THRESHOLDS + 1))
    by = hist.reshape(n, 2, THRESHOLDS + 1).double().numpy()
    above = by[:, :, ::-1].cumsum(2)[:, :, ::-1][:, :, 1:]  # passing threshold k: bins k + 1 ...
    total = by.sum(2, keepdims=True)
    fp, tp = above[:, 0], above[:, 1]
    tn, fn = (total - above)[:, 0], (total - above)[:, 1]
    return np.stack([tp, fp, tn, fn])


def draw(found: Floats) -> Curves:
    """The curves from `counts` of all maps.

    At each threshold, maps without a hot gcell, without a cold one, or with nothing named hot are
    left out, as officially. The ROC's area is the official one: trapezoids up to (1, 1), no point
    at 0. The official precision-recall area goes through a cubic spline, which can overshoot; ours
    are trapezoids from recall 0, where the precision is that of the lowest recall measured.
    """
    tp, fp, tn, fn = found
    good = (tp + fn > 0) & (fp + tn > 0) & (tp + fp > 0)
    number = good.sum(0)

    def mean(a: Floats, b: Floats) -> Floats:
        rate = np.where(good, a / np.maximum(a + b, 1), 0).sum(0)
        return np.where(number > 0, rate / np.maximum(number, 1), np.nan)

    tpr, fpr, precision = mean(tp, fn), mean(fp, tn), mean(tp, fp)
    threshold = np.arange(THRESHOLDS) / THRESHOLDS
    roc = _area(np.append(fpr, 1.0), np.append(tpr, 1.0))
    prc = _area(np.append(tpr, 0.0), np.append(precision, -np.inf))
    return Curves(threshold, tpr, fpr, precision, roc, prc)


def _area(x: Floats, y: Floats) -> float:
    """Trapezoids under y over x; of equal x the highest y, and -inf takes its neighbour's y."""
    x, y = x[~np.isnan(x)], y[~np.isnan(y)]
    order = np.lexsort((-y, x))
    at, first = np.unique(x[order], return_index=True)
    height = y[order][first]
    if len(at) < 2:
        return float("nan")
    if np.isinf(height[0]):
        height[0] = height[1]
    return float(np.trapezoid(height, at))
