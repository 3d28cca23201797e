"""What training says in the log: how far, how good, how long it still takes."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import pytest

from core.contract import Budget
from tasks.lightmap import told
from tasks.lightmap.history import History
from tests.lightmap.conftest import MakeRun, config


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(told.time, "monotonic", lambda: now[0])
    return now


def lines(
    caplog: pytest.LogCaptureFixture,
    make_run: MakeRun,
    clock: list[float],
    step_s: float,
    first: int = 0,
    bad: Collection[int] = (),
    **over: Any,
) -> list[str]:
    """20 epochs of 4 steps, each of `step_s` seconds, gone on with after step `first`."""
    cfg = config(epochs=20)
    assert cfg.steps_per_epoch == 4
    run = make_run(cfg, **over)
    run._used_s = step_s * first  # as `resume` finds it
    said = told.Told(cfg, run, "a network")
    run.training_started()
    past = History()
    for step in range(first + 1, 81):
        clock[0] += step_s
        past.add(step, 1e-3, None if step in bad else 0.5)
        if step % 4 == 0:
            past.close_epoch()
        said.step(past)
    return [record.getMessage() for record in caplog.records if record.name == "lightmap"]


def left(line: str) -> float:
    found = re.search(r"(\d+) s left", line)
    assert found, line
    return float(found[1])


def test_the_time_left_is_that_of_the_steps_to_come(
    caplog: pytest.LogCaptureFixture, make_run: MakeRun, clock: list[float]
) -> None:
    begun, *epochs = lines(caplog, make_run, clock, 2.0)
    assert begun == "a network, 80 steps, 4 an epoch, on cpu"
    assert [left(line) for line in epochs] == [2.0 * (80 - 4 * n) for n in range(1, 21)]
    assert epochs[2] == "epoch 3 of 20  loss 0.5  136 s left"


def test_a_resumed_run_reckons_with_its_own_steps(
    caplog: pytest.LogCaptureFixture, make_run: MakeRun, clock: list[float]
) -> None:
    _, *epochs = lines(caplog, make_run, clock, 2.0, first=40)
    assert left(epochs[0]) == 2.0 * 36


def test_time_that_an_earlier_session_used_is_no_time_left(
    caplog: pytest.LogCaptureFixture, make_run: MakeRun, clock: list[float]
) -> None:
    budget = Budget(seconds=100.0)
    _, *epochs = lines(caplog, make_run, clock, 2.0, first=40, budget=budget)
    assert left(epochs[0]) == 100.0 - 2.0 * 44


def test_an_epoch_without_a_usable_loss_says_so_and_not_what_the_one_before_had(
    caplog: pytest.LogCaptureFixture, make_run: MakeRun, clock: list[float]
) -> None:
    _, *epochs = lines(caplog, make_run, clock, 2.0, bad=range(5, 9))
    said = ["loss 0.5", "no usable loss", "loss 0.5"]
    assert [line.split("  ")[1] for line in epochs[:3]] == said


def test_the_score_that_is_said_is_the_last_psnr(
    caplog: pytest.LogCaptureFixture, make_run: MakeRun, clock: list[float]
) -> None:
    past, cfg = History(), config(epochs=20)
    past.add(4, 1e-3, 0.5)
    past.judge(0.7, 0.5, 20.25, 0.8)
    past.judge(0.9, 1.0, 31.5, 0.9)
    past.close_epoch()
    said = told.Told(cfg, make_run(cfg), "a network")
    clock[0] += 2.0
    said.step(past)
    assert "loss 0.5  psnr 31.50 dB  " in caplog.records[-1].getMessage()


@pytest.mark.parametrize(("budget", "last"), [({"seconds": 60.0}, 52.0), ({"steps": 40}, 72.0)])
def test_a_budget_ends_it_sooner(
    caplog: pytest.LogCaptureFixture,
    make_run: MakeRun,
    clock: list[float],
    budget: dict[str, Any],
    last: float,
) -> None:
    _, *epochs = lines(caplog, make_run, clock, 2.0, budget=Budget(**budget))
    assert left(epochs[0]) == last


def test_short_epochs_share_a_line_and_the_last_has_one(
    caplog: pytest.LogCaptureFixture, make_run: MakeRun, clock: list[float]
) -> None:
    _, *epochs = lines(caplog, make_run, clock, 0.125)  # half a second an epoch
    assert [line.split()[1] for line in epochs] == [str(n) for n in range(2, 21, 2)]
