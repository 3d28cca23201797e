"""The networks: names, sizes, layers by hand, and what they refuse."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import AssayError
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.model import GPDL, GPDLEnhanced, build

OFFICIAL = {  # spec 3.1: the layers with weights, by key, as (kind, in, out)
    "encoder.c1.main.0": ("conv", 3, 32),
    "encoder.c1.main.3": ("conv", 32, 32),
    "encoder.c2.main.0": ("conv", 32, 64),
    "encoder.c2.main.3": ("conv", 64, 64),
    "encoder.c3.0": ("conv", 64, 32),
    "decoder.conv1.main.0": ("conv", 32, 32),
    "decoder.conv1.main.3": ("conv", 32, 32),
    "decoder.upc1.main.0": ("up", 32, 16),
    "decoder.conv2.main.0": ("conv", 16, 16),
    "decoder.conv2.main.3": ("conv", 16, 16),
    "decoder.upc2.main.0": ("up", 48, 4),
    "decoder.conv3.0": ("conv", 4, 1),
}


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def of(**settings: object) -> GPDL:
    return build(CircuitnetConfig.model_validate(settings))


def test_gpdl_has_the_official_layers_and_size() -> None:
    model = GPDL()
    state = model.state_dict()
    assert parameters(model) == 119_169
    assert len(state) == 49
    for key, (kind, ins, outs) in OFFICIAL.items():
        shape = (ins, outs, 4, 4) if kind == "up" else (outs, ins, 3, 3)
        assert state[f"{key}.weight"].shape == shape
    assert {k for k in state if "running" in k or "tracked" in k} == {
        f"encoder.c3.1.{k}" for k in ("running_mean", "running_var", "num_batches_tracked")
    }


def functional(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """GPDL in evaluation mode, written out from the table of the spec."""

    def conv(name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def norm(name: str, x: Tensor) -> Tensor:
        mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
        w, b = state[f"{name}.weight"], state[f"{name}.bias"]
        return (x - mean) / (var + 1e-5).sqrt() * w[:, None, None] + b[:, None, None]

    def block(name: str, x: Tensor) -> Tensor:
        for a, b in ((0, 1), (3, 4)):
            x = F.leaky_relu(norm(f"{name}.main.{b}", conv(f"{name}.main.{a}", x)), 0.2)
        return x

    def up(name: str, x: Tensor) -> Tensor:
        w, b = state[f"{name}.main.0.weight"], state[f"{name}.main.0.bias"]
        return F.leaky_relu(norm(f"{name}.main.1", F.conv_transpose2d(x, w, b, 2, 1)), 0.2)

    skip = F.max_pool2d(block("encoder.c1", x), 2)
    x = conv("encoder.c3.0", F.max_pool2d(block("encoder.c2", skip), 2))
    mean, var = state["encoder.c3.1.running_mean"], state["encoder.c3.1.running_var"]
    w, b = state["encoder.c3.1.weight"], state["encoder.c3.1.bias"]
    x = F.batch_norm(x, mean, var, w, b).tanh()
    x = block("decoder.conv2", up("decoder.upc1", block("decoder.conv1", x)))
    return conv("decoder.conv3.0", up("decoder.upc2", torch.cat([x, skip], 1))).sigmoid()


def test_gpdl_computes_what_the_table_says() -> None:
    torch.manual_seed(0)
    model = GPDL().double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    x = torch.rand(2, 3, 16, 24).double()
    model.train()(x)  # moves the running statistics away from 0 and 1
    want = functional(model.state_dict(), x)
    torch.testing.assert_close(model.eval()(x), want, rtol=1e-9, atol=1e-12)


def test_the_seeds_network_has_its_constructor_keys_and_size() -> None:
    model = GPDLEnhanced(in_channels=3, out_channels=1, model_type="GPDL", batch_size=16)
    state = model.state_dict()
    assert parameters(model) == 157_729
    assert model.encoder.skip_channels_h2 == 32
    for key, shape in {
        "encoder.c1.main_conv.0.weight": (32, 3, 3, 3),
        "encoder.c1.se.fc.0.weight": (2, 32),
        "encoder.c3_bottleneck.1.running_mean": (32,),
        "aspp.convs.0.0.weight": (32, 32, 1, 1),
        "aspp.convs.3.0.weight": (32, 32, 3, 3),
        "aspp.convs.4.1.weight": (32, 32, 1, 1),
        "aspp.project.0.weight": (32, 160, 1, 1),
        "decoder.conv2.main_conv.0.weight": (16, 48, 3, 3),
        "decoder.conv2.se.fc.0.weight": (1, 16),
        "decoder.upc2.main.0.weight": (16, 4, 4, 4),
        "decoder.conv3_final_pred.0.weight": (1, 4, 3, 3),
    }.items():
        assert state[key].shape == shape
    assert [c[0].dilation for c in list(model.aspp.convs)[1:4]] == [(6, 6), (12, 12), (18, 18)]
    assert GPDLEnhanced().decoder.last.out_channels == 2


@pytest.mark.parametrize(("outs", "inner"), [(32, 32), (40, 8), (64, 32)])
def test_aspp_branches_are_as_wide_as_the_seed_made_them(outs: int, inner: int) -> None:
    model = GPDLEnhanced(aspp_out_channels=outs)
    assert model.aspp.convs[0][0].out_channels == inner


def test_switches_together_are_the_seeds_network_under_other_names() -> None:
    switches = {"use_se": True, "use_aspp": True, "skip_before_conv2": True}
    ours, theirs = of(**switches), of(**switches, naming="seed")
    renamed = {
        k.replace("main_conv", "main")
        .replace("c3_bottleneck", "c3")
        .replace("conv3_final_pred", "conv3"): v
        for k, v in theirs.state_dict().items()
    }
    ours.load_state_dict(renamed)
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    assert parameters(theirs) == 157_729


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({"use_se": True}, 2 * (2 * 32 + 4 * 64 + 2 * 32 + 1 * 16)),  # c1, c2, conv1, conv2
        ({"skip_before_conv2": True}, 32 * 16 * 9 - 32 * 4 * 16),  # conv2 wider, upc2 narrower
        ({"use_aspp": True}, 2 * 32 * 32 + 3 * 9 * 32 * 32 + 160 * 32 + 6 * 2 * 32),
    ],
)
def test_a_switch_adds_its_own_parameters_alone(settings: dict[str, bool], more: int) -> None:
    assert parameters(of(**settings)) - 119_169 == more


def test_squeeze_and_excitation_scales_channels() -> None:
    torch.manual_seed(0)
    se = of(use_se=True).encoder.c1.se
    x = torch.rand(2, 32, 5, 7)
    first, second = se.fc[0].weight, se.fc[2].weight
    gate = torch.sigmoid(torch.relu(x.mean((2, 3)) @ first.T) @ second.T)
    torch.testing.assert_close(se(x), x * gate[:, :, None, None])


def test_routenet_normalises_over_the_batch() -> None:
    model = of(task="drc_routenet")
    keys = model.state_dict()
    assert keys["encoder.c1.main.0.weight"].shape == (32, 9, 3, 3)
    assert "encoder.c1.main.1.running_mean" in keys
    assert "decoder.upc1.main.1.running_var" in keys
    assert not [m for m in model.modules() if isinstance(m, nn.InstanceNorm2d)]


def test_weights_start_as_the_official_ones_do() -> None:
    torch.manual_seed(0)
    model = of(use_se=True, use_aspp=True)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            spread = 0.02 * (1 + 5 / math.sqrt(2 * module.weight.numel()))
            assert module.weight.std() < spread
            assert module.bias is None or not module.bias.any()


def test_the_last_bias_can_start_at_the_mean_label() -> None:
    model = GPDL().eval()
    nn.init.zeros_(model.decoder.last.weight)
    model.start_at(0.13)
    torch.testing.assert_close(model(torch.rand(1, 3, 8, 8)), torch.full((1, 1, 8, 8), 0.13))


@pytest.mark.parametrize("shape", [(1, 3, 18, 16), (1, 4, 16, 16)])
def test_sides_and_channels_that_do_not_fit_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(AssayError, match=f"got {shape[1]} maps of {shape[2]}x{shape[3]}"):
        GPDL()(torch.zeros(shape))


def test_width_scales_every_inner_channel() -> None:
    narrow = of(width=0.5).state_dict()
    assert narrow["encoder.c2.main.0.weight"].shape == (32, 16, 3, 3)
    assert narrow["decoder.upc2.main.0.weight"].shape == (24, 2, 4, 4)
