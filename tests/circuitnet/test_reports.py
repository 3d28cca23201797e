"""What is concluded from numbers, and the files that a network becomes."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from core.contract import Published
from core.errors import AssayError
from core.run import LiveRun
from core.testing import tiny_run
from core.testing.tiny import Result
from tasks.circuitnet import bootstrap, deploy, sensitivity, task, use
from tasks.circuitnet.bootstrap import paired
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.model import GPDL
from tasks.circuitnet.published import PUBLISHED
from tasks.circuitnet.sensitivity import Row


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return tiny_run(task, tmp_path_factory.mktemp("trained") / "run")


def test_bootstrap_intervals_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.normal(0.5, 0.1, 60)
    ours = theirs + rng.normal(0.02, 0.05, 60)
    found = paired(ours, theirs)
    peer = stats.bootstrap((ours - theirs,), np.mean, method="percentile", rng=1, n_resamples=4000)
    low, high = peer.confidence_interval
    assert found.point == pytest.approx((ours - theirs).mean())
    np.testing.assert_allclose(found[1:], (low, high), atol=0.1 * (high - low))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for i in range(200):
        found = paired(rng.normal(0.1, 1, 50), np.zeros(50), seed=i)
        held += found.low <= 0.1 <= found.high
    assert 0.88 <= held / 200 <= 0.99


def test_maps_without_a_value_are_left_out() -> None:
    ours, theirs = np.array([1.0, math.nan, 3.0]), np.array([0.0, 5.0, 2.0])
    assert paired(ours, theirs) == bootstrap.Interval(1.0, 1.0, 1.0)


def row(flavour: str, precision: str, target: str, module: str, ssim: np.ndarray) -> Row:
    base = np.full(40, 0.8) + np.linspace(-0.1, 0.1, 40)
    scores = {"nrms": 1 - ssim, "ssim": ssim}
    return Row(
        *(flavour, precision, target, module, 1 - ssim.mean(), ssim.mean()),
        *(paired(1 - ssim, 1 - base), paired(ssim, base), 100.0, scores),
    )


def test_conclusions_follow_the_numbers_and_say_when_they_cannot_tell() -> None:
    base = np.full(40, 0.8) + np.linspace(-0.1, 0.1, 40)
    noise = np.random.default_rng(0).normal(0, 0.05, 40)
    weights = ("seed", "INT4", "weights")
    clear = [row(*weights, "encoder", base - 0.1), row(*weights, "decoder", base - 0.01)]
    (said, *rest) = sensitivity.conclusions(clear)
    assert "decoder keeps more SSIM than encoder, by 0.0900" in said
    assert not any("not separable" in line for line in rest)
    noise -= noise.mean()
    vague = [row(*weights, "encoder", base + noise), row(*weights, "decoder", base - noise)]
    said, *rest = sensitivity.conclusions(vague)
    assert "not separable" in said
    assert any("not separable from FP32" in line for line in rest)


def test_the_other_order_gives_the_other_conclusion() -> None:
    base = np.full(40, 0.8)
    a = row("standard", "INT8", "weights", "all", base - 0.02)
    b = row("standard", "FP8", "weights", "all", base)
    assert sensitivity.compared(a, b).startswith("FP8 keeps more SSIM than INT8, by 0.0200")


def test_the_sensitivity_tool_measures_the_matrix(trained: Result, tmp_path: Path) -> None:
    run: LiveRun = trained.run
    made = sensitivity.sensitivity(
        trained.config,  # type: ignore[arg-type]
        run,
        ckpt=str(run.judged()),
        out=str(tmp_path),
        precisions=("INT8", "INT4"),
        flavours=("seed",),
    )
    rows = list(csv.DictReader((tmp_path / "sensitivity.csv").read_text().splitlines()))
    assert len(rows) == 1 + 2 * 3 * 3 + 12  # FP32, the matrix, each layer alone
    assert rows[0]["precision"] == "FP32"
    assert float(rows[0]["ssim"]) == trained.metrics["ssim"]
    whole = {(r["precision"], r["target"], r["module"]): float(r["dssim"]) for r in rows[1:19]}
    assert abs(whole["INT8", "weights", "all"]) < abs(whole["INT4", "weights", "all"])
    assert {p.name for p in made} == {
        *("sensitivity.csv", "sensitivity_modules.png", "sensitivity_layers.png"),
        *("matrix.png", "size_quality.png", "conclusions.md"),
    }
    assert all(p.stat().st_size for p in made)


def test_the_eval_tool_gives_the_runs_numbers(trained: Result) -> None:
    found = use.evaluate(trained.config, trained.run, ckpt=str(trained.run.judged()))  # type: ignore[arg-type]
    assert found["ssim"] == trained.metrics["ssim"]
    assert found["val_nrms"] == trained.metrics["val_nrms"]


def test_curves_of_several_runs_need_a_history(trained: Result, tmp_path: Path) -> None:
    made = use.curves(trained.config, trained.run, runs=[str(trained.run.dir)], out=str(tmp_path))  # type: ignore[arg-type]
    assert {p.name for p in made} == {"loss_linear.png", "loss_log.png", "validation.png"}
    with pytest.raises(AssayError, match=r"no loss_history\.npy"):
        use.curves(trained.config, trained.run, runs=[str(tmp_path)])  # type: ignore[arg-type]


def test_published_figures_stand_in_the_table_apart_from_ours(trained: Result) -> None:
    text = (trained.run.dir / "images" / "comparison.md").read_text()
    ours, theirs = text.split("# Published by others")
    assert "RUDY" in ours
    assert "zero map" in ours
    assert "0.8078" in theirs
    assert "0.8078" not in ours


def test_the_published_figures_are_those_of_the_seed() -> None:
    rows = {p.name: dict(p.metrics) for p in PUBLISHED}
    assert rows["official congestion.pth"] == {"nrms": 0.0417, "ssim": 0.8078, "emd": 0.0026}
    assert rows["10k, INT4 activations"] == {"nrms": 0.2338, "ssim": 0.2099}
    assert len(rows) == 14
    assert all(isinstance(p, Published) and "seed 002" in p.source for p in PUBLISHED)


@pytest.mark.slow
def test_onnx_files_agree_with_torch_and_int8_is_small(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    net = GPDL().eval()
    features = [np.random.default_rng(0).random((8, 3, 32, 32), dtype=np.float32)]
    plain = deploy.write(net, (1, 3, 32, 32), tmp_path / deploy.NAMES["fp32"])
    small = deploy.quantise(plain, features, tmp_path / deploy.NAMES["int8"])
    with torch.inference_mode():
        want = net(torch.from_numpy(features[0])).numpy()
    np.testing.assert_allclose(deploy.session(plain, 1)(features[0]), want, atol=1e-5)
    np.testing.assert_allclose(deploy.session(small, 1)(features[0]), want, atol=0.05)
    assert small.stat().st_size <= 0.5 * plain.stat().st_size


@pytest.mark.slow
def test_export_measures_size_latency_and_quality_of_every_form(
    trained: Result, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    cfg: CircuitnetConfig = trained.config  # type: ignore[assignment]
    ckpt = str(trained.run.judged())
    made = deploy.export(cfg, trained.run, ckpt=ckpt, out=str(tmp_path / "own"), int8=True)
    names = ["model.onnx", "model_int8.onnx", "deploy.csv", "deploy.png"]
    assert [p.name for p in made] == names
    rows = list(csv.DictReader((tmp_path / "own" / "deploy.csv").read_text().splitlines()))
    torch_row, onnx_row, int8_row = rows
    assert float(torch_row["ssim"]) == trained.metrics["ssim"]
    assert float(onnx_row["nrms"]) == pytest.approx(trained.metrics["nrms"], abs=1e-4)
    assert float(int8_row["kb"]) > 0
    assert float(int8_row["max_difference"]) > float(onnx_row["max_difference"])
    with pytest.raises(AssayError, match="side 30"):
        deploy.export(cfg, trained.run, ckpt=ckpt, side=30)
    other = deploy.export(cfg, trained.run, ckpt=ckpt, out=str(tmp_path / "other"), side=48)
    assert [p.name for p in other] == ["model.onnx", "deploy.csv"]
    assert all(
        (row["nrms"], row["ssim"]) == ("", "")
        for row in csv.DictReader((tmp_path / "other" / "deploy.csv").read_text().splitlines())
    )
