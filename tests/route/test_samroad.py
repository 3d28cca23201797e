from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from core.errors import AssayError
from core.kit import checkpoint as kit_checkpoint
from tasks.route import maps, routing, segment, work
from tasks.route.geotiff import Picture
from tasks.route.models import samfile
from tasks.route.models.build import with_weights
from tasks.route.models.samroad import Encoder, SamRoad, Shape
from tasks.route.regions import Region
from tests.route.conftest import MakeRun, config

TINY = Shape(dim=24, depth=4, heads=3, side=7, window=3, neck=16)  # padded windows: 7 = 3 + 3 + 1


def randomised(net: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.2)
    return net.eval()


def theirs(key: str) -> str:
    """The name that transformers gives one of SAM's tensors."""
    for a, b in [
        ("blocks.", "layers."),
        ("norm1", "layer_norm1"),
        ("norm2", "layer_norm2"),
        ("patch_embed.proj", "patch_embed.projection"),
        ("neck.0", "neck.conv1"),
        ("neck.1", "neck.layer_norm1"),
        ("neck.2", "neck.conv2"),
        ("neck.3", "neck.layer_norm2"),
    ]:
        key = key.replace(a, b)
    return key


def test_the_encoder_is_sams() -> None:
    """Against transformers' SamVisionEncoder (its softmax is float32) with the same weights."""
    from transformers import SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    cfg = SamVisionConfig(
        hidden_size=24,
        num_attention_heads=3,
        image_size=112,
        patch_size=16,
        window_size=3,
        output_channels=16,
        mlp_dim=96,
    )
    cfg._attn_implementation = "eager"
    assert Shape().everywhere == (2, 5, 8, 11)
    assert TINY.everywhere == (0, 1, 2, 3)
    for ours_shape in (TINY, TINY._replace(depth=8)):
        cfg.num_hidden_layers = ours_shape.depth
        cfg.global_attn_indexes = list(ours_shape.everywhere)
        ours = randomised(Encoder(ours_shape)).double()
        peer = SamVisionEncoder(cfg).double().eval()
        peer.load_state_dict({theirs(k): v for k, v in ours.state_dict().items()})
        x = torch.rand(2, 3, 112, 112, dtype=torch.float64)
        with torch.no_grad():
            want = peer(x)
            want = want.last_hidden_state if hasattr(want, "last_hidden_state") else want[0]
            torch.testing.assert_close(ours(x), want, rtol=1e-5, atol=1e-6)


