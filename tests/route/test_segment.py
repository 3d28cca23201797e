from __future__ import annotations

import itertools
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.errors import AssayError
from tasks.route import maps, partial, regions, segment
from tasks.route.config import RouteConfig
from tasks.route.geotiff import Picture
from tasks.route.models.segformer import Segformer
from tasks.route.models.unet import UNet
from tests.route.conftest import MakeRun, config

PICTURE = Picture(
    np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8), None, None, []
)


class Red(nn.Module):
    """Road where it is red: logits are a function of the pixel alone."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.calls = 0

    def forward(self, rgb: Tensor) -> Tensor:
        self.calls += 1
        return self.gain * (rgb[:, 0].float() / 64 - 2)


def cached(tmp_path: Path, **over: object) -> RouteConfig:
    one = {"image": "city", "sample_from_npz": True, "cache_prob": tmp_path / "p.npy"}
    return config(patch=48, stride=32, **one, **over)


@pytest.mark.parametrize("tta", ["none", "flip"])
def test_a_pixel_model_is_seen_through_the_windows(tta: str) -> None:
    got = segment.probability(config(patch=48, stride=20, tta=tta), Red(), PICTURE, "cpu")
    want = 1 / (1 + np.exp(-(PICTURE.rgb[..., 0] / 64.0 - 2)))
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_smoothing_is_done_once_on_the_whole_map() -> None:
    """The origin blurred every patch: constant beyond its border, which leaves seams."""
    from scipy.ndimage import gaussian_filter

    plain = segment.probability(config(patch=48, stride=48), Red(), PICTURE, "cpu")
    got = segment.probability(config(patch=48, stride=48, smooth_sigma=3), Red(), PICTURE, "cpu")
    np.testing.assert_allclose(got, gaussian_filter(plain, 3, mode="nearest"), atol=1e-6)


def test_a_long_segmentation_says_how_far_it_is(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = itertools.count(0.0, 4.0)  # every look at the clock is four seconds later
    clock = SimpleNamespace(monotonic=lambda: next(now), perf_counter=time.perf_counter)
    monkeypatch.setattr(maps, "time", clock)
    cfg = config(patch=48, stride=32, infer_batch=2)
    run = make_run(cfg)
    maps.of(cfg, Red(), regions.Region("a/b", PICTURE, None, None), run)
    events = [json.loads(line) for line in (run.dir / "events.jsonl").read_text().splitlines()]
    told = [(e["done"], e["total"], e["note"]) for e in events if e["kind"] == "progress"]
    assert told[0] == (2, 12, "windows")  # rows at 0, 32, 42; columns at 0, 32, 64, 72
    assert told[-1] == (12, 12, "windows")
    assert run.steps_done == 0
    assert "route: window 6 of 12, 12 s left" in capsys.readouterr().err  # 12 s for six


def test_no_data_is_no_road() -> None:
    nodata = np.zeros((90, 120), bool)
    nodata[:10] = True
    got = segment.probability(
        config(patch=48, stride=32), Red(), PICTURE._replace(nodata=nodata), "cpu"
    )
    assert (got[:10] == 0).all()
    assert (got[10:] > 0).all()


def test_nan_weights_are_refused() -> None:
    with pytest.raises(AssayError, match="NaN or infinite probabilities"):
        segment.probability(config(patch=48, stride=32), Red(float("nan")), PICTURE, "cpu")


def test_the_cache_is_used_and_gives_the_same_map(tmp_path: Path) -> None:
    net = Red()
    first = segment.probability(cached(tmp_path), net, PICTURE, "cpu")
    calls = net.calls
    again = segment.probability(cached(tmp_path), net, PICTURE, "cpu")
    assert net.calls == calls
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("change", ["pixel", "checkpoint", "stride", "sigma", "tta", "nodata"])
def test_a_cached_map_of_something_else_is_made_again(
    tmp_path: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Defect 7 of the origin."""
    segment.probability(cached(tmp_path), Red(), PICTURE, "cpu")
    cfg, net, picture = cached(tmp_path), Red(), PICTURE
    if change == "pixel":
        rgb = PICTURE.rgb.copy()
        rgb[50, 60, 0] ^= 1
        picture = PICTURE._replace(rgb=rgb)
    elif change == "nodata":
        picture = PICTURE._replace(nodata=np.eye(90, 120, dtype=bool))
    elif change == "checkpoint":
        net = Red(1.5)
    elif change == "stride":
        cfg = cfg.model_copy(update={"stride": 24})
    elif change == "sigma":
        cfg = cfg.model_copy(update={"smooth_sigma": 1.0})
    else:
        cfg = cfg.model_copy(update={"tta": "flip"})
    with pytest.raises(AssayError, match="Delete it, or cache_policy=check"):
        segment.probability(cfg.model_copy(update={"cache_policy": "error"}), net, picture, "cpu")
    assert net.calls == 0
    fresh = segment.probability(cfg, net, picture, "cpu")
    assert net.calls > 0
    assert "made again: it belongs to other" in capsys.readouterr().err
    plain = segment.probability(cfg.model_copy(update={"cache_prob": None}), net, picture, "cpu")
    np.testing.assert_array_equal(fresh, plain)


