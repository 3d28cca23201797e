"""The bundled study files ask for what the seed asks for."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from core import project
from core.errors import AssayError
from core.study import plan
from tasks.lightmap import task

ROOT = Path(__file__).parents[2]


def test_a_search_for_what_chooses_cannot_prune_by_what_runs_report() -> None:
    """They report SSIM; `choice` may be another metric, turned round."""
    with pytest.raises(AssayError, match="pruning looks at ssim"):
        plan.make(project.find(ROOT), "lightmap_search", changes={"objectives": ["choice"]})


def test_the_grid_is_the_seed_s_each_combination_once() -> None:
    cells = plan.make(project.find(ROOT), "lightmap_grid").cells
    keys = ("patch_size", "loss_ssim_w", "be_channels", "be_downsample")
    asked = [tuple(cell.set[key] for key in keys) for cell in cells]
    want = set(itertools.product((16, 32), (0.1, 0.2, 0.5), (16, 32), (1, 2)))
    assert len(asked) == len(want) == 24
    assert set(asked) == want


def test_the_ablation_is_the_seed_s_four_groups_with_three_seeds() -> None:
    made = plan.make(project.find(ROOT), "lightmap_ablation")
    groups = ["baseline", "encoder", "patch_ssim", "hybrid"]
    assert [(c.arm, c.seed) for c in made.cells] == [(g, s) for s in (0, 1, 2) for g in groups]
    assert made.reference == "baseline"
    assert dict(task.variant("hybrid").set) == {
        **task.variant("encoder").set,
        **task.variant("patch_ssim").set,
    }
