from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.kit import seed
from core.run import LiveRun
from core.spec import RunSpec
from tasks.lightmap import task
from tasks.lightmap.config import LightmapConfig

SMALL = {
    **task.tiny,
    "city_size": "40x33",  # H != W, and neither a multiple of a patch
    "epochs": 2,
    "samples_per_epoch": 2048,
    "batch_size": 512,
    "val_hours": [3, 9],
}


def config(**over: Any) -> LightmapConfig:
    """A config of seconds, with the given fields changed."""
    return LightmapConfig.model_validate(SMALL | over)


MakeRun = Callable[..., LiveRun]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Makes the Run handle of a config, in a folder of its own; seeds everything."""

    def make(cfg: LightmapConfig, name: str = "run", run_seed: int = 0, **spec: Any) -> LiveRun:
        torch.set_num_threads(1)
        made = RunSpec(
            run=name,
            task="lightmap",
            use="tasks.lightmap:task",
            variant="baseline",
            seed=run_seed,
            config=cfg.model_dump(mode="json"),
            dir=tmp_path / name,
            root=tmp_path,
            **spec,
        )
        seed.everything(run_seed)
        return LiveRun(made, task)

    return make
