from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.contract import Run, TaskConfig
from core.errors import AssayError
from core.run import LiveRun
from core.testing.tiny import tiny_spec
from tasks.circuitnet import annotation, maps, network, raw, sample_maps, stats, task, tools, use
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.model import build
from tasks.circuitnet.names import parse
from tasks.circuitnet.preprocess import Recipe, pack

CFG = TaskConfig()


class Quiet:
    """As much of a Run as the data tools use."""

    def __init__(self, folder: Path) -> None:
        self.dir = folder / "run"
        self.seen: list[tuple[int, int]] = []

    def progress(self, done: int, total: int, note: str = "") -> None:
        self.seen.append((done, total))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Quiet(tmp_path)  # type: ignore[return-value]


def made_up(run: Run, out: Path, **options: Any) -> dict[str, Any]:
    small = {"count": 4, "grid": 32, "cells": 300, "test_share": 0.25, "workers": 1}
    return tools.synth(CFG, run, out=str(out), **(small | options))


def test_synth_writes_a_tree_that_trains(run: Run, tmp_path: Path) -> None:
    assert made_up(run, tmp_path / "out") == {
        "out": str(tmp_path / "out"), "train": 3, "test": 1,
    }  # fmt: skip
    for half, count in (("train", 3), ("test", 1)):
        rows = annotation.read(tmp_path / "out" / f"{half}.csv")
        assert len(annotation.present(rows, tmp_path / "out").rows) == count
    row = annotation.read(tmp_path / "out" / "train.csv")[0]
    assert np.load(tmp_path / "out" / row.feature).shape == (32, 32, 3)
    assert (4, 4) in run.seen  # type: ignore[attr-defined]


def test_its_raw_tree_serves_drc_too(run: Run, tmp_path: Path) -> None:
    made_up(run, tmp_path / "made", process=False)
    done = tools.preprocess(
        CFG, run, raw=str(tmp_path / "made"), out=str(tmp_path / "drc"), task="DRC", size=32,
        workers=1,
    )  # fmt: skip
    assert done["made"] == 4
    assert np.load(next((tmp_path / "drc" / "feature").iterdir())).shape == (32, 32, 9)
    assert not (tmp_path / "made" / "feature").exists()


def test_the_real_sample_passes_end_to_end(run: Run, tmp_path: Path) -> None:
    tools.sample(CFG, run, out=str(tmp_path / "raw"))
    done = tools.preprocess(
        CFG, run, data_path=str(tmp_path / "raw"), save_path=str(tmp_path / "out"), workers=1
    )
    assert done["made"] == 1
    packed = pack(sample_maps.complete(), Recipe())
    feature = np.load(tmp_path / "out" / "feature" / f"{sample_maps.LABELLED}.npy")
    assert np.array_equal(feature, packed.feature)


def test_the_real_sample_is_evaluated_and_predicted(tmp_path: Path) -> None:
    """Raw tree, preprocess, csv, an official weight file, metrics, heat map."""
    run = LiveRun(tiny_spec(task, tmp_path / "run"), task)
    tools.sample(CFG, run, out=str(tmp_path / "raw"))
    root, name = tmp_path / "data", sample_maps.LABELLED
    tools.preprocess(CFG, run, raw=str(tmp_path / "raw"), out=str(root), workers=1)
    for half in ("train", "test"):
        annotation.write(root / f"{half}.csv", [name])
    cfg = CircuitnetConfig(dataroot=root, width=0.125, select_on="test")
    torch.save({"state_dict": build(cfg).state_dict()}, tmp_path / "official.pth")
    found = use.evaluate(cfg, run, ckpt=str(tmp_path / "official.pth"))
    label = np.round(np.load(root / "label" / f"{name}.npy").clip(0, 1).astype(np.float32) * 255)
    root_mean = np.sqrt((label.astype(float) ** 2).mean())
    assert found["zero_nrms"] == pytest.approx(root_mean / np.ptp(label), abs=1e-9)
    assert np.isfinite(found["ssim"])
    assert "no error" in str(found["nrms_over_trivial"])  # one layout: its mean is the label itself
    loaded = network.load(cfg, tmp_path / "official.pth", "cpu")
    made = maps.infer(cfg, loaded, tmp_path / "maps", run)
    assert [p.name for p in made] == [f"{name}.npy", f"{name}.png", "hotspots.csv"]
    assert np.load(made[0]).shape == (256, 256)


