"""What training is for, on the bundled street; minutes, so marked slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.contract import Absent
from core.events import series
from core.kit.io import read_rgb
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
@pytest.mark.parametrize("variant", ["baseline", "encoder", "patch_ssim", "hybrid"])
def test_each_group_trains_and_draws_a_day_of_256_pixels(
    variant: str, make_run: MakeRun, tmp_path: Path
) -> None:
    short = {"data": "city", "city_size": "256x256", "epochs": 4, "samples_per_epoch": 2**16}
    cfg = LightmapConfig.model_validate(
        short | {"batch_size": 4096, "lr": 2e-3, "val_every": 4} | dict(task.variant(variant).set)
    )
    run = make_run(cfg)
    work.train(cfg, work.data(cfg, run), run)
    loss = [value for _, value in series(run.dir / "events.jsonl")["loss/epoch"]]
    assert loss[0] is not None
    assert loss[-1] is not None
    assert loss[-1] < 0.95 * loss[0]  # of patches by 9 %, of the others by more
    made = work.infer(cfg, work.load(cfg, run.judged(), "cpu"), tmp_path, run)
    assert [read_rgb(path).shape for path in made] == [(256, 256, 3)] * 24


@pytest.mark.slow
def test_a_network_on_the_blend_improves_it_between_the_hours(make_run: MakeRun) -> None:
    blend, residual = (measured(v, make_run) for v in ("blend", "blend_residual"))
    assert residual["interp_psnr"] > blend["interp_psnr"]
    assert residual["interp_ssim"] > blend["interp_ssim"]
