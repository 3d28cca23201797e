from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from annotated_types import Ge, Gt
from pydantic import ValidationError

from core.contract import clauses
from tasks.lightmap import task
from tasks.lightmap.config import LightmapConfig

ROOT = Path(__file__).parents[2]

SEED_CRITERIA = {  # seed 003, section 6
    "ssim": ("gain", 0.02),
    "lpips": ("gain", 0.02),
    "psnr": ("gain", -0.3),
    "gpu_1080p_ms": ("below", 60.0),
    "nonfinite_steps": ("at_most", 0),
    "loss_rise": ("at_most", 1.05),
    "lr_left": ("below", 1.0),
}

SEED_FLAGS = {  # seed 003, sections 4 and 8
    "epochs": 20,
    "batch_size": 8192,
    "hidden": 64,
    "layers": 6,
    "time_harmonics": 4,
    "xy_harmonics": 4,
    "xy_include_input": True,
    "lr": 5e-4,
    "samples_per_epoch": 200_000,
    "residual_mode": True,
    "baseline_time": 12,
    "use_baseline_encoder": False,
    "be_channels": 32,
    "be_downsample": 1,
    "patch_size": 0,
    "loss_ssim_w": 0.2,
    "loss_lpips_w": 0.0,
    "lpips_freq": 0,
    "val_downsample": 1,
}


def test_the_criteria_are_those_of_the_seed() -> None:
    assert {c.metric: (c.rule, c.threshold) for c in clauses(task.criteria)} == SEED_CRITERIA
    assert [c.metric for c in getattr(task.criteria[0], "of", ())] == ["ssim", "lpips"]
    assert all(c.against == "baseline" for c in clauses(task.criteria))


def test_the_defaults_are_those_of_the_seed() -> None:
    defaults = LightmapConfig().model_dump()
    assert {k: defaults[k] for k in SEED_FLAGS} == SEED_FLAGS
    assert LightmapConfig().total_steps == 20 * 24


def test_text_as_in_the_seed_s_command_line_is_understood() -> None:
    cfg = LightmapConfig.model_validate({"residual_mode": "True", "lr": "5e-4"})
    assert cfg == LightmapConfig()


@pytest.mark.parametrize("name", LightmapConfig.model_fields)
def test_every_setting_is_described_and_every_number_bounded(name: str) -> None:
    field = LightmapConfig.model_fields[name]
    assert field.description
    if field.annotation in (int, float):
        assert any(isinstance(bound, (Ge, Gt)) for bound in field.metadata)


def test_the_tiny_config_and_every_variant_validate() -> None:
    for variant in task.variants:
        LightmapConfig.model_validate({**task.tiny, **variant.set})


@pytest.mark.parametrize(
    "bad",
    [
        {"loss_lpips_w": 0.1, "lpips_freq": 4},
        {"val_hours": [12]},
        {"val_hours": [24]},
        {"resize": "96"},
        {"be_downsample": 3},
        {"blend": "learned", "patch_size": 16},
    ],
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LightmapConfig.model_validate(bad)


def test_the_declaration_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, tasks.lightmap; print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "set()"
