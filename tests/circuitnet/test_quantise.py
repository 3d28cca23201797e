"""The seed's quantisation by its own formulas, the standard one by hand, and fine-tuning."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core.errors import AssayError
from core.kit import quant
from core.testing import tiny_run
from tasks.circuitnet import dataset, network, task
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.model import GPDL
from tasks.circuitnet.quantise import (
    FORMATS,
    PARTS,
    Quantised,
    apply,
    bits,
    leaves,
    part,
    seed_flavour,
    seed_tensor,
)

LEVELS = [0.0, 0.0625, 0.125, 0.25, 0.5, 1.0, 1.5, 2.0]


@pytest.fixture
def model() -> GPDL:
    torch.manual_seed(0)
    return GPDL().eval()


def batch() -> Tensor:
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def settings(**given: object) -> CircuitnetConfig:
    return CircuitnetConfig.model_validate({"quant_flavour": "standard", **given})


def table_of_the_seed(x: Tensor, precision: str) -> Tensor:
    """Seed 002, test.py, as its formulas read: nothing is shared with the code under test."""
    if precision == "FP8":
        return x.to(torch.float8_e4m3fn).to(torch.float32)
    if precision == "FP4":
        levels = torch.tensor(LEVELS + [-v for v in LEVELS[1:]]) * x.abs().max()
        return levels[(x.unsqueeze(-1) - levels).abs().argmin(-1)]
    top = 2 ** (int(precision[3:]) - 1) - 1
    scale = x.abs().max() / top
    return torch.round(x / scale).clamp(-top - 1, top) * scale


@pytest.mark.parametrize("precision", FORMATS)
def test_a_tensor_is_quantised_bit_for_bit_as_in_the_seed(precision: str) -> None:
    draw = torch.Generator().manual_seed(2)
    for scale in (0.02, 1.0, 50.0):
        x = torch.randn(4001, generator=draw) * scale
        x = torch.cat([x, x[:50] * 0, torch.linspace(-scale, scale, 4097)])  # zeros and ties
        assert torch.equal(seed_tensor(x, precision), table_of_the_seed(x, precision))
    zeros = torch.zeros(5)
    assert torch.equal(seed_tensor(zeros, precision), zeros)


def test_the_seeds_fp4_uses_eleven_of_its_fifteen_levels() -> None:
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0)) * 0.02
    assert len(seed_tensor(x, "FP4").unique()) == 11


@pytest.mark.parametrize("name", ["all", "encoder", "decoder", "decoder.conv1.main.0"])
def test_seed_weights_are_every_parameter_of_the_module_and_no_other(
    model: GPDL, name: str
) -> None:
    before = copy.deepcopy(model)
    seed_flavour(model, "INT4", "weights", name)
    inside = "" if name == "all" else f"{name}."
    for key, old in before.named_parameters():
        new = model.get_parameter(key)
        want = table_of_the_seed(old, "INT4") if key.startswith(inside) and old.any() else old
        assert torch.equal(new, want), key


def test_seed_activations_are_every_modules_output_containers_too(model: GPDL) -> None:
    plain, x = copy.deepcopy(model), batch()

    def walk(module: nn.Module, *args: Tensor) -> object:
        """The forward pass with each module's output quantised as it comes back."""
        out = module(*args)
        if isinstance(out, tuple):
            return tuple(table_of_the_seed(o, "INT8") for o in out)
        return table_of_the_seed(out, "INT8")

    def sequence(module: nn.Sequential, x: Tensor) -> Tensor:
        for layer in module:
            x = walk(layer, x)  # type: ignore[assignment]
        return table_of_the_seed(x, "INT8")

    def q(x: Tensor) -> Tensor:
        return table_of_the_seed(x, "INT8")

    e, d = plain.encoder, plain.decoder
    with torch.no_grad():
        skip = walk(e.pool1, q(sequence(e.c1.main, x)))
        deep = walk(e.pool2, q(sequence(e.c2.main, skip)))  # type: ignore[arg-type]
        deep, skip = q(sequence(e.c3, deep)), q(skip)  # type: ignore[arg-type]
        up = q(sequence(d.upc1.main, q(sequence(d.conv1.main, q(deep)))))
        joined = torch.cat([q(sequence(d.conv2.main, up)), skip], 1)
        want = q(q(sequence(d.conv3, q(sequence(d.upc2.main, joined)))))
        got = seed_flavour(model, "INT8", "activations", "all")(x)
    assert torch.equal(got, want)


def test_seed_activations_depend_on_the_batch(model: GPDL) -> None:
    quantised = seed_flavour(model, "INT4", "activations", "all")
    with torch.no_grad():
        assert not torch.equal(quantised(batch())[:1], quantised(batch()[:1]))


def test_an_unknown_module_is_an_error_that_lists_the_known(model: GPDL) -> None:
    with pytest.raises(AssayError) as refused:
        part(model, "aspp")
    assert "decoder" in str(refused.value) + refused.value.hint
    with pytest.raises(AssayError, match="'encodr'"):
        part(model, "encodr")


@pytest.mark.parametrize("precision", FORMATS)
def test_standard_weights_are_those_of_layers_each_channel_alone(
    model: GPDL, precision: str
) -> None:
    before = copy.deepcopy(model)
    apply(settings(precision=precision), model, [])
    modules = dict(before.named_modules())
    for key, old in before.named_parameters():
        new, name = model.get_parameter(key), key.rpartition(".")[0]
        if key.endswith("weight") and name in leaves(before):
            channel = 1 if isinstance(modules[name], nn.ConvTranspose2d) else 0
            for i in range(old.shape[channel]):
                one = old.select(channel, i)
                want = quant.fake(one, FORMATS[precision], one.abs().max())
                assert torch.equal(new.select(channel, i), want)
        else:
            assert torch.equal(new, old), key


