"""Time-of-day relighting of a fixed view: 24 images of one camera become a small network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.contract import (
    AnyOf,
    Checkpoints,
    Criterion,
    Loss,
    Metric,
    Model,
    Space,
    Task,
    Variant,
)
from tasks.lightmap.config import LightmapConfig

STREET = Path(__file__).parent / "street"


def inputs(cfg: LightmapConfig) -> Mapping[str, Path]:
    """The folder of images, unless the config alone makes the city; and weights to begin with."""
    made = cfg.data_dir is None and cfg.data == "city"
    first = {"init_from": cfg.init_from} if cfg.init_from is not None else {}
    return first if made else {"images": cfg.data_dir or STREET, **first}


task = Task[LightmapConfig](
    name="lightmap",
    title="Time-of-day lightmaps from a small coordinate MLP",
    version=1,
    config=LightmapConfig,
    work="tasks.lightmap.work",
    preload=("lpips", "pytorch_msssim", "matplotlib.figure", "matplotlib.backends.backend_agg"),
    inputs=inputs,
    models=(
        Model(
            name="DeltaMLP",
            make="tasks.lightmap.model:build",
            doc="26-[64]x6-3 MLP from position and time to colour change: 22,723 parameters",
        ),
        Model(
            name="BaselineEncoder",
            make="tasks.lightmap.model:BaselineEncoder",
            doc="three 3x3 convolutions over the baseline image: 19,392 parameters at 32 channels",
        ),
        Model(
            name="HashGrid",
            make="tasks.lightmap.hashgrid:HashGrid",
            doc="8 tables of 2^15 x 2 over (x, y, t), periodic in t: 524,288 parameters",
        ),
        Model(
            name="Mixer",
            make="tasks.lightmap.mixing:Mixer",
            doc="four 23-16-16-10 MLPs from a pixel's clues to weights of ten paths",
        ),
        Model(
            name="Modulation",
            make="tasks.lightmap.mlp:Modulation",
            doc="FiLM: 8-32-2hL MLP from time to a scale and a shift of every hidden layer",
        ),
    ),
    losses=(
        Loss(name="l2", weight="w_l2", formula="mean (x̂ - x)²", source="seed 003, 3.1"),
        Loss(
            name="ssim",
            weight="loss_ssim_w",
            when="patch_size",
            formula="1 - SSIM(x̂, x) on patches",
            source="Wang et al. 2004",
        ),
        Loss(
            name="lpips",
            weight="loss_lpips_w",
            when="lpips_freq",
            formula="LPIPS(x̂, x) on patches, every lpips_freq steps",
            source="Zhang et al. 2018",
        ),
    ),
    metrics=(
        Metric(name="psnr", unit="dB", direction="max", doc="mean over val_hours, capped at 60"),
        Metric(name="psnr_of_mean", unit="dB", direction="max", doc="PSNR of the mean MSE"),
        Metric(name="ssim", unit="1", direction="max", doc="mean over val_hours, window 11"),
        Metric(name="lpips", unit="1", direction="min", doc="mean over val_hours, AlexNet v0.1"),
        Metric(
            name="choice",
            unit="1",
            direction="max",
            doc="what chose the checkpoint: best_metric, so turned that more is better",
        ),
        Metric(name="held_psnr", unit="dB", direction="max", split="held out", doc="mean"),
        Metric(name="held_ssim", unit="1", direction="max", split="held out", doc="mean"),
        Metric(name="held_lpips", unit="1", direction="min", split="held out", doc="mean"),
        Metric(name="interp_psnr", unit="dB", direction="max", split="between hours", doc="mean"),
        Metric(name="interp_ssim", unit="1", direction="max", split="between hours", doc="mean"),
        Metric(name="interp_lpips", unit="1", direction="min", split="between hours", doc="mean"),
        Metric(
            name="interp_gain",
            unit="dB",
            direction="max",
            split="between hours",
            doc="interp_psnr less that of blending the two nearest hours",
        ),
        Metric(
            name="model_bytes",
            unit="B",
            direction="min",
            doc="all that painting needs: weights as stored, images as lossless WebP",
        ),
        Metric(
            name="gpu_1080p_ms",
            unit="ms",
            direction="min",
            doc="one 1920x1080 frame on the GPU, forward only, median of 50",
            timing=True,
        ),
        Metric(
            name="nonfinite_steps", unit="1", direction="min", doc="steps without a usable loss"
        ),
        Metric(
            name="loss_rise",
            unit="1",
            direction="min",
            doc="mean loss of the last epoch over the lowest of any epoch",
        ),
        Metric(
            name="lr_left",
            unit="1",
            direction="min",
            doc="learning rate of the last step over that of the first",
        ),
    ),
    primary="ssim",
    criteria=(
        AnyOf(
            name="perceptual gain",
            of=(
                Criterion(name="ssim gained", metric="ssim", gain=0.02),
                Criterion(name="lpips gained", metric="lpips", gain=0.02),
            ),
        ),
        Criterion(name="psnr kept", metric="psnr", gain=-0.3),
        Criterion(name="real time", metric="gpu_1080p_ms", below=60.0, needs="cuda"),
        Criterion(name="no NaN", metric="nonfinite_steps", at_most=0),
        Criterion(name="loss stable", metric="loss_rise", at_most=1.05),
        Criterion(name="schedule worked", metric="lr_left", below=1.0),
    ),
    variants=(
        Variant(name="baseline", why="pixel MSE, no context: seed 003, 8"),
        Variant(
            name="encoder",
            set={"use_baseline_encoder": True},
            why="what the baseline image shows around a pixel: seed 003, 3.2",
        ),
        Variant(
            name="patch_ssim",
            set={"patch_size": 16, "loss_ssim_w": 0.2},
            why="optimise the metric itself on patches: seed 003, 3.1",
        ),
        Variant(
            name="hybrid",
            set={"use_baseline_encoder": True, "patch_size": 16, "loss_ssim_w": 0.2},
            why="both: seed 003, 5 C",
        ),
        Variant(
            name="lpips",
            set={
                "use_baseline_encoder": True,
                "patch_size": 32,
                "loss_ssim_w": 0.2,
                "loss_lpips_w": 0.1,
                "lpips_freq": 8,
            },
            why="the hybrid with a perceptual loss in every eighth step: seed 003, B2",
        ),
        Variant(
            name="mixed",
            set={
                "use_baseline_encoder": True,
                "patch_size": 16,
                "patch_mix": 0.5,
                "loss_ssim_w": 0.05,
                "ssim_min_std": 0.01,
            },
            why="the hybrid with half its pixels single and a milder SSIM: what its PSNR lacks",
        ),
        Variant(
            name="features_alone",
            set={"use_baseline_encoder": True, "be_input": "replace"},
            why="the encoder's features in place of the position: seed 003, 5 A",
        ),
        Variant(
            name="painted",
            set={"residual_mode": False},
            why="the whole colour in place of the change from noon",
        ),
        Variant(
            name="film",
            set={
                "film": True,
                "hidden": 48,
                "layers": 4,
                "use_baseline_encoder": True,
                "be_channels": 16,
            },
            why="the hour steers the layers in place of being an input: 26,931 parameters",
        ),
        Variant(
            name="hash_grid",
            set={"hash_grid": True, "hidden": 32, "layers": 2, "lr": 1e-2},
            why="position and hour by table, a small network behind: 526,243 parameters",
        ),
        Variant(
            name="hash_small",
            set={"hash_grid": True, "hidden": 16, "layers": 2, "lr": 1e-2},
            why="the same with half the width, for a processor to paint 1080p in real time",
        ),
        Variant(
            name="siren",
            set={"activation": "sine", "xy_harmonics": 0, "time_harmonics": 1, "lr": 1e-4},
            why="sines in place of the position's harmonics",
        ),
        Variant(
            name="gaussian",
            set={"xy_mapping": "gaussian"},
            why="waves of random direction in place of the position's harmonics",
        ),
        Variant(
            name="blend",
            set={"blend": "linear"},
            why="no network, all frames kept: the line to beat between the hours (interp_*)",
        ),
        Variant(
            name="basis",
            set={"blend": "linear", "basis_k": 72},
            why="the day as one small file of basis images; hours blended from what it gives back",
        ),
        Variant(
            name="blend_learned",
            set={"blend": "learned", "lr": 3e-3},
            why="ten ways from hour to hour, weighed at each pixel by four tiny networks",
        ),
        Variant(
            name="basis_learned",
            set={"blend": "learned", "lr": 3e-3, "basis_k": 72},
            why="the same between the hours that the small file gives back",
        ),
        Variant(
            name="blend_residual",
            set={"blend": "linear", "blend_base": True},
            why="the network corrects only what the blend gets wrong",
        ),
        Variant(
            name="blend_hash",
            set={
                "blend": "linear",
                "blend_base": True,
                "hash_grid": True,
                "hidden": 32,
                "layers": 2,
                "lr": 1e-2,
            },
            why="the same correction from a hash grid",
        ),
    ),
    search={
        "patch_size": Space(choices=(16, 32)),
        "loss_ssim_w": Space(choices=(0.1, 0.2, 0.5)),
        "be_channels": Space(choices=(16, 32)),
        "be_downsample": Space(choices=(1, 2)),
    },
    checkpoints=Checkpoints(best_by="choice"),
    tiny={
        "data": "city",
        "city_size": "48x40",
        "hidden": 16,
        "layers": 3,
        "epochs": 2,
        "samples_per_epoch": 8192,
        "batch_size": 1024,
    },
    tools={
        "infer": "tasks.lightmap.tools:infer",
        "batch_infer": "tasks.lightmap.tools:batch_infer",
        "eval": "tasks.lightmap.tools:evaluate",
        "synth": "tasks.lightmap.tools:synth_city",
        "decode": "tasks.lightmap.basis:decode",
        "synth_street": "tasks.lightmap.street_render:synth_street",
        "compare": "tasks.lightmap.rates:compare",
        "export": "tasks.lightmap.export:export",
        "bench": "tasks.lightmap.export:bench",
    },
    evaluator=(
        "tasks.lightmap.work",
        "tasks.lightmap.metrics",
        "tasks.lightmap.render",
        "tasks.lightmap.gridpaint",
        "tasks.lightmap.gridkernel",
        "tasks.lightmap.colour",
        "tasks.lightmap.basis",
        "tasks.lightmap.codec",
        "tasks.lightmap.paths",
        "tasks.lightmap.lowrank",
        "tasks.lightmap.mixing",
        "tasks.lightmap.rangecoder",
        "tasks.lightmap.quantise",
        "tasks.lightmap.sizes",
        "core.kit.image",
    ),
)
