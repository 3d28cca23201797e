from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.kit import seed
from core.run import LiveRun
from core.spec import RunSpec
from tasks.route import task
from tasks.route.config import RouteConfig


def config(**over: Any) -> RouteConfig:
    """The tiny config, with the given fields changed."""
    return RouteConfig.model_validate({**task.tiny, **over})


MakeRun = Callable[..., LiveRun]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Makes the Run handle of a config, in a folder of its own; seeds everything."""

    def make(cfg: RouteConfig, name: str = "run", run_seed: int = 0, **spec: Any) -> LiveRun:
        torch.set_num_threads(1)
        made = RunSpec(
            run=name,
            task="route",
            use="tasks.route:task",
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
