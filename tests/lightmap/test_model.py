from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from tasks.lightmap import task
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, read
from tasks.lightmap.model import BaselineEncoder, Lightmap, build, grid, sample
from tasks.lightmap.render import Direct, Renderer, frames, renderer
from tests.lightmap.conftest import config


def count(module: nn.Module | None) -> int:
    return sum(p.numel() for p in module.parameters()) if module else 0


def test_parameter_counts_are_those_of_the_specification() -> None:
    plain, encoded = (build(LightmapConfig(use_baseline_encoder=e)) for e in (False, True))
    assert count(plain) == 22_723
    assert count(encoded.encoder) == 19_392
    assert count(encoded) == 44_163


def test_an_input_of_features_and_time_alone_is_narrower() -> None:
    cfg = LightmapConfig(use_baseline_encoder=True, be_input="replace", hidden=32)
    assert build(cfg).mlp.net[0].weight.shape == (32, 32 + 8)


def test_the_film_variant_has_the_parameters_of_the_specification() -> None:
    model = build(LightmapConfig.model_validate(task.variant("film").set))
    assert count(model) == 26_931


def numpy_delta(cfg: LightmapConfig, weights: dict[str, np.ndarray], x: float, y: float, t: float):
    """The baseline network at one point, by the formulas alone."""
    place = [x, y] if cfg.xy_include_input else []
    for wave in (math.sin, math.cos):
        place += [wave(math.pi * 2**k * v) for k in range(cfg.xy_harmonics) for v in (x, y)]
    pairs = range(1, cfg.time_harmonics + 1)
    time = [wave(2 * math.pi * k * t / 24) for wave in (math.sin, math.cos) for k in pairs]
    z = np.array(place + time)
    for i in range(cfg.layers + 1):
        z = weights[f"mlp.net.{2 * i}.weight"] @ z + weights[f"mlp.net.{2 * i}.bias"]
        z = np.maximum(z, 0) if i < cfg.layers else z
    return z


@pytest.mark.parametrize("include", [True, False])
def test_rendering_follows_the_formulas(include: bool) -> None:
    cfg = config(xy_include_input=include)
    day, model = read(cfg), build(cfg)
    weights = {k: v.double().numpy() for k, v in model.state_dict().items()}
    drawn = Renderer(model, day.at(12))(17.75).numpy()
    for row, column in [(0, 0), (32, 39), (5, 30), (20, 7)]:
        x, y = (column + 0.5) / 40 * 2 - 1, (row + 0.5) / 33 * 2 - 1
        want = numpy_delta(cfg, weights, x, y, 17.75)
        np.testing.assert_allclose(drawn[:, row, column], want, atol=2e-6)


KINDS = {
    "baseline": {},
    "no input": {"xy_include_input": False},
    "encoder": {"use_baseline_encoder": True},
    "half-size features": {"use_baseline_encoder": True, "be_downsample": 2},
    "features alone": {"use_baseline_encoder": True, "be_input": "replace"},
    "one layer": {"layers": 1},
    "film": {"film": True, "use_baseline_encoder": True},
    "hash grid": {"hash_grid": True, "hash_log2_size": 10},
    "hash grid and features": {"hash_grid": True, "hash_top": 30, "use_baseline_encoder": True},
    "hash grid and film": {"hash_grid": True, "film": True},
    "sines": {"activation": "sine", "xy_harmonics": 0, "time_harmonics": 1},
    "gaussian": {"xy_mapping": "gaussian", "ff_dim": 6},
}


def made(cfg: LightmapConfig, day: Day) -> Lightmap:
    """A network whose parts all have a say: what starts at zero is stirred."""
    model = build(cfg, day.longest)
    if model.grid is not None:
        nn.init.normal_(model.grid.table)
    if model.mlp.film is not None:
        nn.init.normal_(model.mlp.film.net[-1].weight, std=0.2)
    return model