def test_layouts_of_real_placements_are_split_by_family(run: Run, tmp_path: Path) -> None:
    done = tools.synth(
        CFG, run, out=str(tmp_path / "out"), from_placement="sample", count=2, grid=64, workers=1
    )
    assert done["train"] == done["test"] == 2
    designs = {
        half: {parse(r.name).design for r in annotation.read(tmp_path / "out" / f"{half}.csv")}
        for half in ("train", "test")
    }
    assert sorted(map(tuple, designs.values())) == [("RISCY",), ("zero-riscy",)]


def test_annotate_splits_a_processed_folder(run: Run, tmp_path: Path) -> None:
    made_up(run, tmp_path)
    designs = sorted(parse(p.stem).design for p in (tmp_path / "feature").iterdir())
    halves = tools.annotate(
        CFG, run, dataroot=str(tmp_path), by="design", test_designs=f"{designs[0]}, {designs[1]}"
    )
    assert halves == {"train": 2, "test": 2}
    assert tools.annotate(CFG, run, dataroot=str(tmp_path), test_share=0.25)["test"] == 1
    with pytest.raises(AssayError, match=r"needs test_designs.*synth0"):
        tools.annotate(CFG, run, dataroot=str(tmp_path), by="design")
    with pytest.raises(AssayError, match="by design or by seed"):
        tools.annotate(CFG, run, dataroot=str(tmp_path), by="chance")
    with pytest.raises(AssayError, match="no folder feature"):
        tools.annotate(CFG, run, dataroot=str(tmp_path / "raw"))


def test_stats_count_copies_and_draw_layouts(run: Run, tmp_path: Path) -> None:
    made_up(run, tmp_path / "out", process=False)
    root = tmp_path / "out" / "raw"
    kinds = ("macro_region", "RUDY", "RUDY_pin",
             "congestion_GR_horizontal_overflow", "congestion_GR_vertical_overflow")  # fmt: skip
    for folder in raw.find(root, kinds).values():
        first = sorted(folder.iterdir())[0]
        (folder / "9-copy-a-1-c1-u1-m1-p1-f1.npy").write_bytes(first.read_bytes())
    found = tools.stats(CFG, run, raw=str(root), workers=1)
    assert (found["layouts"], found["unique"], found["copies"]) == (5, 4, 1)
    assert found["copied across designs"] == 1
    assert found["designs"] == 5
    assert found["largest designs"]["copy"] == {"layouts": 1, "shapes": {"32x32": 1}}
    label = found["labels"]["congestion_GR_vertical_overflow"]
    shares = [s.filled[1] for s in stats.gather(root, workers=1)]
    assert label["mean share not 0"] == pytest.approx(sum(shares) / 5)
    assert Path(found["gallery"]).stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"raw": "a"}, "out is needed"),
        ({"raw": "a", "data_path": "b", "out": "c"}, "raw is needed once"),
        ({"raw": "a", "out": "b", "label_scale": "half"}, "label_scale is 'half'"),
        ({"raw": "a", "out": "b", "workers": 0}, "workers 0"),
        ({"raw": "a", "out": "b", "label_scale": "global"}, "no folder a"),
    ],
)
def test_options_that_cannot_be(run: Run, options: dict[str, Any], said: str) -> None:
    with pytest.raises(AssayError, match=said):
        tools.preprocess(CFG, run, **options)


def test_one_layout_cannot_be_split(run: Run, tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="at least 2 layouts"):
        made_up(run, tmp_path, count=1)
