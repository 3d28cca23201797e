"""How good a road map is, and how good distances are, beside the straight line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr

THRESHOLD = 0.5
Floats = NDArray[np.floating]


class Counts(NamedTuple):
    """Pixels of a thresholded map against the truth; counts of several images add up."""

    hit: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))

    def scores(self) -> dict[str, float]:
        """road_f1, road_iou, road_precision, road_recall; 0 where nothing was found."""
        hit, false, missed = self
        return {
            "road_f1": 2 * hit / max(1, 2 * hit + false + missed),
            "road_iou": hit / max(1, hit + false + missed),
            "road_precision": hit / max(1, hit + false),
            "road_recall": hit / max(1, hit + missed),
        }


def count(prob: Floats, mask: NDArray[np.uint8]) -> Counts:
    """Road pixels of a map at 0.5 against a mask of 0..255."""
    found, true = prob >= THRESHOLD, mask >= 128
    hit = int((found & true).sum())
    return Counts(hit, int(found.sum()) - hit, int(true.sum()) - hit)


class Answer(NamedTuple):
    """Distances of one source to K targets, pixels; only pairs that count."""

    pred: Floats
    gt: Floats
    euclid: Floats
    reached: NDArray[np.bool_]


def distance_scores(answers: Sequence[Answer]) -> dict[str, float]:
    """Errors over all pairs, and rankings averaged over the sources; `euclid_*` are the line's.

    Rankings need two targets at least; `*_adv` is what the prediction ranks better than the line.
    """
    gt = np.concatenate([a.gt for a in answers])
    scores: dict[str, float] = {}
    for name in ("pred", "euclid"):
        given = np.concatenate([getattr(a, name) for a in answers])
        prefix = "dist" if name == "pred" else "euclid"
        scores[f"{prefix}_mae_px"] = float(np.abs(given - gt).mean())
        scores[f"{prefix}_mre"] = float((np.abs(given - gt) / gt).mean())
        scores[f"{prefix}_bias"] = float(((given - gt) / gt).mean())
    if scores["euclid_mre"] > 0:
        scores["mre_ratio"] = scores["dist_mre"] / scores["euclid_mre"]
    scores["reach_rate"] = float(np.concatenate([a.reached for a in answers]).mean())
    ranked = [a for a in answers if len(a.gt) > 1 and len(np.unique(a.gt)) > 1]
    if ranked:
        for name, function in RANKINGS.items():
            ours = float(np.mean([function(a.pred, a.gt) for a in ranked]))
            line = float(np.mean([function(a.euclid, a.gt) for a in ranked]))
            scores |= {name: ours, f"{name}_adv": ours - line}
    return scores


def _spearman(given: Floats, gt: Floats) -> float:
    return _defined(spearmanr(given, gt).statistic) if np.ptp(given) else 0.0


def _kendall(given: Floats, gt: Floats) -> float:
    return _defined(kendalltau(given, gt).statistic) if np.ptp(given) else 0.0


def _defined(value: float) -> float:
    """A constant prediction ranks nothing: 0."""
    return float(value) if np.isfinite(value) else 0.0


def pairwise_acc(given: Floats, gt: Floats) -> float:
    """Share of the pairs of targets with different truth that are put in the right order."""
    i, j = np.triu_indices(len(gt), 1)
    differ = gt[i] != gt[j]
    right = (given[i] - given[j]) * (gt[i] - gt[j]) > 0
    return float(right[differ].mean())


def top1_acc(given: Floats, gt: Floats) -> float:
    """1 when the nearest target is named, else 0."""
    return float(np.argmin(given) == np.argmin(gt))


RANKINGS = {
    "spearman": _spearman,
    "kendall": _kendall,
    "pairwise_acc": pairwise_acc,
    "top1_acc": top1_acc,
}
