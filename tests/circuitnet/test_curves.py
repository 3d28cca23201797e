from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tasks.circuitnet import curves


def maps(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions, N X Y; the last map has no hot gcell."""
    rng = np.random.default_rng(seed)
    label = rng.random((4, 12, 10)) ** 3
    label[3] = 0.01
    pred = np.clip(label + rng.normal(0, 0.2, label.shape), 0, 0.9)
    pred.flat[::7] = 0.25  # exactly on a threshold
    return label, pred


def test_counts_are_those_of_every_threshold() -> None:
    label, pred = maps(0)
    found = curves.counts(torch.from_numpy(label), torch.from_numpy(pred), 0.1)
    for k, threshold in enumerate(np.linspace(0, 1, 200, endpoint=False)):
        for i in range(len(label)):
            hot, named = label[i] >= 0.1, pred[i] >= threshold
            wanted = [(hot & named), (~hot & named), (~hot & ~named), (hot & ~named)]
            assert found[:, i, k].tolist() == [w.sum() for w in wanted]


def test_areas_are_those_of_the_official_rule() -> None:
    label, pred = maps(1)
    found = curves.draw(curves.counts(torch.from_numpy(label), torch.from_numpy(pred), 0.1))
    points = []
    for threshold in np.linspace(0, 1, 200, endpoint=False):
        rates = []
        for t, p in zip(label >= 0.1, pred >= threshold, strict=True):
            if t.any() and not t.all() and p.any():
                rates.append(((p & t).sum() / t.sum(), (p & ~t).sum() / (~t).sum()))
        if rates:
            points.append(np.mean(rates, axis=0))
    seen: dict[float, float] = {}
    for tpr, fpr in points:
        seen.setdefault(fpr, tpr)
    line = [*sorted(seen.items()), (1.0, 1.0)]
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(line))
    assert found.roc_auc == pytest.approx(area, abs=1e-12)
    assert np.isnan(found.tpr[-1])  # nothing is predicted above 0.9


def test_a_perfect_prediction_has_full_area_and_a_blind_one_its_share() -> None:
    label = torch.zeros(1, 10, 10)
    label[:, :5] = 1
    perfect = curves.draw(curves.counts(label, label * 0.8, 0.5))
    assert perfect.prc_auc == pytest.approx(1.0)
    assert perfect.roc_auc == pytest.approx(1.0)
    blind = curves.draw(curves.counts(label, torch.full_like(label, 0.4), 0.5))
    assert blind.prc_auc == pytest.approx(0.5)


def test_maps_without_hotspots_have_no_area() -> None:
    label = torch.zeros(2, 8, 8)
    empty = curves.draw(curves.counts(label, torch.rand(2, 8, 8), 0.1))
    assert np.isnan(empty.roc_auc)
    assert np.isnan(empty.prc_auc)