def table(dim: int, depth: int, side: int) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of a SAM-Road file, from the table of R6.2; heads are 64 wide."""
    layer = {
        "norm1": [dim],
        "norm2": [dim],
        "attn.qkv": [3 * dim, dim],
        "attn.proj": [dim, dim],
        "mlp.lin1": [4 * dim, dim],
        "mlp.lin2": [dim, 4 * dim],
    }
    shapes: dict[str, tuple[int, ...]] = {
        "pos_embed": (1, side, side, dim),
        "patch_embed.proj.weight": (dim, 3, 16, 16),
        "patch_embed.proj.bias": (dim,),
        "neck.0.weight": (256, dim, 1, 1),
        "neck.2.weight": (256, 256, 3, 3),
        **{f"neck.{i}.{k}": (256,) for i in (1, 3) for k in ("weight", "bias")},
    }
    whole = {12: (2, 5, 8, 11), 24: (5, 11, 17, 23), 32: (7, 15, 23, 31)}[depth]
    for i in range(depth):
        for name, (*rest,) in layer.items():
            shapes[f"blocks.{i}.{name}.weight"] = tuple(rest)
            shapes[f"blocks.{i}.{name}.bias"] = (rest[0],)
        for axis in "hw":
            length = 2 * side - 1 if i in whole else 27
            shapes[f"blocks.{i}.attn.rel_pos_{axis}"] = (length, dim // HEADS[dim])
    made = {f"image_encoder.{k}": v for k, v in shapes.items()}
    for i, (a, b) in {0: (256, 128), 3: (128, 64), 5: (64, 32), 7: (32, 2)}.items():
        made |= {f"map_decoder.{i}.weight": (a, b, 2, 2), f"map_decoder.{i}.bias": (b,)}
    return made | {f"map_decoder.1.{k}": (128,) for k in ("weight", "bias")}


HEADS = {768: 12, 1024: 16, 1280: 16}


@pytest.mark.parametrize(
    ("dim", "depth", "side"), [(768, 12, 32), (768, 12, 64), (1024, 24, 32), (1280, 32, 64)]
)
def test_real_files_have_the_tensors_of_the_table_and_are_told_by_them(
    dim: int, depth: int, side: int
) -> None:
    """ViT-B, -L and -H at 512 and 1024 pixels, as shapes alone."""
    want = table(dim, depth, side)
    shape = Shape(dim, depth, HEADS[dim], side)
    with torch.device("meta"):
        net = SamRoad(shape)
    assert {k: tuple(v.shape) for k, v in net.state_dict().items()} == want
    state = {k: torch.empty(v, device="meta") for k, v in want.items()}
    assert samfile.shape_of(state, Path("x")) == shape


def test_vit_b_is_transformers_own() -> None:
    """Number, names and shapes of its 177 tensors, 87.28 million numbers."""
    from transformers import SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    with torch.device("meta"):
        ours = Encoder(Shape()).state_dict()
        peer = SamVisionEncoder(SamVisionConfig(image_size=512)).state_dict()
    assert {theirs(k): v.shape for k, v in ours.items()} == {k: v.shape for k, v in peer.items()}
    assert len(ours) == 177
    assert round(sum(v.numel() for v in ours.values()) / 1e6, 2) == 87.28


@pytest.mark.slow
def test_a_window_of_full_size_through_vit_b_is_transformers_own() -> None:
    """One window of 512 pixels: 1024 cells, padded attention windows of 14."""
    from transformers import SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    torch.manual_seed(0)
    ours = Encoder(Shape()).eval()
    for p in ours.parameters():
        torch.nn.init.normal_(p, std=0.02)
    cfg = SamVisionConfig(image_size=512)
    cfg._attn_implementation = "eager"
    peer = SamVisionEncoder(cfg).eval()
    peer.load_state_dict({theirs(k): v for k, v in ours.state_dict().items()})
    x = torch.rand(1, 3, 512, 512)
    with torch.no_grad():
        want = peer(x)
        want = want.last_hidden_state if hasattr(want, "last_hidden_state") else want[0]
        got = ours(x)
    assert got.shape == (1, 256, 32, 32)
    torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-3)


def saved(tmp_path: Path, state: dict[str, Tensor], prefix: str = "") -> Path:
    path = tmp_path / "road.ckpt"
    torch.save({"state_dict": {prefix + k: v for k, v in state.items()}, "epoch": 1}, path)
    return path


SMALL = TINY._replace(depth=8, side=4)


@pytest.mark.parametrize("prefix", ["", "model.", "module."])
def test_a_file_gives_the_network_that_made_it(tmp_path: Path, prefix: str) -> None:
    net = randomised(SamRoad(SMALL))
    extra = {"topo_net.x": torch.ones(1), "eik_gate_logit": torch.tensor(1.5)}
    got = samfile.open_file(saved(tmp_path, {**net.state_dict(), **extra}, prefix), side=99)
    assert got.net.shape == SMALL
    assert got.net.patch == 64
    assert got.scalars == {"eik_gate_logit": 1.5}
    assert got.notes == []
    x = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(got.net.eval()(x), net(x))
    assert net(x).shape == (1, 64, 64)
    torch.testing.assert_close(net(x), net.both(x)[:, 1])


def test_strict_by_group(tmp_path: Path) -> None:
    state = SamRoad(SMALL).state_dict()
    gone = {k: v for k, v in state.items() if k != "image_encoder.blocks.3.norm1.bias"}
    with pytest.raises(AssayError, match=r"image_encoder\.\* .*lacks .*blocks\.3\.norm1\.bias"):
        samfile.open_file(saved(tmp_path, gone), side=4)
    odd = {**state, "map_decoder.3.weight": torch.zeros(8, 3, 2, 2)}
    with pytest.raises(
        AssayError, match=r"map_decoder\.\* .*map_decoder\.3\.weight \(8, 3, 2, 2\)"
    ):
        samfile.open_file(saved(tmp_path, odd), side=4)
    with pytest.raises(AssayError, match=r"holds no image_encoder\.\*"):
        samfile.open_file(saved(tmp_path, {"a": torch.ones(1)}), side=4)
    smooth = {**state, "map_decoder.7.weight": torch.zeros(2, 32, 3, 3)}
    with pytest.raises(AssayError, match="up-sample and convolve decoder"):
        samfile.open_file(saved(tmp_path, smooth), side=4)


def test_the_step_that_a_file_learned_is_taken_and_lives_in_our_checkpoints(tmp_path: Path) -> None:
    """R6.2: b = exp(block_log_alpha), th = 0.01 + 0.29 sigmoid(block_th_logit)."""
    learned = {"cost_log_alpha": math.log(9.2), "cost_log_gamma": math.log(1.08)}
    learned |= {"block_log_alpha": math.log(30.0), "block_th_logit": 0.5, "eik_gate_logit": 1.0}
    tensors = {k: torch.tensor(v) for k, v in learned.items()}
    file = saved(tmp_path, {**randomised(SamRoad(SMALL)).state_dict(), **tensors})
    cfg = config(model="samroad", ckpt=file, patch=64, seg_steps=0, steps=0)
    given = with_weights(cfg)
    router = routing.Router(cfg, given.scalars)
    p = torch.linspace(0.02, 0.98, 30, dtype=torch.float64).view(1, 5, 6)
    th = 0.01 + 0.29 / (1 + math.exp(-0.5))
    want = 1 + 9.2 * (1 - p) ** 1.08 + 30 / (1 + torch.exp(50 * (p - th)))
    torch.testing.assert_close(router.cost(p), want, rtol=1e-5, atol=0)
    assert {n for n, q in router.named_parameters() if q.requires_grad} == {
        *("cost.alpha.raw", "cost.gamma.raw", "gate.raw")
    }
    state = {"net": given.net.state_dict(), "router": router.state_dict()}
    kit_checkpoint.save(tmp_path / "own.ckpt", state, 0, {})
    back = work.load(cfg, tmp_path / "own.ckpt", "cpu").router
    assert torch.equal(back.cost(p), router.cost(p))
    assert back.values() == router.values()


def test_what_a_file_learned_and_we_cannot_use_is_said(tmp_path: Path) -> None:
    state = {**SamRoad(SMALL).state_dict(), "block_alpha_raw": torch.ones(1)}
    (note,) = samfile.open_file(saved(tmp_path, state), side=4).notes
    assert "block_alpha_raw, which is not taken over" in note


def test_a_file_of_theirs_for_a_network_of_ours_is_told_its_model(tmp_path: Path) -> None:
    file = saved(tmp_path, SamRoad(SMALL).state_dict())
    with pytest.raises(AssayError, match="SAM-Road files need model=samroad"):
        with_weights(config(ckpt=file))


def test_unknown_keys_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = {**SamRoad(SMALL).state_dict(), "surprise": torch.ones(1)}
    assert "surprise" in samfile.open_file(saved(tmp_path, state), side=4).notes[0]
    assert "surprise" in capsys.readouterr().err


@pytest.mark.parametrize("nested", [False, True])
def test_lora_is_folded_in(nested: bool) -> None:
    """Against q and v computed with the low-rank paths beside the weight, as LoRA defines them."""
    rng = torch.Generator().manual_seed(0)
    d, r = 24, 4
    base = torch.randn(3 * d, d, generator=rng)
    bias = torch.randn(3 * d, generator=rng)
    a_q, a_v = (torch.randn(r, d, generator=rng) for _ in range(2))
    b_q, b_v = (torch.randn(d, r, generator=rng) for _ in range(2))
    stem = "image_encoder.blocks.0.attn.qkv."
    inner = f"{stem}qkv." if nested else stem
    merged = samfile.merge_lora(
        {
            f"{inner}weight": base,
            f"{inner}bias": bias,
            f"{stem}linear_a_q.weight": a_q,
            f"{stem}linear_b_q.weight": b_q,
            f"{stem}linear_a_v.weight": a_v,
            f"{stem}linear_b_v.weight": b_v,
        }
    )
    assert set(merged) == {f"{stem}weight", f"{stem}bias"}
    x = torch.randn(5, d, generator=rng)
    want = x @ base.T + bias
    want[:, :d] += (x @ a_q.T) @ b_q.T
    want[:, 2 * d :] += (x @ a_v.T) @ b_v.T
    torch.testing.assert_close(x @ merged[f"{stem}weight"].T + bias, want, rtol=1e-4, atol=1e-4)


def test_raw_sam_is_resized_by_block_number(tmp_path: Path) -> None:
    """Defect 13 of the origin: by substring, block 15 of 24 counted as global (5, 11, 17, 23)."""
    deep = Shape(dim=6, depth=24, heads=1, side=8, window=3, neck=8)
    state = randomised(SamRoad(deep)).state_dict()
    raw = {k: v for k, v in state.items() if k.startswith("image_encoder.")}
    got = samfile.open_file(saved(tmp_path, raw), side=4)
    assert got.net.shape.side == 4
    assert "decoder is untrained" in got.notes[0]
    made = got.net.state_dict()
    for i in range(24):
        key = f"image_encoder.blocks.{i}.attn.rel_pos_h"
        if i in (5, 11, 17, 23):
            assert made[key].shape == (7, 6)
            at = (np.arange(7) + 0.5) * 15 / 7 - 0.5  # centres of 7 cells over 15
            want = np.stack([np.interp(at, np.arange(15), raw[key][:, c]) for c in range(6)], 1)
            np.testing.assert_allclose(made[key], want, atol=1e-6)
        else:
            assert torch.equal(made[key], raw[key])
    assert made["image_encoder.pos_embed"].shape == (1, 4, 4, 6)


@pytest.mark.parametrize("size", [(64, 64), (150, 180)])
def test_cached_features_decode_to_the_network_own_map(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """Against the whole network on one window, and the decoder in one piece on a larger image."""
    net = randomised(SamRoad(SMALL))
    assert isinstance(net, SamRoad)
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    cells = [-(-n // 16) for n in size]
    if size == (64, 64):
        x = torch.from_numpy(rgb).permute(2, 0, 1)[None]
        with torch.no_grad():
            features = net.image_encoder(net.normalise(x))[0].numpy()
            want = net(x)[0].sigmoid().numpy()
    else:
        features = rng.normal(size=(16, *cells)).astype(np.float32)
        with torch.no_grad():
            want = net.map_decoder(torch.from_numpy(features)[None])[0, 1].sigmoid().numpy()
    path = tmp_path / "samroad_feat_full_x.npy"
    np.save(path, features)
    cfg = config(model="samroad", ckpt=path, cached_features=True, seg_steps=0)
    picture = Picture(rgb, None, None, [])
    got = segment.probability(cfg, net, picture, "cpu", features=path)
    np.testing.assert_allclose(got, want[: size[0], : size[1]], atol=1e-5)
    np.save(path, features[:, :-1])
    with pytest.raises(AssayError, match="the image needs floats"):
        segment.probability(cfg, net, picture, "cpu", features=path)
    np.save(path, np.full_like(features, np.nan))
    with pytest.raises(AssayError, match="NaN or infinite probabilities"):
        segment.probability(cfg, net, picture, "cpu", features=path)


def test_cached_features_belong_to_an_encoder_that_stays(tmp_path: Path, make_run: MakeRun) -> None:
    ckpt = tmp_path / "a.ckpt"
    with pytest.raises(ValidationError, match="an encoder that stays"):
        config(model="samroad", ckpt=ckpt, cached_features=True)
    with pytest.raises(ValidationError, match="give model=samroad"):
        config(cached_features=True)
    cfg = config(model="samroad", ckpt=ckpt, cached_features=True, seg_steps=0)
    lone = Region("a/b", Picture(np.zeros((64, 64, 3), np.uint8), None, None, []), None, None)
    with pytest.raises(AssayError, match="no samroad_feat_full_"):
        maps.of(cfg, SamRoad(SMALL), lone, make_run(config()))
