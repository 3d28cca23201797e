from __future__ import annotations

import numpy as np
import torch

from tasks.route import patches, regions, work
from tasks.route.config import RouteConfig
from tasks.route.model import Model
from tasks.route.models.build import NoNetwork
from tasks.route.routing import Router
from tests.route.conftest import MakeRun, config

PLAN = regions.Plan(size=300, pitch=48, width_scale=2)
REGIONS = [regions.generate(PLAN, s, "a/b")[0] for s in range(2)]


def cfg(**over: object) -> RouteConfig:
    return config(roi_patch=160, roi_margin=16, k_targets=5, batch_size=4, **over)


def test_targets_lie_on_the_road_of_their_patch_however_mirrored() -> None:
    """A flip that moves pixels but not points would put them beside the road."""
    hits = []
    for step in range(12):
        for p in patches.draw(cfg(), REGIONS, 0, step):
            points = np.vstack([p.query.src[None], p.query.tgt[p.query.valid]])
            hits += (p.road[points[:, 0], points[:, 1]] == 255).tolist()
            assert (points >= 0).all()
            assert (points < 160).all()
            assert (p.query.tgt[~p.query.valid] == -1).all()
    assert len(hits) > 50
    assert np.mean(hits) > 0.98


def test_distances_are_those_of_the_region_and_stay_plausible() -> None:
    for p in patches.draw(cfg(), REGIONS, 1, 3):
        gt, line = p.query.gt[p.query.valid], p.query.euclid[p.query.valid]
        assert (gt >= line - 2).all()
        assert (gt <= 3 * line).all()
        assert (gt <= 240).all()
        known = np.concatenate([r.cases.dist.ravel() for r in REGIONS])
        assert np.isin(gt, known).all()


def test_the_part_that_is_solved_holds_all_points_and_stays_inside() -> None:
    truncated = []
    for step in range(8):
        for p in patches.draw(cfg(), REGIONS, 2, step):
            y0, x0, y1, x1 = p.roi
            assert 0 <= y0 < y1 <= 160
            assert 0 <= x0 < x1 <= 160
            points = np.vstack([p.query.src[None], p.query.tgt[p.query.valid]])
            assert ((points >= (y0, x0)) & (points < (y1, x1))).all()
            span = np.abs(p.query.tgt[p.query.valid] - p.query.src).max()
            assert p.truncated == (y1 - y0 < 2 * (span + 16) + 1 or x1 - x0 < 2 * (span + 16) + 1)
            truncated.append(p.truncated)
    assert any(truncated)


def test_a_step_draws_the_same_patches_again_and_others_next() -> None:
    a, b, c = (patches.draw(cfg(), REGIONS, 0, s) for s in (5, 5, 6))
    assert all((p.rgb == q.rgb).all() for p, q in zip(a, b, strict=True))
    assert any((p.rgb != q.rgb).any() for p, q in zip(a, c, strict=False))


def test_too_few_neighbours_give_no_patch() -> None:
    assert patches.draw(cfg(min_in_patch=99), REGIONS, 0, 0) == []


def test_a_worsened_mask_is_what_patches_are_learned_on(make_run: MakeRun) -> None:
    """It was the true one in training, and only what judges was worsened."""
    noisy = config(model="mask", mask_noise=0.6)
    run = make_run(noisy)
    model = Model(NoNetwork(), Router(noisy), None, [])
    (patch, *_) = patches.draw(noisy, work.data(noisy, run).train, 0, 1)
    truth = work.true_part(patch)
    seen = work.patch_map(noisy, model, patch, run)
    road = truth > 0.5
    assert 0.5 < seen[road].mean() < 0.9  # weaker by up to 0.6
    assert 0.05 < seen[~road].mean() < 0.3  # raised by up to 0.3
    assert torch.equal(seen, work.patch_map(noisy, model, patch, run))
    clean = noisy.model_copy(update={"mask_noise": 0.0})
    assert torch.equal(truth, work.patch_map(clean, model, patch, run))
