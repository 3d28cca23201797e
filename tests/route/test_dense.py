from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import AssayError
from tasks.route import dense, maps, routing, scene, work
from tasks.route.model import Model
from tasks.route.prob_param import ProbMap
from tests.route.conftest import MakeRun, config

CFG = config(model="mask", downsample=2, gate=1.0)


def city() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A worsened map, the true one, a source on the road; float64."""
    truth = torch.zeros(40, 52, dtype=torch.float64)
    truth[8:12], truth[:, 20:24] = 1, 1
    noise = torch.rand(truth.shape, generator=torch.Generator().manual_seed(0), dtype=truth.dtype)
    return 0.15 + 0.6 * truth + 0.2 * noise, truth, torch.tensor([9, 3])


def test_a_student_that_sees_the_truth_as_its_teacher_does_has_no_loss() -> None:
    prob, truth, src = city()
    router = routing.Router(CFG)
    assert float(dense.field_loss(CFG, router, truth, truth, src).detach()) < 1e-12
    assert float(dense.field_loss(CFG, router, prob, truth, src).detach()) > 1e-5


def test_the_loss_is_a_mean_over_true_road_alone() -> None:
    """Against a mean taken by hand from two solves of the whole grid."""
    prob, truth, src = city()
    router = routing.Router(CFG)
    way = routing.options(CFG, 2)
    at = (src // 2)[None, None]
    fields = [
        dense.solve(router.cost(torch.nn.functional.max_pool2d(p[None, None], 2)[0]), at, way)
        for p in (prob, truth)
    ]
    mine, theirs = (f.T[0].detach().numpy() for f in fields)
    cap = CFG.cap_norm * CFG.cap_mult
    gap = np.abs(np.tanh(mine / cap) - np.tanh(theirs / cap)) * CFG.cap_mult
    road = truth.numpy().reshape(20, 2, 26, 2).max((1, 3)) == 1
    assert gap.max() < CFG.huber_delta
    expected = (0.5 * gap[road] ** 2).mean()
    got = float(dense.field_loss(CFG, router, prob, truth, src).detach())
    assert got == pytest.approx(expected, rel=1e-9)


def test_its_gradient_is_that_of_central_differences() -> None:
    prob, truth, src = city()
    router = routing.Router(CFG)
    prob.requires_grad_()
    dense.field_loss(CFG, router, prob, truth, src).backward()
    assert prob.grad is not None
    tried = [tuple(int(c) for c in yx) for yx in prob.grad.abs().flatten().topk(6).indices[:, None]]
    for (flat,) in tried:
        moved = []
        for step in (1e-5, -1e-5):
            other = prob.detach().clone()
            other.view(-1)[flat] += step
            moved.append(float(dense.field_loss(CFG, router, other, truth, src).detach()))
        numeric = (moved[0] - moved[1]) / 2e-5
        assert float(prob.grad.view(-1)[flat]) == pytest.approx(numeric, rel=1e-4, abs=1e-9)


def test_no_road_no_loss_but_a_graph() -> None:
    prob, truth, src = city()
    loss = dense.field_loss(CFG, routing.Router(CFG), prob, torch.zeros_like(truth), src)
    loss.backward()
    assert float(loss.detach()) == 0


def test_the_term_teaches_a_map_of_one_image(make_run: MakeRun) -> None:
    """lambda_field alone, lambda_dist 0: the field nears the teacher's."""
    cfg = config(
        image="city",
        model="mask",
        mask_noise=0.8,
        sample_from_npz=True,
        optimise_prob=True,
        lambda_dist=0.0,
        lambda_field=1.0,
        lr_prob=0.1,
        steps=12,
    )
    run = make_run(cfg)
    data = work.data(cfg, run)
    model = work.train(cfg, data, run)
    (region,) = data.test
    given = torch.from_numpy(maps.of(cfg, model.net, region, run).prob)
    assert isinstance(model.prob, ProbMap)
    assert region.mask is not None
    src = torch.from_numpy(scene.ask(cfg, region, given.numpy(), run.seed).query.src)
    truth = torch.from_numpy(region.mask / np.float32(255))
    before, after = (
        float(dense.field_loss(cfg, model.router, p, truth, src).detach())
        for p in (given, model.prob().detach()[0])
    )
    assert after < 0.9 * before


def test_patches_have_a_dense_loss_and_images_without_truth_are_told(make_run: MakeRun) -> None:
    cfg = config(model="mask", steps=1, pool="mean", lambda_field=0.5, teacher_alpha=60.0)
    run = make_run(cfg)
    data = work.data(cfg, run)
    model = Model(torch.nn.Identity(), routing.Router(cfg), None, [])
    terms, _ = work.distance_terms(cfg, model, data, None, run, 1)
    assert float(terms["field"].detach()) > 0
    lone = config(image="city", model="mask", src="1,2", tgt="3,4", steps=0)
    region = data.test[0]._replace(mask=None)
    asked = scene.Scene(region, np.zeros(region.size, np.float32), None)  # type: ignore[arg-type]
    with pytest.raises(AssayError, match="needs the road mask of city/region0"):
        scene.true_map(lone, asked)
