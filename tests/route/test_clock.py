from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tasks.route import work
from tasks.route.clock import PARTS, Clock
from tests.route.conftest import MakeRun, config


def test_a_clock_adds_up_and_knows_what_it_did_not_see() -> None:
    clock = Clock()
    for _ in range(2):
        with clock.part("pool"):
            time.sleep(0.01)
    clock.add("read", 3.0)
    said = clock.report()
    assert list(said) == list(PARTS)
    assert said["pool"] is not None
    assert said["pool"] >= 0.02
    assert (said["read"], said["opt"]) == (3.0, None)


def test_seconds_of_a_part_that_raised_count() -> None:
    clock = Clock()
    with pytest.raises(ZeroDivisionError), clock.part("cost"):
        _ = 1 / 0
    assert clock.report()["cost"] is not None


def test_the_report_has_every_part_of_the_run_and_none_that_was_not(
    make_run: MakeRun, tmp_path: Path
) -> None:
    """R8: read, segment, pool, cost, solve_coarse, solve_fine, backward, opt, vis."""
    base = {"image": "city", "model": "mask", "sample_from_npz": True, "k_targets": 2}
    for over, missing in (
        ({"steps": 2, "multigrid": True, "tube_roi": True}, set()),
        ({"steps": 0}, {"solve_coarse", "backward", "opt"}),
    ):
        cfg = config(**base, **over, save_debug=tmp_path / "copy")
        run = make_run(cfg, f"run{len(missing)}")
        data = work.data(cfg, run)
        model = work.train(cfg, data, run)
        work.evaluate(cfg, model, data, run)
        work.visualise(cfg, model, data, run.dir / "images", run)
        timing = json.loads((run.dir / "report.json").read_text())["timing"]
        assert list(timing) == list(PARTS)
        assert {name for name, seconds in timing.items() if seconds is None} == missing
        assert all(seconds >= 0 for seconds in timing.values() if seconds is not None)
        assert json.loads((tmp_path / "copy" / "report.json").read_text())["timing"] == timing
