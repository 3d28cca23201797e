"""What training is for, on the bundled street; minutes, so marked slow."""

from __future__ import annotations

import pytest

from core.contract import Absent
from tasks.lightmap import task, work
from tasks.lightmap.config import LightmapConfig
from tests.lightmap.conftest import MakeRun

SHORT = {
    "resize": "96x54",
    "epochs": 10,
    "batch_size": 4096,
    "samples_per_epoch": 122_880,
    "val_every": 10,
    "lr": 2e-3,
}


def measured(variant: str, make_run: MakeRun) -> dict[str, float]:
    cfg = LightmapConfig.model_validate(SHORT | dict(task.variant(variant).set))
    run = make_run(cfg, variant)
    data = work.data(cfg, run)
    work.train(cfg, data, run)
    got = work.evaluate(cfg, work.load(cfg, run.judged(), "cpu"), data, run)
    return {k: v for k, v in got.items() if not isinstance(v, Absent)}


@pytest.mark.slow
def test_the_encoder_gains_what_the_seed_asks_for(make_run: MakeRun) -> None:
    baseline, encoder = (measured(v, make_run) for v in ("baseline", "encoder"))
    assert baseline["psnr"] > 19  # the unchanged noon image gives 12.9
    assert encoder["ssim"] - baseline["ssim"] >= 0.02
    assert encoder["psnr"] - baseline["psnr"] >= -0.3
    assert encoder["loss_rise"] <= 1.05


@pytest.mark.slow
def test_a_network_on_the_blend_improves_it_between_the_hours(make_run: MakeRun) -> None:
    blend, residual = (measured(v, make_run) for v in ("blend", "blend_residual"))
    assert residual["interp_psnr"] > blend["interp_psnr"]
    assert residual["interp_ssim"] > blend["interp_ssim"]
