from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import AssayError
from tasks.lightmap import metrics, pictures, rates, sizes, work
from tasks.lightmap.data import read
from tests.lightmap.conftest import MakeRun, config


def test_every_alternative_has_the_bytes_and_quality_of_real_files(
    make_run: MakeRun, tmp_path: Path
) -> None:
    cfg = config(blend="linear", basis_k=72, city_size="64x48")
    run = make_run(cfg)
    day = work.data(cfg, run)
    work.train(cfg, day, run)
    model = work.load(cfg, run.judged(), "cpu")
    frame = work.frames(cfg, model, day)
    rows = rates.table(cfg, model, day, pictures.compare(cfg, day, frame))
    assert [r.method.split(" ")[0].split("-")[0] for r in rows] == [
        *("model", "identity", "nearest", "blend", "JPEG", "WebP", "PCA")
    ]
    assert rows[0].bytes == len(model.file)
    webp = next(r for r in rows if r.method.startswith("WebP"))
    quality, size, error = int(webp.method.split("q")[1]), 0, []
    for hour in range(24):
        frame, file = sizes.pixels(day, hour), io.BytesIO()
        Image.fromarray(frame).save(file, "WEBP", quality=quality, method=6)
        size += len(file.getvalue())
        error.append(
            np.mean((np.asarray(Image.open(file).convert("RGB")) / 255 - frame / 255) ** 2)
        )
    assert webp.bytes == size
    assert webp.score.psnr == pytest.approx(np.mean(-10 * np.log10(error)), abs=1e-3)
    with rates.written(rows, tmp_path)[1].open() as file:
        assert len(list(csv.DictReader(file))) == 7


def test_the_nearest_setting_is_that_of_a_search_through_all() -> None:
    day = read(config())
    target = 6000.0
    sizes_of = {q: rates.images(day, "JPEG", q).bytes for q in range(1, 101)}
    best = min(sizes_of, key=lambda q: abs(sizes_of[q] - target))
    found, coded = rates.nearest(lambda q: rates.images(day, "JPEG", q), 1, 100, target)
    assert abs(coded.bytes - target) <= abs(sizes_of[best] - target) * 1.05 + 20
    assert sizes_of[found] == coded.bytes


def test_all_principal_images_are_nearly_exact_and_few_are_the_svd() -> None:
    day = read(config())
    whole = rates.pca(day, 72)
    assert (whole.images.int() - day.frames.int()).abs().max() <= 3
    flat = day.frames.numpy().reshape(72, -1) / 255
    u, s, v = np.linalg.svd(flat, full_matrices=False)
    best = ((u[:, :4] * s[:4]) @ v[:4]).clip(0, 1)
    got = rates.pca(day, 4).images.numpy().reshape(72, -1) / 255
    assert np.mean((got - flat) ** 2) == pytest.approx(np.mean((best - flat) ** 2), rel=0.05)


def test_the_advantage_is_read_off_the_curves_at_equal_bytes() -> None:
    def row(size: float, psnr: float) -> rates.Rate:
        return rates.Rate("", size, metrics.Score(psnr, 0, None, 0))

    curves = {"WebP": [row(100, 20), row(10_000, 30)], "basis": [row(1000, 28), row(99, 5)]}
    assert rates.advantage(curves) == {"1000": pytest.approx(3.0)}


def test_the_tool_draws_curves(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "QUALITIES", (20, 60))
    monkeypatch.setattr(rates, "STEPS", (0.1, 0.3))
    cfg = config()
    told = rates.compare(cfg, make_run(cfg))
    assert {Path(p).name for p in told["files"]} == {"rates.png", "rates.md", "rates.csv"}
    assert all(Path(p).stat().st_size for p in told["files"])
    assert torch.isfinite(torch.tensor(list(told["gain_db"].values()))).all()


def test_a_held_out_baseline_still_costs_the_bytes_of_its_image(make_run: MakeRun) -> None:
    cfg = config(blend="linear", val_split="holdout", val_hours=[3, 12])
    run = make_run(cfg)
    day = work.data(cfg, run)
    model = work.train(cfg, day, run)
    rows = rates.table(cfg, model, day, pictures.compare(cfg, day, work.frames(cfg, model, day)))
    (noon,) = (r.bytes for r in rows if r.method == "identity")
    file = io.BytesIO()
    Image.fromarray(sizes.pixels(day, 12)).save(file, "WEBP", lossless=True, method=4)
    assert noon == len(file.getvalue())


def test_a_checkpoint_of_other_images_is_no_point_of_the_curves(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "QUALITIES", (20,))
    monkeypatch.setattr(rates, "STEPS", (0.3,))
    cfg = config()
    run = make_run(cfg)
    work.train(cfg, work.data(cfg, run), run)
    told = rates.compare(cfg, run, ckpt=str(run.judged()))
    with open(next(p for p in told["files"] if p.endswith(".csv"))) as file:
        assert [r["method"] for r in csv.DictReader(file)][-1] == run.dir.name
    with pytest.raises(AssayError, match="not the baseline image"):
        rates.compare(config(city_seed=1), run, ckpt=str(run.judged()))