@pytest.mark.parametrize("over", KINDS.values(), ids=KINDS.keys())
def test_rendering_equals_the_network(over: dict[str, object]) -> None:
    cfg = config(city_size="61x45", **over)  # more than one chunk of rows, the last one shorter
    day = read(cfg)
    model = made(cfg, day)
    image = day.at(12)
    points = grid(day.height, day.width)
    with torch.no_grad():
        slow = model(points, torch.full((len(points),), 6.5), image).T.view(3, 45, 61)
    for draw in {renderer, Direct}:
        torch.testing.assert_close(draw(model, image)(6.5), slow, rtol=0, atol=1e-5)


@pytest.mark.parametrize("over", KINDS.values(), ids=KINDS.keys())
def test_midnight_is_midnight(over: dict[str, object]) -> None:
    cfg = config(**over)
    day = read(cfg)
    frame = frames(cfg, made(cfg, day), day)
    assert torch.equal(frame(0.0), frame(24.0))


def test_film_follows_its_formula_and_begins_as_the_plain_network() -> None:
    cfg = config(film=True, layers=2, hidden=5)
    model = build(cfg)
    xy, t = torch.rand(9, 2), torch.tensor([3.0, 3, 7, 7, 7, 11, 11, 20, 3])
    mlp, film = model.mlp, model.mlp.film
    assert film is not None
    z = mlp.encode_place(xy)
    torch.testing.assert_close(mlp(xy, t, None), mlp.net(z))  # nothing is modulated yet
    nn.init.normal_(film.net[-1].weight)
    both = film.net(mlp.encode_time(t)).view(9, 2, 2, 5)  # gain or shift, layer, unit
    for i in range(2):
        z = (mlp.net[2 * i](z) * (1 + both[:, 0, i]) + both[:, 1, i]).relu()
    torch.testing.assert_close(mlp(xy, t, None), mlp.net[-1](z))


def test_at_one_hour_a_modulated_network_is_a_plain_one() -> None:
    cfg = config(film=True)
    mlp = made(cfg, read(cfg)).mlp
    xy = torch.rand(20, 2)
    z = mlp.encode_place(xy)
    for i, (weight, bias) in enumerate(mlp.layers_at(7.25)):
        z = (z.relu() if i else z) @ weight.T + bias
    torch.testing.assert_close(mlp(xy, torch.full((20,), 7.25), None), z)


def test_sines_keep_the_spread_that_siren_promises() -> None:
    """Sitzmann et al. 2020: before every sine but the first, values spread by about 1."""
    cfg = LightmapConfig(activation="sine", hidden=256, layers=5, xy_harmonics=0, time_harmonics=1)
    net = build(cfg).mlp.net
    z = net[1](net[0](torch.rand(4000, 4) * 2 - 1))
    for layer in net[2:-1]:
        z = layer(z)
        if isinstance(layer, nn.Linear):
            assert 0.85 < 30 * (z - layer.bias).std().item() < 1.15


def test_a_network_that_says_nothing_shows_the_baseline_image() -> None:
    cfg = config()
    day, model = read(cfg), build(cfg)
    nn.init.zeros_(model.mlp.net[-1].weight)
    nn.init.zeros_(model.mlp.net[-1].bias)
    assert torch.equal(frames(cfg, model, day)(18.0), day.at(12))


def test_without_residual_mode_the_network_paints_the_whole_colour() -> None:
    cfg = config(residual_mode=False)
    day, model = read(cfg), build(cfg)
    nn.init.zeros_(model.mlp.net[-1].weight)
    nn.init.constant_(model.mlp.net[-1].bias, 0.25)
    assert torch.equal(frames(cfg, model, day)(18.0), torch.full((3, 33, 40), 0.25))


def test_features_at_pixel_centres_are_the_pixels_own() -> None:
    encoder = BaselineEncoder(3, 1)
    for layer in encoder.net[::2]:  # three convolutions that copy
        nn.init.dirac_(layer.weight)
        nn.init.zeros_(layer.bias)
    image = torch.rand(3, 7, 11)
    at = sample(encoder(image), grid(7, 11))
    torch.testing.assert_close(at.T.view(3, 7, 11), image, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(8, 12), (7, 11)])
def test_half_size_features_cover_odd_images_too(height: int, width: int) -> None:
    features = BaselineEncoder(4, 2)(torch.rand(3, height, width))
    assert features.shape == (4, -(-height // 2), -(-width // 2))
