from __future__ import annotations

import numpy as np
import pytest

from core.errors import AssayError
from tasks.route import sampling
from tasks.route.npz import Cases


def line(n: int = 10) -> Cases:
    """Nodes on a straight road, 10 px apart; the last one is cut off."""
    x = 10 * np.arange(n)
    yx = np.stack([np.zeros(n, int), x], 1)[None]
    dist = np.abs(x[:, None] - x[None]).astype(float)
    dist[-1, :-1] = dist[:-1, -1] = np.nan
    return Cases(yx, dist[None], None, [])


def test_a_draw_is_a_function_of_seed_and_case() -> None:
    a, b = (sampling.draw(line(), 0, k=3, mode="random", min_gt=5, seed=4) for _ in range(2))
    assert (a.tgt == b.tgt).all()
    assert (a.src == b.src).all()
    others = [sampling.draw(line(), 0, k=3, mode="random", min_gt=5, seed=s) for s in range(5, 15)]
    assert any((a.src != o.src).any() for o in others)


@pytest.mark.parametrize("seed", range(5))
def test_modes_choose_what_they_say(seed: int) -> None:
    def draw(mode: str) -> sampling.Query:
        return sampling.draw(line(), 0, k=3, mode=mode, min_gt=15, seed=seed)

    x = int(draw("nearest").src[1])
    possible = sorted(d for d in abs(10 * np.arange(9) - x).tolist() if d >= 15)
    assert sorted(draw("nearest").gt) == possible[:3]
    assert sorted(draw("far").gt) == possible[-3:]
    thirds = [set(part.tolist()) for part in np.array_split(np.array(possible), 3)]
    chosen = sorted(draw("stratified").gt)
    assert all(g in third for g, third in zip(chosen, thirds, strict=True))


def test_a_node_that_is_cut_off_is_no_target() -> None:
    for seed in range(8):
        q = sampling.draw(line(), 0, k=4, mode="random", min_gt=0, seed=seed)
        assert 90 not in q.tgt[:, 1]
        assert q.valid.all()
        np.testing.assert_allclose(q.gt, q.euclid)  # a straight road


def test_no_anchor_qualifies() -> None:
    with pytest.raises(AssayError, match="case 0 has no node with 3 partners at 500 px"):
        sampling.draw(line(), 0, k=3, mode="nearest", min_gt=500, seed=0)


def test_refusals() -> None:
    with pytest.raises(AssayError, match=r"case_idx 1 is not there.*0\.\.0"):
        sampling.draw(line(), 1, k=3, mode="nearest", min_gt=0, seed=0)
    with pytest.raises(AssayError, match="k_targets 10 needs 11 nodes, the cases have 10"):
        sampling.draw(line(), 0, k=10, mode="nearest", min_gt=0, seed=0)


def test_two_nodes_on_one_pixel_count_once() -> None:
    cases = line(6)
    cases.yx[0, 2] = cases.yx[0, 1]
    for seed in range(6):
        q = sampling.draw(cases, 0, k=3, mode="random", min_gt=0, seed=seed)
        assert len({tuple(t) for t in q.tgt.tolist()} | {tuple(q.src.tolist())}) == 4


def test_points_by_hand_have_no_truth_but_count() -> None:
    """Defect 4 of the origin: without truth its targets were invalid."""
    q = sampling.by_hand((3, 4), [(0, 0), (3, 4)], 10, 20)
    assert q.valid.all()
    assert np.isnan(q.gt).all()
    assert q.euclid.tolist() == [5.0, 0.0]


def test_a_point_outside_the_image() -> None:
    with pytest.raises(AssayError, match=r"tgt 10,0 lies outside the image. y is 0\.\.9"):
        sampling.by_hand((3, 4), [(10, 0)], 10, 20)


def test_snapping_takes_the_best_pixel_and_of_ties_the_nearest() -> None:
    prob = np.zeros((30, 30), np.float32)
    prob[10, 14] = prob[10, 7] = 0.9
    prob[25, 25] = 1.0  # out of the window of 5
    q = sampling.by_hand((10, 10), [(10, 14), (20, 20)], 30, 30)
    moved = sampling.snap(q, prob, win=5, threshold=0.1)
    assert moved.src.tolist() == [10, 7]  # three away, the other four
    assert moved.tgt.tolist() == [[10, 14], [25, 25]]
