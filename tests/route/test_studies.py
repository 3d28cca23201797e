"""The bundled study files search what the spec asks for."""

from __future__ import annotations

from pathlib import Path

from core import project
from core.study import plan
from tasks.route import task

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.stem for path in (ROOT / "studies").glob("route_*.yaml"))


def test_the_searches_stay_inside_the_declared_space_and_leave_little_out() -> None:
    searched: set[str] = set()
    for name in STUDIES:
        for key, space in plan.make(project.find(ROOT), name).space.items():
            declared = task.search[key]
            searched.add(key)
            assert set(space.choices) <= set(declared.choices), (name, key)
            if not space.choices:
                assert declared.low <= space.low < space.high <= declared.high, (name, key)
    assert set(task.search) - searched == {"block", "block_th", "cap_mode"}


def test_a_search_trains_what_it_searches() -> None:
    """Keys that a config leaves without effect would be sampled in vain."""
    tube = plan.make(project.find(ROOT), "route_search_tube").study.config
    assert tube["multigrid"]
    assert tube["tube_roi"]
    net = plan.make(project.find(ROOT), "route_search_net").study.config
    assert net["steps"] > 0
    assert net["freeze_encoder"] is False
