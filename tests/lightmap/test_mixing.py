from __future__ import annotations

import numpy as np
import pytest
import torch

from core.contract import Absent, Budget
from tasks.lightmap import lowrank, mixing, paths, work
from tasks.lightmap.data import read
from tests.lightmap.conftest import MakeRun, config


def city() -> paths.Day:
    frames = read(config()).frames.permute(0, 2, 3, 1).numpy() / np.float32(255)
    return paths.Day(frames, list(range(24)))


def test_every_path_is_a_known_image_at_its_hour() -> None:
    day = city()
    for hour in (0, 5, 12, 18, 23):
        for path in day.at(hour).paths:
            assert np.abs(path - day.frames[hour]).max() < 1e-5
        late = day.at(hour + 1 - 1e-6).paths  # and nearly the next one just before it
        assert np.abs(late - day.frames[(hour + 1) % 24]).max() < 1e-3


def test_straight_and_logarithmic_paths_by_hand() -> None:
    frames = np.full((4, 12, 16, 3), 0.5, np.float32)
    frames[1], frames[2] = 0.18, 0.78
    made = dict(zip(paths.PATHS, paths.Day(frames, [0, 6, 12, 18]).at(9).paths, strict=True))
    assert made["linear"] == pytest.approx(0.48)
    assert made["geometric"] == pytest.approx(np.sqrt(0.2 * 0.8) - 0.02, abs=1e-5)
    assert made["early"] == pytest.approx(0.78)
    assert made["late"] == pytest.approx(0.18)


def test_the_curved_path_is_scipy_s_monotone_cubic() -> None:
    from scipy.interpolate import PchipInterpolator

    random = np.random.default_rng(0)
    frames = random.random((24, 12, 16, 3)).astype(np.float32)
    around = PchipInterpolator(np.arange(-2, 27), np.concatenate([frames[-2:], frames, frames[:3]]))
    day, at = paths.Day(frames, list(range(24))), paths.PATHS.index("curved")
    for t in (0.25, 7.5, 23.75):
        assert np.allclose(day.at(t).paths[at], around(t), atol=1e-5)


def test_a_shadow_s_edge_is_half_way_at_half_time() -> None:
    lit = np.full((24, 24, 120, 3), 0.8, np.float32)
    for hour in range(24):
        lit[hour, :, : 10 + hour] = 0.1  # a shadow grows by a pixel an hour
    lit[13, :, :43] = 0.1  # and by 20 from 12 to 13
    lit[14:, :, :44] = 0.1
    front = paths.Day(lit, list(range(24))).at(12.5).paths[paths.PATHS.index("front"), 12, :, 0]
    half = (0.8 + 0.1) / 2
    edge = np.flatnonzero(np.diff((front > half).astype(int)))
    assert edge.tolist() == [pytest.approx(32, abs=1)]  # between 22 and 43
    assert front[24] < 0.15 < 0.7 < front[40]


def test_a_lamp_that_fades_already_is_off_by_half_past() -> None:
    dark = np.full((24, 24, 32, 3), 0.05, np.float32)
    dark[8:17] = 0.3  # daylight
    night = [18, 19, 20, 21, 22, 23]
    dark[night, 4:10, 4:10] = 0.9
    dark[23, 4:10, 4:10] = 0.7  # fading at 23, off at 0
    dark[night, 14:20, 20:26] = 0.9  # not fading at 23, off at 0
    at = paths.PATHS.index("switched")
    made = paths.Day(dark, list(range(24))).at(23.5).paths[at]
    assert made[6, 6] == pytest.approx(0.05, abs=1e-4)
    assert made[16, 22] == pytest.approx((0.9 + 0.05) / 2, abs=1e-4)


def test_low_rank_frames_lose_their_noise_and_little_else() -> None:
    random = np.random.default_rng(0)
    y, x = np.mgrid[:40, :48] / 10
    scene = np.stack([np.sin(x + c) * np.cos(y) for c in range(3)], -1)
    light = 0.3 + 0.2 * np.sin(np.arange(24) / 4)
    clean = 0.5 + light[:, None, None, None] * scene
    noisy = (clean + random.normal(0, 0.05, clean.shape)).astype(np.float32)
    before, after = (np.mean((z - clean) ** 2) for z in (noisy, lowrank.denoised(noisy)))
    assert after < before / 4


def test_weights_of_the_paths_are_convex() -> None:
    torch.manual_seed(0)
    mixer = mixing.Mixer().eval()
    with torch.no_grad():
        mixer.last.normal_()
    weights = mixer(torch.randn(50, paths.CLUES))
    assert weights.min() >= 0
    assert torch.allclose(weights.sum(-1), torch.ones(mixing.MEMBERS, 50), atol=1e-6)


def test_a_run_learns_resumes_and_keeps_known_hours(make_run: MakeRun) -> None:
    cfg = config(blend="learned", lr=3e-3, epochs=4)

    def weights(name: str, **spec: object) -> dict[str, torch.Tensor]:
        run = make_run(cfg, name, **spec)
        return work.train(cfg, work.data(cfg, run), run).state_dict()

    whole = weights("whole")
    weights("cut", budget=Budget(steps=5))
    torch.rand(7)
    again = weights("cut", attempt=2)
    assert all(torch.equal(v, again[k]) for k, v in whole.items())
    run = make_run(cfg, "whole")
    data = work.data(cfg, run)
    model = work.load(cfg, run.judged(), "cpu")
    assert torch.allclose(work.frames(cfg, model, data)(7.0), data.at(7), atol=1e-5)
    measured = work.evaluate(cfg, model, data, run)
    gain = measured["interp_gain"]
    assert not isinstance(gain, Absent)
    assert gain > 0  # dB over the linear blend at half hours that nothing was taught on
