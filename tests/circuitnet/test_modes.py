"""Two kinds of label: what a network was trained on, and what it is judged by."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from core.config import protocol
from core.testing import tiny_run
from tasks.circuitnet import (
    dataset,
    deploy,
    maps,
    metrics,
    pictures,
    preprocess,
    synth,
    task,
    work,
)
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.preprocess import Recipe
from tests.circuitnet.test_dataset import tiny

RAW = {"synth_raw": 33}
SMALL = {"synth_cells": 700, "synth_designs": 6, "synth_test": 2}


def overflow(mode: preprocess.Mode, index: int) -> np.ndarray:
    raw = synth.layout(0, index, 33, 300).maps
    return preprocess.overflow(raw, Recipe(mode=mode, size=32))


def test_without_resampling_both_kinds_agree_and_with_it_the_background_rises() -> None:
    for raw, differ in ((None, False), (33, True)):
        compat, clean = (
            dataset.read(tiny(mode=m, synth_raw=raw)).test.one(0)[1] for m in ("compat", "clean")
        )
        assert (np.abs(compat - clean).max() > 0.05) == differ
        if differ:  # 0.119 in the real sample
            assert 0.05 < np.median(compat) < 0.2
            assert np.median(clean) == 0


@pytest.mark.parametrize(("mode", "other"), [("clean", "compat"), ("compat", "clean")])
def test_a_perfect_network_of_the_other_kind_is_wrong_by_the_resampling_alone(
    mode: preprocess.Mode, other: preprocess.Mode
) -> None:
    """Its own label, in overflow, on the scale of the label that judges."""
    data = dataset.read(tiny(mode=mode, train_mode=other, **RAW))
    own_feature, own_label = dataset.read(tiny(mode=other, **RAW)).test.maps([1])

    def perfect(feature: np.ndarray) -> np.ndarray:
        np.testing.assert_array_equal(feature, own_feature)
        return own_label[:, 0]

    feature, label = data.test.maps([1])
    got = data.test.predict(perfect, [1], feature)[0]
    theirs, truth = overflow(other, 1), overflow(mode, 1)
    low = min(0.0, truth.min())
    np.testing.assert_allclose(got, (theirs - low) / (truth.max() - low), atol=1e-5)
    np.testing.assert_allclose(label[0, 0], (truth - low) / (truth.max() - low), atol=1e-5)


def test_what_judges_is_equal_whatever_was_trained_on(tmp_path: Path) -> None:
    runs = {
        kind: tiny_run(
            task, tmp_path / kind, overrides={"mode": "clean", "train_mode": kind, **RAW}
        )
        for kind in ("compat", "clean")
    }
    one, other = (run.metrics for run in runs.values())
    for name in ("zero_nrms", "zero_ssim", "mean_nrms", "mean_ssim", "rudy_nrms", "rudy_ssim"):
        assert one[name] == other[name]
    assert one["nrms"] != other["nrms"]
    plain = tiny_run(task, tmp_path / "plain", overrides={"mode": "clean", **RAW})
    assert plain.metrics["nrms"] == other["nrms"]
    judged = [protocol(run.config) for run in runs.values()]
    assert judged[0] == judged[1]  # so that the two are compared

    cfg: CircuitnetConfig = runs["compat"].config  # type: ignore[assignment]
    network = work.load(cfg, runs["compat"].run.judged(), "cpu")
    (_, given), *_ = maps.inputs(cfg)
    want = dataset.read(tiny(mode="compat", **RAW)).test.one(0)[0]
    np.testing.assert_array_equal(given, want)
    assert network.predict(given[None]).shape == (1, 32, 32)


def test_pictures_and_deployed_files_are_on_the_scale_of_the_labels_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that predicts no overflow anywhere gives the background of official labels."""
    data = dataset.read(tiny(mode="compat", train_mode="clean", **RAW))
    truth = [overflow("compat", i) for i in range(2)]
    lows = [min(0.0, t.min()) for t in truth]
    levels = [-low / (t.max() - low) for t, low in zip(truth, lows, strict=True)]
    shown: list[np.ndarray] = []
    monkeypatch.setattr(pictures, "heat_sheet", lambda path, cells, *_, **__: shown.extend(cells))
    none: Any = SimpleNamespace(predict=lambda x: np.zeros((len(x), *x.shape[2:]), np.float32))
    scored: Any = SimpleNamespace(by={pictures.MODEL: {"nrms": np.array([0.1, 0.2])}})
    pictures.compare(none, data, scored, tmp_path)
    best, worst = shown[1], shown[7]  # label, prediction and error of best, median and worst
    np.testing.assert_allclose(best, levels[0], atol=1e-5)
    np.testing.assert_allclose(worst, levels[1], atol=1e-5)

    flat = np.stack([np.full((32, 32), level, np.float32) for level in levels])
    labels = data.test.maps([0, 1])[1][:, 0]
    want = metrics.score(torch.from_numpy(labels), torch.from_numpy(flat), ("nrms", "ssim"))
    got = deploy.judge(lambda x: np.zeros((len(x), 1, 32, 32), np.float32), data.test)
    assert got.nrms == pytest.approx(want["nrms"].mean(), abs=1e-4)
    assert got.ssim == pytest.approx(want["ssim"].mean(), abs=1e-4)


@pytest.mark.parametrize("given", [{"train_mode": "clean"}, {"mode": "clean"}])
def test_maps_that_are_made_already_have_one_kind(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="train_mode are for generated designs"):
        CircuitnetConfig.model_validate({"dataroot": tmp_path, **given})


def test_the_variant_of_clean_labels_changes_what_is_trained_on_and_not_the_judge() -> None:
    changed = task.variant("clean_labels").set
    clean, official = (
        dataset.read(CircuitnetConfig.model_validate({**changed, **given, **SMALL}))
        for given in ({}, {"train_mode": "same"})
    )
    for a, b in zip(clean.test.maps([0]), official.test.maps([0]), strict=True):
        np.testing.assert_array_equal(a, b)
    ours, theirs = (data.train.one(0)[1] for data in (clean, official))
    assert np.median(ours) == 0
    assert np.median(theirs) > 0.05
