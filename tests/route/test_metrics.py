from __future__ import annotations

import numpy as np
import pytest

from tasks.route import metrics
from tasks.route.metrics import Answer


def test_road_scores_are_scikit_learns_definitions() -> None:
    rng = np.random.default_rng(0)
    prob, mask = rng.random((30, 40)), (rng.random((30, 40)) > 0.7).astype(np.uint8) * 255
    found = metrics.count(prob, mask).scores()
    p, t = prob >= 0.5, mask > 0
    precision, recall = (p & t).sum() / p.sum(), (p & t).sum() / t.sum()
    assert found["road_precision"] == pytest.approx(precision)
    assert found["road_recall"] == pytest.approx(recall)
    assert found["road_f1"] == pytest.approx(2 / (1 / precision + 1 / recall))
    assert found["road_iou"] == pytest.approx((p & t).sum() / (p | t).sum())


def test_no_road_found_is_zero_not_nan() -> None:
    mask = np.full((4, 4), 255, np.uint8)
    assert metrics.count(np.zeros((4, 4)), mask).scores() == {
        "road_f1": 0.0,
        "road_iou": 0.0,
        "road_precision": 0.0,
        "road_recall": 0.0,
    }


def answer(pred: list[float], gt: list[float], line: list[float]) -> Answer:
    return Answer(np.array(pred), np.array(gt), np.array(line), np.ones(len(gt), bool))


def test_distances_by_hand() -> None:
    got = metrics.distance_scores([answer([110, 180], [100, 200], [80, 100])])
    assert got["dist_mae_px"] == 15
    assert got["dist_mre"] == pytest.approx(0.1)
    assert got["dist_bias"] == pytest.approx(0.0)
    assert got["euclid_mre"] == pytest.approx((0.2 + 0.5) / 2)
    assert got["mre_ratio"] == pytest.approx(0.1 / 0.35)
    assert got["pairwise_acc"] == got["top1_acc"] == 1
    assert got["spearman"] == pytest.approx(1)
    assert got["spearman_adv"] == pytest.approx(0)


def test_rankings_by_brute_force() -> None:
    rng = np.random.default_rng(1)
    pred, gt, line = (rng.permutation(9) / 10 + 0.1 for _ in range(3))
    got = metrics.distance_scores([Answer(pred, gt, line, np.ones(9, bool))])
    right = [
        (pred[i] < pred[j]) == (gt[i] < gt[j]) for i in range(9) for j in range(i) if gt[i] != gt[j]
    ]
    assert got["pairwise_acc"] == pytest.approx(np.mean(right))
    ranks = [np.argsort(np.argsort(v)) for v in (pred, gt)]
    assert got["spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-6)


def test_a_constant_prediction_ranks_nothing() -> None:
    got = metrics.distance_scores([answer([5, 5, 5], [1, 2, 3], [1, 2, 3])])
    assert got["spearman"] == got["kendall"] == 0
    assert got["spearman_adv"] == pytest.approx(-1)