@pytest.mark.parametrize("change", ["nothing", "torn", "weights", "alive"])
def test_windows_of_a_run_that_was_cut_off_are_taken_over(
    tmp_path: Path,
    change: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Three of six batches were made. What is cut in writing, or of another network, is not."""
    cfg = cached(tmp_path, infer_batch=2)
    whole = segment.probability(cfg.model_copy(update={"cache_prob": None}), Red(), PICTURE, "cpu")
    cut = Red()

    def killed(*_: object) -> None:
        if cut.calls == 3:
            raise KeyboardInterrupt

    cut.register_forward_pre_hook(killed)
    with pytest.raises(KeyboardInterrupt):
        segment.probability(cfg, cut, PICTURE, "cpu")
    (part,) = tmp_path.glob(".p.npy.*.part")
    own = f".{os.getpid()}."
    dead = part.rename(part.with_name(part.name.replace(own, ".4000001.")))  # that process is gone
    other = dead.with_name(dead.name.replace("4000001", "4000000")[:-21] + f"{0:016x}.part")
    other.write_bytes(b"of another map")
    monkeypatch.setattr(partial.psutil, "pid_exists", lambda _: change == "alive")
    if change == "torn":
        with dead.open("r+b") as file:
            file.truncate(file.seek(0, 2) - 5)
    net = Red(1.5 if change == "weights" else 1.0)
    got = segment.probability(cfg, net, PICTURE, "cpu")
    assert net.calls == {"nothing": 3, "torn": 4, "weights": 6, "alive": 6}[change]
    told = capsys.readouterr().err
    if change in ("nothing", "torn"):
        assert f"{12 - 2 * net.calls} windows of a run that was cut off are taken over" in told
    else:
        assert "cut off" not in told
    if change != "weights":
        np.testing.assert_array_equal(got, whole)
    left = {p.name for p in tmp_path.iterdir()} - {"p.npy", "p.json"}
    assert left == ({dead.name, other.name} if change == "alive" else set())


def test_a_full_disk_ends_the_keeping_and_not_the_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = cached(tmp_path, infer_batch=2)
    whole = segment.probability(cfg.model_copy(update={"cache_prob": None}), Red(), PICTURE, "cpu")
    real, calls = np.save, []

    def save(file: object, array: np.ndarray) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError("No space left on device")
        real(file, array)  # type: ignore[arg-type]

    monkeypatch.setattr(partial.np, "save", save)
    np.testing.assert_array_equal(segment.probability(cfg, Red(), PICTURE, "cpu"), whole)
    assert len(calls) == 3  # two batches, and the cache itself
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_trust_takes_what_is_there(tmp_path: Path) -> None:
    segment.probability(cached(tmp_path), Red(), PICTURE, "cpu")
    other = Red(1.5)
    segment.probability(cached(tmp_path, cache_policy="trust"), other, PICTURE, "cpu")
    assert other.calls == 0


@pytest.mark.parametrize("torn", ["map", "side-car", "swapped"])
def test_torn_files_are_made_again(tmp_path: Path, torn: str) -> None:
    want = segment.probability(cached(tmp_path), Red(), PICTURE, "cpu")
    path, side = tmp_path / "p.npy", tmp_path / "p.json"
    if torn == "map":
        path.write_bytes(path.read_bytes()[:1000])
    elif torn == "side-car":
        side.write_text(side.read_text()[:40])
    else:  # a map of an earlier run beside the side-car of a later one
        np.save(path, np.zeros((90, 120), np.float32))
    net = Red()
    np.testing.assert_array_equal(segment.probability(cached(tmp_path), net, PICTURE, "cpu"), want)
    assert net.calls > 0
    assert set(json.loads(side.read_text())) >= {"pixels", "checkpoint", "stride", "sigma", "map"}


def test_a_bare_map_is_taken_if_it_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = Red()
    np.save(tmp_path / "p.npy", np.full((90, 120), 51, np.uint8))
    got = segment.probability(cached(tmp_path), net, PICTURE, "cpu")
    np.testing.assert_allclose(got, 0.2)
    assert net.calls == 0
    assert "nobody knows" in capsys.readouterr().err
    for bad, match in [
        (np.full((90, 120), 1.5), "from 1.5 to 1.5, no probabilities"),
        (np.full((90, 120), np.nan), "no probabilities"),
        (np.zeros((90, 120), np.int64), "holds int64"),
    ]:
        np.save(tmp_path / "p.npy", bad)
        with pytest.raises(AssayError, match=match):
            segment.probability(cached(tmp_path), net, PICTURE, "cpu")
    np.save(tmp_path / "p.npy", np.zeros((9, 12), np.float32))
    segment.probability(cached(tmp_path), net, PICTURE, "cpu")
    assert net.calls > 0


def test_the_unet_has_the_stated_size_and_gives_every_pixel() -> None:
    net = UNet()
    assert sum(p.numel() for p in net.parameters()) == 338_452
    assert net(torch.zeros(2, 3, 64, 96, dtype=torch.uint8)).shape == (2, 64, 96)


def test_segformer_gives_every_pixel() -> None:
    net = Segformer()
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).shape == (1, 64, 96)


def test_the_degraded_mask_keeps_its_order() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[30:34] = 255
    assert (segment.degraded(mask, 0, 0) == mask / np.float32(255)).all()
    worse = segment.degraded(mask, 0.6, 0)
    assert (worse >= 0).all()
    assert worse[mask > 0].mean() > worse[mask == 0].mean()
    assert worse[mask == 0].max() <= 0.3
