from __future__ import annotations

import pytest
import torch

from tasks.lightmap.batch import sample
from tasks.lightmap.blend import Base, blended, trivial
from tasks.lightmap.data import read
from tasks.lightmap.model import build
from tasks.lightmap.render import frames
from tests.lightmap.conftest import config

ALL = range(24)


@pytest.mark.parametrize("curve", ["linear", "smoothstep"])
def test_a_blend_at_a_whole_hour_is_its_image_and_halfway_the_mean(curve: str) -> None:
    cfg = config(blend=curve)
    day = read(cfg)
    frame = frames(cfg, build(cfg), day)
    assert torch.equal(frame(7.0), day.at(7))
    torch.testing.assert_close(frame(7.5), (day.at(7) + day.at(8)) / 2)
    torch.testing.assert_close(frame(23.5), (day.at(23) + day.at(0)) / 2)


def test_a_quarter_past_linear_and_smoothstep_differ() -> None:
    assert blended(7.25, ALL).share == 0.25
    assert blended(7.25, ALL, "smoothstep").share == pytest.approx(3 / 16 - 2 / 64)


def test_neighbours_are_found_across_midnight_and_over_gaps() -> None:
    assert blended(23.0, [1, 5, 22])[:3] == (22, 1, pytest.approx(1 / 3))
    assert blended(0.5, [1, 5, 22])[:3] == (22, 1, pytest.approx(2.5 / 3))


def test_the_gain_is_the_error_factor_of_linear_interpolation() -> None:
    """For f(t) = c t², f - blend = -c (t - a)(b - t) exactly, whatever the gap."""
    for known, t in [(ALL, 5.5), ([2, 5, 9], 4.0), ([2, 5, 9], 8.75)]:
        mix = blended(t, known)
        blend = (1 - mix.share) * mix.before**2 + mix.share * mix.after**2
        assert t**2 - blend == pytest.approx(-mix.gain)


def test_a_network_on_a_blend_leaves_known_hours_exact() -> None:
    cfg = config(blend="linear", blend_base=True)
    day, model = read(cfg), build(cfg)
    frame = frames(cfg, model, day)
    assert torch.equal(frame(7.0), day.at(7))
    assert not torch.equal(frame(7.5), (day.at(7) + day.at(8)) / 2)


def test_training_on_a_blend_leaves_the_hour_itself_out() -> None:
    cfg = config(blend="linear", blend_base=True, patch_size=33, batch_size=33 * 33)
    day = read(cfg)
    batch = sample(cfg, Base(cfg, day), 0, 1)
    hour = int(batch.t[0])
    left = round(((batch.xy[0, 0].item() + 1) / 2) * 40 - 0.5)
    want = (day.at((hour - 1) % 24) + day.at((hour + 1) % 24)) / 2
    torch.testing.assert_close(batch.images(batch.base)[0], want[:, :, left : left + 33])
    assert (batch.gain == 1).all()  # an hour before, an hour to go


def test_trivial_methods_never_use_the_hour_itself() -> None:
    day = read(config())
    methods = trivial(day, list(ALL), baseline_time=12)
    assert torch.equal(methods["identity"](9), day.at(12))
    assert torch.equal(methods["nearest"](9), day.at(8))  # ties go to the earlier hour
    torch.testing.assert_close(methods["blend"](9), (day.at(8) + day.at(10)) / 2)
    torch.testing.assert_close(methods["blend"](8.5), (day.at(8) + day.at(9)) / 2)
