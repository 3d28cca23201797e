from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import AssayError
from core.kit.io import read_rgb
from tasks.lightmap import basis, codec, rangecoder, synth, work
from tasks.lightmap.data import read
from tests.lightmap.conftest import MakeRun, config


def day(n: int = 6, width: int = 40, height: int = 33) -> np.ndarray:
    city = synth.City(width, height, 0)
    return np.stack([city.frame(h).transpose(2, 0, 1) for h in np.linspace(0, 24, n, False)])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a / 255.0 - b / 255.0) ** 2)))


@pytest.mark.parametrize("seed", range(4))
def test_the_coder_gives_back_any_integers(seed: int) -> None:
    random = np.random.default_rng(seed)
    q = (random.laplace(0, [0.05, 1, 30, 3000][seed], (3, 4, 5, 64))).astype(np.int32)
    table = random.integers(-(10 ** (seed + 1)), 10 ** (seed + 1), (9, 3)).astype(np.int32)
    data = rangecoder.encode(table, q)
    values, blocks = rangecoder.decode(data, table.shape, q.shape)
    assert (values == table).all()
    assert (blocks == q).all()


def test_the_coder_comes_near_the_entropy_of_its_source() -> None:
    random = np.random.default_rng(0)
    p = 0.1  # a coefficient is +1 or -1 with 5 % each: the entropy is known in closed form
    q = (random.random((8, 24, 24, 64)) < p) * random.choice([-1, 1], (8, 24, 24, 64))
    bits = q.size * (-(1 - p) * math.log2(1 - p) - p * math.log2(p / 2))
    spent = 8 * len(rangecoder.encode(np.zeros((1, 1), np.int32), q.astype(np.int32)))
    assert bits * 0.99 < spent < bits * 1.06  # a file below its entropy could not be decoded


def test_zigzag_is_that_of_jpeg() -> None:
    first = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5]  # ITU-T T.81, figure A.6
    assert codec.zigzag()[:16].tolist() == first
    assert sorted(codec.zigzag()) == list(range(64))


def test_a_fine_step_gives_the_frames_back() -> None:
    frames = day()
    made = codec.decode(codec.encode(frames, range(6), 72, 1e-3))
    assert np.abs(made.frames().astype(int) - frames).max() <= 1
    assert made.hours == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("k", [1, 4, 9])
def test_few_basis_images_are_as_good_as_the_truncated_svd(k: int) -> None:
    frames = day()
    flat = frames.reshape(18, -1) / 255.0
    u, s, v = np.linalg.svd(flat, full_matrices=False)
    best = ((u[:, :k] * s[:k]) @ v[:k]).clip(0, 1)
    made = codec.decode(codec.encode(frames, range(6), k, 1e-3))
    assert len(made.planes) == k
    shown = np.stack([made.frame(i) for i in range(6)]).reshape(18, -1).clip(0, 1)
    rounding = 1e-3**2 / 12 + 1e-8  # of the step, uniform
    assert np.mean((shown - flat) ** 2) <= np.mean((best - flat) ** 2) * 1.001 + rounding


def test_a_coarser_step_makes_a_smaller_and_worse_file() -> None:
    frames = day(12)
    files = [codec.encode(frames, range(12), 72, step) for step in (0.05, 0.2, 0.8)]
    quality = [psnr(codec.decode(f).frames(), frames) for f in files]
    assert len(files[0]) > 2 * len(files[1]) > 4 * len(files[2])
    assert quality[0] > quality[1] + 5 > quality[2] + 10


@pytest.mark.parametrize("grey", [0, 255])
def test_a_day_without_content_has_a_file(grey: int) -> None:
    frames = np.full((3, 3, 12, 20), grey, np.uint8)
    file = codec.encode(frames, range(3), 72, 0.2)
    assert np.abs(codec.decode(file).frames().astype(int) - grey).max() <= 2
    assert len(file) < 150


def test_foreign_cut_and_damaged_files_are_refused() -> None:
    file = codec.encode(day(), range(6), 72, 0.3)
    changed = bytearray(file)
    changed[len(file) // 2] ^= 1
    for bad in (b"", b"ALM1", b"\x89PNG" + file[4:], file[:-1], bytes(changed)):
        with pytest.raises(AssayError, match="lightmap file"):
            codec.decode(bad)


def test_the_file_of_a_run_alone_gives_its_frames(make_run: MakeRun, tmp_path: Path) -> None:
    cfg = config(blend="linear", basis_k=72, infer_hours=[0, 6.5, 23.5])
    run = make_run(cfg)
    data = work.data(cfg, run)
    work.train(cfg, data, run)
    model = work.load(cfg, run.judged(), "cpu")
    file = run.dir / "basis.alm"
    measured = work.evaluate(cfg, model, data, run)
    assert measured["model_bytes"] == file.stat().st_size
    painted = work.infer(cfg, model, tmp_path / "a", run)
    alone = basis.decode(cfg, run, file=str(file), output_dir=str(tmp_path / "b"), step=0.5)
    assert len(alone) == 48
    for path in painted:  # one rounds the hours to 8 bits before it blends, the other does not
        other = read_rgb(tmp_path / "b" / path.name).astype(int)
        assert np.abs(read_rgb(path).astype(int) - other).max() <= 1


def test_held_out_hours_are_not_in_the_file(make_run: MakeRun) -> None:
    cfg = config(blend="linear", basis_k=72, val_split="holdout")
    file = basis.encoded(cfg, read(cfg))
    assert not {3.0, 9.0} & set(codec.decode(file).hours)
    restored = basis.restored(file, read(cfg))
    assert torch.equal(restored.frames[3], read(cfg).frames[3])
    assert not torch.equal(restored.frames[4], read(cfg).frames[4])


def test_a_basis_without_a_blend_is_refused() -> None:
    with pytest.raises(ValueError, match="set blend"):
        config(basis_k=8)


def test_a_basis_keeps_times_that_are_no_whole_float() -> None:
    cfg = config(blend="linear", basis_k=72)
    whole = read(cfg)
    some = replace(
        whole,
        frames=whole.frames[:3],
        hours=(6, 6 + 20 / 60, 7),
        between=whole.frames[:0],
        times=(),
    )
    made = basis.restored(codec.encode(some.frames.numpy(), some.hours, 72, 0.05), some)
    assert made.hours == some.hours
    assert psnr(made.frames.numpy(), some.frames.numpy()) > 35
