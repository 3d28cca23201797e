from __future__ import annotations

import pytest
import torch

from core.contract import Absent
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.history import History
from tasks.lightmap.schedule import plateaus, rate


def test_the_cosine_is_that_of_torch() -> None:
    cfg = LightmapConfig(epochs=3, samples_per_epoch=80, batch_size=8, lr=1e-3)
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=cfg.lr)
    last = cfg.total_steps - 1
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(opt, last, eta_min=cfg.lr * 0.05)
    for step in range(1, cfg.total_steps + 1):
        assert rate(cfg, step, []) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        opt.step()
        theirs.step()


def test_the_plateau_halves_after_three_epochs_without_a_lower_loss() -> None:
    assert plateaus([3, 2, 1]) == 0
    assert plateaus([1, 2, 2]) == 0
    assert plateaus([1, 2, 2, 1]) == 1
    assert plateaus([1, 2, 2, 1, 0.5, 1, 1, 1]) == 2
    cfg = LightmapConfig(lr_schedule="plateau", lr=1e-3)
    assert rate(cfg, 999, [1, 2, 2, 1]) == 5e-4


def test_without_a_schedule_the_rate_stays() -> None:
    cfg = LightmapConfig(lr_schedule="none")
    assert rate(cfg, 1, []) == rate(cfg, cfg.total_steps, [1.0] * 20) == cfg.lr


def test_loss_rise_compares_the_last_epoch_with_the_lowest() -> None:
    past = History()
    for epoch in ([4.0, 2.0], [1.0, None, 3.0], [3.0]):
        for step, loss in enumerate(epoch, start=past.step + 1):
            past.add(step, 1.0 / step, loss)
        past.close_epoch()
    assert past.epochs == [3.0, 2.0, 3.0]
    assert past.metrics(1) == {
        "nonfinite_steps": 1,
        "loss_rise": 1.5,
        "lr_left": pytest.approx(1 / 6),
    }


def test_what_was_not_trained_has_no_steps_to_count() -> None:
    untrained = History().metrics(0)
    assert {type(value) for value in untrained.values()} == {Absent}
    past = History()
    past.add(1, 1.0, None)  # a step whose loss was not finite is counted, and nothing hides it
    assert past.metrics(1)["nonfinite_steps"] == 1
    assert past.metrics(1)["loss_rise"] == Absent(reason="no step had a usable loss")


def test_an_epoch_without_a_usable_loss_has_no_mean() -> None:
    past = History()
    past.add(1, 1.0, None)
    assert past.close_epoch() == {}
    assert past.epochs == []
