"""The official scripts' flags, their `arg.json`, and what they leave under `save_path`."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from core.contract import TaskConfig
from core.errors import AssayError
from core.kit import checkpoint
from core.run import LiveRun
from core.testing import tiny, tiny_run
from core.testing.tiny import Result
from tasks.circuitnet import metrics, official, task, use, weights
from tasks.circuitnet.config import METRICS, CircuitnetConfig
from tasks.circuitnet.model import build

SEEDS = {  # checkpoints/gpdl_run1/arg.json of seed 002, heiheiha798/CircuitNet
    "task": "congestion_gpdl",
    "save_path": "./checkpoints/gpdl_run3",
    "pretrained": None,
    "max_iters": 200000,
    "plot_roc": False,
    "arg_file": None,
    "cpu": False,
    "dataroot": "../data/congestion",
    "ann_file_train": "./files/train_N28.csv",
    "ann_file_test": "./files/test_N28.csv",
    "dataset_type": "CongestionDataset",
    "batch_size": 16,
    "aug_pipeline": ["Flip"],
    "model_type": "GPDL",
    "in_channels": 3,
    "out_channels": 1,
    "lr": 0.0002,
    "weight_decay": 0,
    "loss_type": "MSELoss",
    "eval_metric": ["NRMS", "SSIM", "EMD"],
}


def config(**given: Any) -> CircuitnetConfig:
    return CircuitnetConfig.model_validate(given)


def written(folder: Path, **changed: Any) -> Path:
    path = folder / "arg.json"
    path.write_text(json.dumps(SEEDS | changed))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("official")
    given = {"save_path": folder / "out", "eval_metric": "SSIM,pearson"}
    return tiny_run(task, folder / "run", overrides=given), folder / "out"


def test_the_seeds_own_file_of_arguments_is_read_whole(tmp_path: Path) -> None:
    cfg = config(arg_file=written(tmp_path))
    assert cfg == config(
        arg_file=tmp_path / "arg.json",
        save_path="checkpoints/gpdl_run3",
        dataroot="../data/congestion",
        ann_file_train="files/train_N28.csv",
        ann_file_test="files/test_N28.csv",
        eval_metric=("nrms", "ssim", "emd"),
    )


def test_what_is_given_stands_above_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, max_iters="70", batch_size=4, aug_pipeline=[])
    cfg = config(arg_file=path, batch_size=6)
    assert (cfg.max_iters, cfg.batch_size, cfg.augment) == (70, 6, "none")
    path.unlink()  # a resolved config does not need it any more
    assert CircuitnetConfig.model_validate(cfg.model_dump()) == cfg
    with pytest.raises(ValidationError, match="is not a JSON file of arguments"):
        config(arg_file=path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"in_channels": 9}, "in_channels 9, but congestion_gpdl has 3"),
        ({"model_type": "RouteNet"}, "model_type RouteNet, but congestion_gpdl has GPDL"),
        ({"task": "irdrop_mavi"}, "congestion_gpdl"),
        ({"aug_pipeline": ["Flip", "Rotation"]}, r"known are \[\] and \[Flip\]"),
        ({"eval_metric": ["NRMS", "PSNR"]}, "no metric psnr; known: nrms, ssim"),
        ({"eval_metric": 5}, "eval_metric"),
        ({"eval_metric": []}, "eval_metric"),
        ({"learning_rate": 1}, r"arg\.json has learning_rate, no setting here"),
    ],
)
def test_a_file_that_asks_for_something_else_is_refused(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        config(arg_file=written(tmp_path, **changed))


def test_every_metric_of_a_map_may_be_asked_for() -> None:
    assert set(METRICS) == {name for name in metrics.METRICS if not name.endswith("pm")}


def test_save_path_gets_what_the_scripts_and_this_task_leave(
    trained: tuple[Result, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done, out = trained
    assert {p.name for p in out.iterdir()} == {
        *("arg.json", "best.ckpt", "last.ckpt", "loss_history.npy", "val_history.npy"),
    }
    assert (out / "best.ckpt").read_bytes() == done.run.judged().read_bytes()
    np.testing.assert_array_equal(
        np.load(out / "loss_history.npy"), np.load(done.run.dir / "loss_history.npy")
    )
    cfg: TaskConfig = done.config
    assert config(arg_file=out / "arg.json") == cfg.model_copy(
        update={"arg_file": out / "arg.json"}
    )
    monkeypatch.setattr("tasks.circuitnet.work.MARKS", (3,))
    tiny_run(task, tmp_path / "run", overrides={"save_path": tmp_path / "out"})
    named = checkpoint.foreign(tmp_path / "out" / "model_iters_3.pth")
    assert weights.put(build(cfg), named, tmp_path) == []  # type: ignore[arg-type]


def test_a_save_path_that_cannot_be_is_named_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AssayError, match=r"save_path .*file"):
        tiny_run(task, tmp_path / "run", overrides={"save_path": tmp_path / "file"})


def test_the_tables_columns_are_the_metrics_that_were_asked_for(
    trained: tuple[Result, Path],
) -> None:
    done, _ = trained
    text = (done.run.dir / "images" / "comparison.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert list(rows[0]) == ["predictor", "measured on", "ssim", "pearson"]
    assert float(rows[0]["pearson"]) == pytest.approx(done.metrics["pearson"], abs=5e-5)
    rudy = next(row for row in rows if row["predictor"] == "RUDY")
    assert -1 <= float(rudy["pearson"]) <= 1


def test_eval_takes_the_official_flag_for_its_checkpoint(
    trained: tuple[Result, Path], tmp_path: Path
) -> None:
    done, out = trained
    last = checkpoint.load(out / "best.ckpt")["state"]["model"]
    checkpoint.save_plain(tmp_path / "w.pth", {"state_dict": last})
    cfg = done.config.model_copy(update={"pretrained": tmp_path / "w.pth", "plot_roc": True})
    run: LiveRun = done.run
    found = use.evaluate(cfg, run)  # type: ignore[arg-type]
    assert list(found)[:2] == ["ssim", "pearson"]
    assert found["ssim"] == done.metrics["ssim"]
    assert (run.dir / "images" / "roc.png").stat().st_size
    with pytest.raises(AssayError, match="eval needs a checkpoint"):
        use.evaluate(done.config, run)  # type: ignore[arg-type]


def test_cpu_refuses_another_device(tmp_path: Path) -> None:
    spec = tiny.tiny_spec(task, tmp_path / "run").model_copy(update={"device": "cuda"})
    run = LiveRun(spec, task)
    official.check_device(config(), run)
    with pytest.raises(AssayError, match="cpu=true, but device cuda"):
        official.check_device(config(cpu=True), run)
