from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra, minimum_spanning_tree

from core.errors import AssayError
from tasks.circuitnet import router
from tasks.circuitnet.rudy import Nets

EMPTY = np.zeros((4, 4))


def route(wire: list[list[int]], tracks: float, kind: str = "l", rounds: int = 1) -> router.Routed:
    cap = np.full((2, 4, 4), tracks)
    return router.route(np.array(wire), EMPTY, cap, kind, rounds)  # type: ignore[arg-type]


def test_one_wire_by_hand() -> None:
    found = route([[0, 0, 2, 3]], 10).demand
    horizontal, vertical = np.zeros((4, 4)), np.zeros((4, 4))
    horizontal[0:3, 0] = 1  # along x first: equal prices
    vertical[2, 0:4] = 1
    assert np.array_equal(found, [horizontal, vertical])


def test_a_straight_wire_uses_one_layer() -> None:
    found = route([[3, 1, 1, 1]], 10).demand
    assert found[0, 1:4, 1].tolist() == [1, 1, 1]
    assert found.sum() == 3


def test_the_second_wire_takes_the_other_corner_when_tracks_are_few() -> None:
    found = route([[0, 0, 3, 3], [0, 0, 3, 3]], 1).demand
    assert found[0, :, 0].tolist() == found[1, 3].tolist() == [1, 1, 1, 1]  # along x, then y
    assert found[1, 0].tolist() == found[0, :, 3].tolist() == [1, 1, 1, 1]  # along y, then x
    assert route([[0, 0, 3, 3], [0, 0, 3, 3]], 1).overflow().max() == 0


def test_two_bends_go_around_what_one_bend_cannot() -> None:
    tracks = np.ones((2, 4, 4))
    local = np.zeros((4, 4))
    local[3, 0] = local[0, 3] = 5  # both corners are full
    wire = np.array([[0, 0, 3, 3]])
    one = router.route(wire, local, tracks, "l", 1)
    two = router.route(wire, local, tracks, "z", 1)
    assert (one.demand > 5).any()
    assert not (two.demand > 5).any()


def test_overflow_is_a_share_of_the_tracks() -> None:
    found = route([[0, 0, 3, 0]] * 3, 2)
    assert found.overflow()[0, :, 0].tolist() == [0.5] * 4
    assert found.utilisation()[0, :, 0].tolist() == [1.5] * 4
    assert route([[0, 0, 3, 0]] * 9, 2).overflow().max() == 1.0


def test_rounds_of_negotiation_remove_overflow() -> None:
    rng = np.random.default_rng(0)
    wire = rng.integers(0, 24, (300, 4))
    cap = np.full((2, 24, 24), 7.0)
    total = [
        np.maximum(0, router.route(wire, np.zeros((24, 24)), cap, "z", n).demand - cap).sum()
        for n in (1, 6)
    ]
    assert total[1] < 0.8 * total[0]
    first = router.route(wire, np.zeros((24, 24)), cap, "z", 6)
    again = router.route(wire, np.zeros((24, 24)), cap, "z", 1)
    assert np.array_equal(first.early, again.demand)


def prices(local: np.ndarray, cap: np.ndarray) -> np.ndarray:
    """What one more wire pays, by the formula."""
    return 1 + 8 * np.maximum(0, (local + 1) / cap - 0.8) ** 2


def shortest(price: np.ndarray, start: tuple[int, int], end: tuple[int, int]) -> float:
    """SciPy's Dijkstra over (gcell, layer) nodes; entering a node costs its price."""
    _, nx, ny = price.shape
    number = np.arange(2 * nx * ny).reshape(2, nx, ny)
    edges = []
    for layer, x, y in itertools.product(range(2), range(nx), range(ny)):
        near = [(layer, x + d, y) if layer == 0 else (layer, x, y + d) for d in (-1, 1)]
        for a, b, c in [*near, (1 - layer, x, y)]:
            if 0 <= b < nx and 0 <= c < ny:
                edges.append((number[layer, x, y], number[a, b, c], price[a, b, c]))
    start_node = 2 * nx * ny
    edges += [(start_node, number[k][start], price[k][start]) for k in range(2)]
    row, col, cost = zip(*edges, strict=True)
    graph = csr_matrix((cost, (row, col)), shape=(start_node + 1, start_node + 1))
    far = dijkstra(graph, indices=start_node)
    return float(min(far[number[k][end]] for k in range(2)))


@pytest.mark.parametrize("seed", range(6))
def test_a_maze_path_is_the_shortest_there_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    local, cap = rng.integers(0, 12, (9, 11)).astype(float), np.full((2, 9, 11), 6.0)
    price = prices(local, cap)
    start, end = (1, 2), (7, 8)
    cost = {}
    for kind in ("l", "z", "maze"):
        demand = router.route(np.array([[*start, *end]]), local, cap, kind, 1).demand  # type: ignore[arg-type]
        cost[kind] = float(((demand - local) * price).sum())
    assert cost["maze"] == pytest.approx(shortest(price, start, end))
    assert cost["maze"] <= cost["z"] + 1e-9 <= cost["l"] + 2e-9


def test_trees_are_minimal() -> None:
    rng = np.random.default_rng(1)
    degree = rng.integers(1, 9, 30)
    pins = rng.uniform(0, 20, (degree.sum(), 2))
    start = np.concatenate([[0], degree.cumsum()])
    wire = router.wires(Nets(pins, start), (20, 20))
    wanted = 0.0
    for a, b in itertools.pairwise(start):
        at = np.unique(pins[a:b].astype(int), axis=0)
        wanted += minimum_spanning_tree(np.abs(at[:, None] - at).sum(2)).sum()
    assert np.abs(wire[:, 2:] - wire[:, :2]).sum() == wanted


def test_macros_leave_fewer_tracks() -> None:
    taken = np.zeros((3, 3))
    taken[1, 1] = 1
    cap = router.capacity((20, 12), taken)
    assert cap[:, 0, 0].tolist() == [20, 12]
    assert cap[:, 1, 1].tolist() == [10, 6]  # 45 % and one more


def test_an_unknown_router_is_named() -> None:
    with pytest.raises(AssayError, match=r"no router 'mazes'.* Did you mean 'maze'"):
        route([[0, 0, 1, 1]], 1, "mazes")
