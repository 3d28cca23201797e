from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.route import work
from tasks.route.clock import PARTS, Clock
from tests.route.conftest import MakeRun, config
from tests.toy import ROOT


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


COMPILED = """
import sys
import torch
from tasks.route import routing, scene, task, ways, work
from tasks.route.config import RouteConfig
from tasks.route.eikonal import adjoint, cpu, path
made = cpu.pack, cpu._empty4, cpu._empty8, cpu._leave_open, adjoint._pull, path._trace
base = {**task.tiny, "image": "city", "model": "mask", "sample_from_npz": True, "k_targets": 2}
cfg = RouteConfig.model_validate({**base, **eval(sys.argv[1])})
(region,) = work.data(cfg, None).test
before = [len(m.signatures) for m in made]
asked = scene.ask(cfg, region, (region.mask / 255).astype("float32"), 0)
prob = torch.from_numpy(asked.prob).requires_grad_()
found = routing.answer(cfg, routing.Router(cfg), prob, asked.query)
routing.judged(cfg, found, asked.query).loss.backward()
ways.of(cfg, found, asked)
print(before, [len(m.signatures) for m in made], found.meta.get("use_tube"))
"""


@pytest.mark.parametrize(
    "over",
    [
        {"multigrid": True, "tube_roi": True, "tube_shape": "corridor"},
        {"teacher_hard_eval": True, "teacher_stencil": 4},
    ],
)
def test_nothing_is_left_to_compile_when_the_clock_starts(over: dict[str, object]) -> None:
    """In a process of its own: R4.3, compile time must not be counted in timings."""
    script = [sys.executable, "-c", COMPILED, repr(over)]
    done = subprocess.run(script, capture_output=True, text=True, cwd=ROOT, check=True)
    before, after = re.findall(r"\[.*?\]", done.stdout)
    assert before == after
    assert before != "[0, 0, 0, 0, 0, 0]"
    assert ("True" in done.stdout) == bool(over.get("tube_roi"))
