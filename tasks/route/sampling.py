"""From distance cases to questions: one source, K targets, and which of them count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import AssayError
from tasks.route.npz import Cases


class Query(NamedTuple):
    """One source and K targets, (y, x) pixels from the top left."""

    src: NDArray[np.int64]  # 2
    tgt: NDArray[np.int64]  # K 2
    gt: NDArray[np.float64]  # K, pixels; NaN where no truth is known
    valid: NDArray[np.bool_]  # K: takes part; never read off `gt`, which may be unknown

    @property
    def euclid(self) -> NDArray[np.float64]:
        """Straight distances, K, pixels."""
        step = (self.tgt - self.src).astype(np.float64)
        straight: NDArray[np.float64] = np.sqrt((step * step).sum(-1))
        return straight


def by_hand(src: Sequence[int], tgt: Sequence[Sequence[int]], height: int, width: int) -> Query:
    """A query without truth.

    Raises:
        AssayError: a point outside the image.
    """
    for what, (y, x) in [("src", src), *(("tgt", t) for t in tgt)]:
        if not (0 <= y < height and 0 <= x < width):
            raise AssayError(
                f"{what} {y},{x} lies outside the image",
                f"y is 0..{height - 1}, x is 0..{width - 1}, from the top left",
            )
    k = len(tgt)
    return Query(np.array(src), np.array(tgt), np.full(k, np.nan), np.ones(k, bool))


def draw(
    cases: Cases,
    case: int,
    *,
    k: int,
    mode: str,
    min_gt: float,
    seed: int,
) -> Query:
    """An anchor of the case with K partners, a function of (seed, case).

    An anchor qualifies with at least K partners that have a distance of `min_gt` or more; anchors
    are tried in a random order. `mode`: nearest by Euclid, far by distance, random, or stratified
    (one of each K-th of the distances).

    Raises:
        AssayError: no such case, too few nodes, or no anchor qualifies.
    """
    count, n = cases.yx.shape[:2]
    if not 0 <= case < count:
        raise AssayError(f"case_idx {case} is not there", f"The file has cases 0..{count - 1}")
    if n < k + 1:
        raise AssayError(f"k_targets {k} needs {k + 1} nodes, the cases have {n}")
    rng = np.random.default_rng([seed, case])
    for anchor in rng.permutation(n):
        partners = _partners(cases, case, int(anchor), min_gt)
        if len(partners) >= k:
            chosen = _choose(cases, case, int(anchor), partners, k, mode, rng)
            return query(cases, case, int(anchor), chosen)
    raise AssayError(
        f"case {case} has no node with {k} partners at {min_gt:g} px or more",
        "Lower min_gt_dist_px or k_targets, or take another case_idx",
    )


def everything(cases: Cases, case: int, *, min_gt: float, seed: int) -> Query:
    """The best connected of a few random anchors with all of its partners: for measuring."""
    rng = np.random.default_rng([seed, case])
    tried = rng.permutation(cases.yx.shape[1])[:3]
    partners = [_partners(cases, case, int(a), min_gt) for a in tried]
    best = int(np.argmax([len(p) for p in partners]))
    if not len(partners[best]):
        raise AssayError(f"case {case} has no pairs at {min_gt:g} px or more")
    return query(cases, case, int(tried[best]), partners[best])


def query(cases: Cases, case: int, anchor: int, partners: NDArray[np.int64]) -> Query:
    """The named anchor and partners of a case."""
    yx, gt = cases.yx[case], cases.dist[case, anchor, partners]
    return Query(yx[anchor], yx[partners], gt, np.isfinite(gt))


def _partners(cases: Cases, case: int, anchor: int, min_gt: float) -> NDArray[np.int64]:
    """Partners with a distance, each position once (two nodes may share a pixel)."""
    gt = cases.dist[case, anchor]
    good = np.flatnonzero(np.isfinite(gt) & (gt >= min_gt) & (gt > 0))
    yx = cases.yx[case]
    good = good[(yx[good] != yx[anchor]).any(1)]
    _, first = np.unique(yx[good], axis=0, return_index=True)
    kept: NDArray[np.int64] = good[np.sort(first)]
    return kept


def _choose(
    cases: Cases,
    case: int,
    anchor: int,
    partners: NDArray[np.int64],
    k: int,
    mode: str,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    if mode == "random":
        return rng.choice(partners, k, replace=False)
    gt = cases.dist[case, anchor, partners]
    step = (cases.yx[case, partners] - cases.yx[case, anchor]).astype(np.float64)
    straight = (step * step).sum(1)
    if mode == "nearest":
        return partners[np.argsort(straight, kind="stable")[:k]]
    by_gt = partners[np.argsort(gt, kind="stable")]
    if mode == "far":
        return by_gt[::-1][:k]
    if mode == "stratified":
        return np.array([rng.choice(part) for part in np.array_split(by_gt, k)])
    raise ValueError(f"pair_mode {mode}")


def snap(query: Query, prob: NDArray[np.floating], *, win: int, threshold: float) -> Query:
    """Move points of probability below `threshold` to the best pixel within `win` (Chebyshev).

    Ties go to the nearest pixel, then to the topmost, then to the leftmost.
    """
    moved = [_snap(p, prob, win, threshold) for p in (query.src, *query.tgt)]
    return query._replace(src=moved[0], tgt=np.stack(moved[1:]))


def _snap(
    point: NDArray[np.int64], prob: NDArray[np.floating], win: int, threshold: float
) -> NDArray[np.int64]:
    y, x = map(int, point)
    if prob[y, x] >= threshold:
        return point
    y0, x0 = max(0, y - win), max(0, x - win)
    near = prob[y0 : y + win + 1, x0 : x + win + 1]
    ties = np.argwhere(near == near.max()) + np.array([y0, x0])
    away = ((ties - point) ** 2).sum(1)
    best: NDArray[np.int64] = ties[np.argmin(away)]
    return best
