"""The encoder on crops, on the whole image, and at rest."""

from __future__ import annotations

import pytest
import torch

from tasks.lightmap.batch import Batch, sample
from tasks.lightmap.blend import Base
from tasks.lightmap.data import read
from tasks.lightmap.features import Features, cropped
from tasks.lightmap.model import BaselineEncoder
from tasks.lightmap.model import sample as look_up
from tests.lightmap.conftest import config

LARGE = {"city_size": "90x70", "patch_size": 12, "batch_size": 600}  # 4 crops of 18x18


def test_a_crop_with_a_border_of_three_gives_the_features_of_the_whole_image() -> None:
    cfg = config(**LARGE, use_baseline_encoder=True)
    base, encoder = Base(cfg, read(cfg)), BaselineEncoder(5, 1)
    image, batch = base.day.at(12), sample(cfg, base, 0, 1)
    bottom, right = 70 - 12, 90 - 12
    corners = torch.tensor([[0, 0], [bottom, right], [1, right - 2], [30, 40]])
    y = corners[:, :1, None] + torch.arange(12)[:, None]  # 4 12 1
    x = corners[:, 1:, None] + torch.arange(12)  # 4 1 12
    y, x = y.expand(4, 12, 12).flatten(), x.expand(4, 12, 12).flatten()
    xy = torch.stack([(x + 0.5) / 90 * 2 - 1, (y + 0.5) / 70 * 2 - 1], dim=1)
    batch = batch._replace(corners=corners, xy=xy)
    some = torch.randn(len(xy), 5)
    grads = []
    for made in (cropped(encoder, image, batch), look_up(encoder(image), xy)):
        torch.testing.assert_close(made, encoder(image)[:, y, x].T, rtol=0, atol=1e-5)
        grads.append(torch.autograd.grad((made * some).sum(), list(encoder.parameters())))
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("over", "small"),
    [
        ({}, True),
        ({"be_downsample": 2}, False),  # crops would have to keep in step with the stride
        ({"patch_mix": 0.5}, False),
        ({"patch_size": 0}, False),
        ({"batch_size": 8192}, False),  # 56 crops are more than the image
        ({"city_size": "90x17"}, False),
    ],
)
def test_crops_are_used_where_they_are_exact_and_smaller(
    over: dict[str, object], small: bool
) -> None:
    cfg = config(**LARGE | {"use_baseline_encoder": True} | over)
    base = Base(cfg, read(cfg))
    seen = Features(cfg, BaselineEncoder(4, cfg.be_downsample), base.day.at(12))
    assert seen.crops(sample(cfg, base, 0, 1)) == small


def test_between_its_steps_the_encoder_rests_but_is_never_out_of_date() -> None:
    cfg = config(use_baseline_encoder=True, be_every=3)
    base, encoder = Base(cfg, read(cfg)), BaselineEncoder(4, 1)
    seen = Features(cfg, encoder, base.day.at(12))
    batches: list[Batch] = [sample(cfg, base, 0, step) for step in range(1, 8)]
    learns = []
    for step, batch in enumerate(batches, start=1):
        got = seen(batch, step)
        assert got is not None
        with torch.no_grad():
            now = look_up(encoder(base.day.at(12)), batch.xy)
            assert torch.equal(got, now)
            learns.append(got.requires_grad)
            if got.requires_grad:
                encoder.net[0].bias += 0.1  # as a step of Adam would
    assert learns == [True, False, False, True, False, False, True]