def test_standard_activations_are_calibrated_inputs_of_layers(model: GPDL) -> None:
    plain, x = copy.deepcopy(model), batch()
    seen: dict[str, Tensor] = {}
    for name in leaves(plain):
        plain.get_submodule(name).register_forward_hook(
            lambda _m, args, _o, name=name: seen.update({name: args[0]})
        )
    config = settings(precision="INT8", quant_target="activations")
    with torch.no_grad():
        plain(x)
        quantised = apply(config, model, [x])
        got = quantised(batch()[:1] * 0.5)
        for i, name in enumerate(leaves(plain)):
            low, high = quantised.ranges[i].tolist()  # type: ignore[union-attr, index]
            assert (low, high) == (min(0, seen[name].min()), max(0, seen[name].max()))
        # the same values again, through torch's own quantiser, from the ranges just checked
        for i, name in enumerate(leaves(plain)):
            low, high = (float(v) for v in quantised.ranges[i])  # type: ignore[union-attr, index]
            scale = (high - low) / 255
            zero = round(-low / scale)

            def before(_m: nn.Module, args: tuple[Tensor], s=scale, z=zero) -> tuple[Tensor]:
                return (torch.fake_quantize_per_tensor_affine(args[0], s, z, 0, 255),)

            plain.get_submodule(name).register_forward_pre_hook(before)
        torch.testing.assert_close(got, plain(batch()[:1] * 0.5), rtol=0, atol=0.01)
    assert torch.equal(
        model.get_parameter("decoder.conv3.0.weight"), plain.get_parameter("decoder.conv3.0.weight")
    )


def test_a_sample_in_the_standard_flavour_does_not_depend_on_its_batch(model: GPDL) -> None:
    quantised = apply(settings(precision="INT4", quant_target="both"), model, [batch()])
    with torch.no_grad():
        torch.testing.assert_close(quantised(batch())[:1], quantised(batch()[:1]))


def test_calibration_without_maps_is_an_error(model: GPDL) -> None:
    with pytest.raises(AssayError, match="no calibration data"):
        apply(settings(precision="INT8", quant_target="both"), model, [])


def test_sizes_count_the_bits_of_what_is_narrow(model: GPDL) -> None:
    whole = sum(p.numel() for p in model.parameters())
    assert bits(CircuitnetConfig(), model) == 32 * whole
    assert bits(CircuitnetConfig(precision="INT4"), model) == 4 * whole
    assert bits(settings(precision="INT8", quant_target="activations"), model) == 32 * whole
    layers = sum(model.get_submodule(n).weight.numel() for n in leaves(model))  # type: ignore[union-attr, operator]
    assert bits(settings(precision="FP8"), model) == 8 * layers + 32 * (whole - layers)


def test_parts_and_leaves_cover_the_network(model: GPDL) -> None:
    assert [p for p in PARTS if hasattr(model, p)] == ["encoder", "decoder"]
    assert len(leaves(model)) == 12
    assert leaves(model)[0] == "encoder.c1.main.0"


@pytest.mark.parametrize("scales", ["observed", "lsq"])
def test_fine_tuning_gives_every_weight_a_gradient(model: GPDL, scales: str) -> None:
    config = settings(precision="INT4", quant_target="both", qat_steps=5, qat_scales=scales)
    tuned = Quantised(model, config)
    tuned.calibrate([batch()])
    tuned.train()(batch()).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in tuned.parameters())
    assert len(tuned.scales) == (12 if scales == "lsq" else 0)


@pytest.mark.parametrize("scales", ["observed", "lsq"])
def test_a_fine_tuned_run_evaluates_what_it_validated(tmp_path: Path, scales: str) -> None:
    given = {
        **{"precision": "INT4", "quant_target": "both", "quant_flavour": "standard"},
        **{"max_iters": 2, "qat_steps": 4, "qat_lr": 1e-3, "qat_scales": scales},
    }
    done = tiny_run(task, tmp_path / "run", overrides=given)
    assert done.run.best_step in (4, 6)  # nothing is chosen before fine-tuning
    logged = dict(done.series["val/nrms"])
    assert done.metrics["val_nrms"] == pytest.approx(logged[done.run.best_step], abs=1e-12)
    loaded = network.load(done.config, done.run.judged(), "cpu")  # type: ignore[arg-type]
    weight = loaded.net.net.decoder.conv1.main[0].weight  # type: ignore[union-attr]
    assert all(len(channel.unique()) <= 16 for channel in weight)


def test_what_comes_before_fine_tuning_is_training_as_ever(tmp_path: Path) -> None:
    plain = {"max_iters": 2}
    narrow = {"precision": "INT8", "quant_target": "both", "quant_flavour": "standard"}
    one = tiny_run(task, tmp_path / "one", overrides=plain)
    two = tiny_run(task, tmp_path / "two", overrides={**plain, **narrow, "qat_steps": 2})
    assert dict(two.series["val/nrms"])[2] == dict(one.series["val/nrms"])[2]


def test_quantised_evaluation_of_a_checkpoint_moves_its_metrics(tmp_path: Path) -> None:
    done = tiny_run(task, tmp_path / "run")
    config: CircuitnetConfig = done.config  # type: ignore[assignment]
    test = dataset.read(config).test
    maps = {}
    for precision in ("FP32", "INT8", "INT4"):
        loaded = network.load(
            config.model_copy(update={"precision": precision}), done.run.judged(), "cpu"
        )
        maps[precision] = next(test.predictions(loaded.predict, 8)).pred
    apart = [abs(maps[p] - maps["FP32"]).max() for p in ("INT8", "INT4")]
    assert 0 < apart[0] < apart[1]
