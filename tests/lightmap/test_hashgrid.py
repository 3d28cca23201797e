from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import lsqr

from core.errors import AssayError
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.gridpaint import GridRenderer
from tasks.lightmap.hashgrid import HashGrid, levels
from tasks.lightmap.model import build, grid


def small(**over: object) -> LightmapConfig:
    shape = {"hash_grid": True, "hash_levels": 3, "hash_log2_size": 9, "hash_base": 4}
    return LightmapConfig.model_validate(shape | over)


def points(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Anywhere, and on the edges of the picture and of the day."""
    xy, t = torch.rand(n, 2) * 2 - 1, torch.rand(n) * 24
    xy[:4] = torch.tensor([[-1, -1], [1, 1], [-1, 1], [0, 1]])
    t[4:8] = torch.tensor([0, 23.99, 12, 6])
    return xy, t


def brute_force(table: np.ndarray, cells: list, x: float, y: float, t: float) -> np.ndarray:
    """Features of one point by the definition: loops, Python integers, float64."""
    out = []
    for level, (r, hours, dense) in enumerate(cells):
        u, v, w = (x + 1) / 2 * r, (y + 1) / 2 * r, t % 24 / 24 * hours
        i, j, k = min(int(u), r - 1), min(int(v), r - 1), min(int(w), hours - 1)
        total = np.zeros(table.shape[2])
        for dx, dy, dt in itertools.product((0, 1), repeat=3):
            weight = (u - i if dx else 1 - u + i) * (v - j if dy else 1 - v + j)
            weight *= w - k if dt else 1 - w + k
            a, b, c = i + dx, j + dy, (k + dt) % hours
            if dense:
                row = a + b * (r + 1) + c * (r + 1) ** 2
            else:
                row = (a ^ (b * 2654435761 % 2**32) ^ (c * 805459861 % 2**32)) % table.shape[1]
            total += weight * table[level, row].astype(np.float64)
        out.append(total)
    return np.concatenate(out)


@pytest.mark.parametrize("features", [1, 2, 3])
def test_features_are_those_of_the_definition(features: int) -> None:
    net = HashGrid(small(hash_features=features, hash_top=30), 0)
    torch.nn.init.normal_(net.table)
    xy, t = points(60)
    cells = levels(small(hash_top=30), 0)
    assert {at.dense for at in cells} == {True, False}  # both kinds are tried
    table = net.table.detach().numpy()
    want = [brute_force(table, cells, *xy[n].tolist(), t[n].item()) for n in range(60)]
    np.testing.assert_allclose(net(xy, t).detach().numpy(), want, atol=2e-5)


def test_compiled_and_torch_agree_forwards_and_backwards() -> None:
    net = HashGrid(small(hash_top=30), 0)
    torch.nn.init.normal_(net.table)
    xy, t = points(500)
    place = torch.cat([(xy + 1) / 2, (t / 24)[:, None]], dim=1)
    weights = torch.randn(500, 6)
    made = [net(xy, t), net.by_torch(place)]
    grads = [torch.autograd.grad((out * weights).sum(), net.table)[0] for out in made]
    torch.testing.assert_close(made[0], made[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(grads[0], grads[1], rtol=0, atol=1e-4)


def test_the_gradient_is_that_of_finite_differences() -> None:
    """The features are linear in the table, so that differences are exact but for rounding."""
    net = HashGrid(small(hash_top=30), 0)
    xy, t = points(40)
    weights = torch.randn(40, 6)
    (grad,) = torch.autograd.grad((net(xy, t) * weights).sum(), net.table)
    touched = grad.flatten().abs().argsort(descending=True)[:20].tolist()
    with torch.no_grad():
        for at in [*touched, 0, 1000]:
            change = torch.zeros_like(net.table).flatten()
            change[at] = 1.0
            before = net(xy, t)
            net.table += change.view_as(net.table)
            slope = ((net(xy, t) - before) * weights).sum()
            net.table -= change.view_as(net.table)
            torch.testing.assert_close(slope, grad.flatten()[at], rtol=0, atol=1e-3)


def test_midnight_joins_the_days_and_the_edge_of_dense_levels_is_inclusive() -> None:
    cfg = LightmapConfig(hash_grid=True, hash_levels=1, hash_base=15, hash_log2_size=12)
    assert levels(cfg, 15)[0][1:] == (15, True)  # 16 * 16 * 15 = 3840 of 4096 entries
    wider = cfg.model_copy(update={"hash_base": 16})
    assert levels(wider, 16)[0][1:] == (16, False)  # 17 * 17 * 16 = 4624
    exact = LightmapConfig(hash_grid=True, hash_levels=1, hash_base=31, hash_log2_size=14)
    assert not levels(exact, 31)[0].dense  # 32 * 32 * 24 = 24576 of 16384
    net = HashGrid(cfg, 15)
    xy = torch.rand(50, 2) * 2 - 1
    near, far = (net(xy, torch.full((50,), t)) for t in (0.0, 24.0))
    assert torch.equal(near, far)
    late, early = (net(xy, torch.full((50,), t)) for t in (23.9999, 0.0001))
    torch.testing.assert_close(late, early, rtol=0, atol=1e-7)  # of features near 1e-4


def test_levels_grow_evenly_from_base_to_the_longer_side() -> None:
    across = [at.across for at in levels(LightmapConfig(hash_grid=True), 480)]
    assert across == [round(8 * (480 / 8) ** (i / 7)) for i in range(8)]
    assert [at.hours for at in levels(LightmapConfig(hash_grid=True), 480)][:3] == [8, 14, 24]


def test_a_large_table_can_hold_any_day() -> None:
    """16 x 16 pixels x 24 hours of noise: a solution exists, found by least squares."""
    cfg = LightmapConfig(hash_grid=True, hash_levels=1, hash_base=32, hash_log2_size=15)
    net = HashGrid(cfg, 16)
    pixels = grid(16, 16)
    place = torch.cat([(pixels + 1) / 2, torch.zeros(256, 1)], dim=1).repeat(24, 1)
    place[:, 2] = torch.arange(24).repeat_interleave(256) / 24
    rows, weights = (x.flatten().numpy() for x in net.corners(place))
    sample = np.arange(len(place)).repeat(8)
    system = coo_matrix((weights, (sample, rows)), shape=(len(place), 2**15)).tocsr()
    volume = np.random.default_rng(0).random(len(place))
    solution = lsqr(system, volume, atol=1e-9, btol=1e-9)[0]
    with torch.no_grad():
        net.table[0] = torch.from_numpy(solution)[:, None].float()
        got = net(place[:, :2] * 2 - 1, place[:, 2] * 24)[:, 0]
    assert np.abs(got.numpy() - volume).max() < 1e-4


def test_the_number_of_parameters_is_that_of_the_specification() -> None:
    model = build(LightmapConfig(hash_grid=True, hidden=32, layers=2), 480)
    assert sum(p.numel() for p in model.parameters()) == 526_243


def test_a_grid_without_a_size_is_refused() -> None:
    with pytest.raises(AssayError, match="how fine"):
        build(LightmapConfig(hash_grid=True))


@pytest.mark.parametrize("film", [False, True])
@pytest.mark.parametrize(("features", "hidden", "layers"), [(1, 5, 1), (3, 13, 2), (2, 16, 4)])
@pytest.mark.parametrize(("height", "width"), [(3, 129), (13, 61)])
def test_a_painted_frame_is_the_network_s_own_forward_pass(
    height: int, width: int, features: int, hidden: int, layers: int, film: bool
) -> None:
    """No size is a multiple of a block; levels are coarser and finer than the image."""
    over = {"hash_features": features, "hidden": hidden, "layers": layers, "film": film}
    model = build(small(hash_top=300, **over))
    assert model.grid is not None
    torch.nn.init.normal_(model.grid.table)
    if model.mlp.film is not None:
        torch.nn.init.normal_(model.mlp.film.net[-1].weight, std=0.3)
    image = torch.rand(3, height, width)
    paint = GridRenderer(model, image)
    for t in (0.0, 5.3, 23.99999, 24.0, -1.5):
        points = grid(height, width)
        with torch.no_grad():
            want = model(points, torch.full((height * width,), t), image).T
        torch.testing.assert_close(paint(t).flatten(1), want, rtol=0, atol=3e-4)


def test_a_network_gone_wrong_is_seen_in_its_frames() -> None:
    model = build(small(hash_top=30))
    with torch.no_grad():
        model.mlp.net[0].weight[0, 0] = torch.nan
    assert GridRenderer(model, torch.rand(3, 16, 16))(3.0).isnan().any()
