from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core import compat

ROOT = Path(__file__).parents[1]
IMPORTS = {
    "lpips": "import lpips",
    "diffusers": "from diffusers import UNet2DConditionModel",
    "transformers": "from transformers import CLIPImageProcessor",
}


def fresh(code: str) -> str:
    """Standard output of a new interpreter without a GPU."""
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def together() -> dict[str, object]:
    """What one fresh process sees that imports all three: an import costs seconds."""
    code = f"""
import json, sys
import core
import torch
{chr(10).join(IMPORTS.values())}
core.compat.install()
boxes = torch.tensor([[0., 0., 10., 10.], [1., 1., 10., 10.], [20., 20., 30., 30.]])
kept = torch.ops.torchvision.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist()
watching = [type(f).__module__ for f in sys.meta_path].count("core.compat")
version = sys.modules["torchvision"].__version__
print(json.dumps({{"kept": kept, "watching": watching, "version": version}}))
"""
    seen: dict[str, object] = json.loads(fresh(code))
    return seen


def test_lpips_diffusers_and_transformers_import_beside_a_real_torchvision(
    together: dict[str, object],
) -> None:
    assert str(together["version"])[0].isdigit()


def test_the_operator_that_torchvision_calls_is_there(together: dict[str, object]) -> None:
    assert together["kept"] == [1, 2]


def test_nobody_watches_once_torchvision_is_loaded(together: dict[str, object]) -> None:
    assert together["watching"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", IMPORTS)
def test_each_imports_alone(name: str) -> None:
    assert fresh(f"import core\n{IMPORTS[name]}\nprint('there')") == "there"


def test_watching_for_torchvision_imports_no_torch() -> None:
    assert fresh("import core, sys; print('torch' in sys.modules)") == "False"


def test_installing_twice_watches_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    compat.install()
    compat.install()
    assert len(sys.meta_path) == 1


def test_nothing_is_defined_where_the_native_library_loads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "_C.so").touch()
    loaded: list[str] = []
    monkeypatch.setattr(torch.ops, "load_library", loaded.append)
    monkeypatch.setattr(torch.library, "Library", pytest.fail)
    compat.complete(tmp_path)
    assert loaded == [str(tmp_path / "_C.so")]


def reference_nms(boxes: np.ndarray, scores: np.ndarray, limit: float) -> list[int]:
    """The definition: a box stays unless a better one that stays overlaps it by more than limit."""

    def overlap(a: np.ndarray, b: np.ndarray) -> float:
        width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
        height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
        areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
        return width * height / (areas - width * height)

    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if all(overlap(boxes[i], boxes[j]) <= limit for j in kept):
            kept.append(i)
    return kept


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.integers(0, 10**6), st.sampled_from([0.0, 0.2, 0.5, 0.9]))
def test_nms_follows_its_definition(n: int, seed: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 8, (n, 2)).astype(float)
    boxes = np.concatenate([corner, corner + rng.integers(1, 7, (n, 2))], axis=1)
    scores = rng.integers(0, 5, n).astype(float)  # ties go to the first
    got = compat.nms(torch.from_numpy(boxes), torch.from_numpy(scores), limit)
    assert got.tolist() == reference_nms(boxes, scores, limit)
