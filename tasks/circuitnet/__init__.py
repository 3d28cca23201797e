"""Routing congestion on chip layouts: CircuitNet maps in, a map of overflow out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.contract import Checkpoints, Criterion, Loss, Metric, Model, Space, Task, Variant
from tasks.circuitnet import annotation
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.published import PUBLISHED


def inputs(cfg: CircuitnetConfig) -> Mapping[str, Path]:
    """The preprocessed maps and their csv files; generated designs come from the config alone.

    Raises:
        AssayError: a csv that is none, or that names maps which are not there.
    """
    found: dict[str, Path] = {"pretrained": cfg.pretrained} if cfg.pretrained else {}
    if cfg.dataroot is not None:
        for half in ("train", "test"):
            found[half] = cfg.annotation(half)
            if found[half].is_file():  # else the tracker says what is missing
                annotation.present(annotation.read(found[half]), cfg.dataroot, cfg.allow_missing)
        found |= {kind: cfg.dataroot / kind for kind in ("feature", "label")}
    return found


def _metric(name: str, direction: str, doc: str, split: str = "test", **more: Any) -> Metric:
    given = {"unit": "1", "split": split, **more}
    return Metric(name=name, direction=direction, doc=doc, **given)


FAST: dict[str, Any] = {  # learns on two CPU cores in minutes
    "max_iters": 120,
    "batch_size": 8,
    "lr": 3e-3,
    "init_output_bias": True,
    "amp": "auto",
    "val_every": 30,
    "log_every": 10,
}

task = Task[CircuitnetConfig](
    name="circuitnet",
    title="Routing congestion from placement maps, and what quantisation costs it",
    version=1,
    config=CircuitnetConfig,
    work="tasks.circuitnet.work",
    preload=("scipy.ndimage", "matplotlib.figure", "matplotlib.backends.backend_agg"),
    inputs=inputs,
    models=(
        Model(
            name="GPDL",
            make="tasks.circuitnet.model:GPDL",
            doc="CircuitNet's encoder-decoder with one skip: 119,169 parameters, official keys",
        ),
        Model(
            name="GPDLEnhanced",
            make="tasks.circuitnet.model:GPDLEnhanced",
            doc="the seed's with SE, ASPP and an earlier skip: 157,729 parameters, its keys",
        ),
        Model(
            name="network",
            make="tasks.circuitnet.model:build",
            doc="any combination of the switches; RouteNet is GPDL with batch norm and 9 channels",
        ),
    ),
    losses=(
        Loss(
            name="pixel",
            weight="w_pixel",
            formula="mean (ŷ - y)², or |ŷ - y|, or Huber; weighted where hotspot_weight > 0",
            source="CircuitNet utils/losses.py",
        ),
        Loss(name="ssim", weight="w_ssim", formula="1 - SSIM(ŷ, y)", source="Wang et al. 2004"),
    ),
    metrics=(
        _metric("nrms", "min", "RMSE over the label's range, 8-bit maps, the official mean"),
        _metric("ssim", "max", "gaussian window 11, 8-bit maps, the official mean"),
        _metric("emd", "min", "official: between equalised histograms' frequencies"),
        _metric("emd_true", "min", "earth mover's distance between the value histograms"),
        _metric("nrms_strict", "min", "plain mean; equal constant maps count 0"),
        _metric("ssim_strict", "max", "plain mean; a perfect map counts 1"),
        _metric("pearson", "max", "correlation of the pixels of a map"),
        _metric("spearman", "max", "rank correlation of the pixels of a map"),
        _metric("f1_10", "max", "pixels above 0.1, both sides"),
        _metric("f1_20", "max", "pixels above 0.2, both sides"),
        _metric("f1_30", "max", "pixels above 0.3, both sides"),
        _metric("ap_10", "max", "average precision for label > 0.1"),
        _metric("ap_20", "max", "average precision for label > 0.2"),
        _metric("ap_30", "max", "average precision for label > 0.3"),
        _metric("peak_nrms", "min", "mean NRMS over the top 0.5, 1, 2 and 5 % label pixels"),
        _metric("roc_auc", "max", "official ROC at label >= threshold, 200 thresholds"),
        _metric("prc_auc", "max", "official precision-recall at label >= threshold"),
        _metric("zero_nrms", "min", "of the zero map: the line to beat"),
        _metric("zero_ssim", "max", "of the zero map"),
        _metric("mean_nrms", "min", "of the mean training label"),
        _metric("mean_ssim", "max", "of the mean training label"),
        _metric("rudy_nrms", "min", "of RUDY itself"),
        _metric("rudy_ssim", "max", "of RUDY itself"),
        _metric("nrms_over_rudy", "min", "nrms over that of RUDY"),
        _metric("nrms_over_trivial", "min", "nrms over the best of zero, mean and RUDY"),
        _metric("ssim_over_trivial", "max", "ssim less the best of zero, mean and RUDY"),
        _metric("val_nrms", "min", "nrms of the maps that choose the checkpoint", split="val"),
        _metric("val_ssim", "max", "ssim of the maps that choose the checkpoint", split="val"),
        _metric("weight_kb", "min", "parameters as the config stores them", unit="KiB"),
        _metric("latency_ms", "min", "torch, one test map, median", unit="ms", timing=True),
        _metric("nonfinite_steps", "min", "steps without a usable loss", split="train"),
    ),
    primary="nrms",
    criteria=(
        Criterion(name="beats RUDY by 5 %", metric="nrms_over_rudy", at_most=0.95),
        Criterion(name="beats all trivial maps", metric="nrms_over_trivial", below=1.0),
        Criterion(name="looks better, too", metric="ssim_over_trivial", at_least=0.0),
        Criterion(name="no NaN", metric="nonfinite_steps", at_most=0),
    ),
    variants=(
        Variant(name="baseline", why="CircuitNet's GPDL and the seed's training"),
        Variant(name="cpu_fast", set=FAST, why="learns on two CPU cores in minutes"),
        Variant(name="se", set={"use_se": True}, why="channel attention alone"),
        Variant(name="aspp", set={"use_aspp": True}, why="dilated context alone"),
        Variant(
            name="skip_moved",
            set={"skip_before_conv2": True},
            why="the third change in the seed's SE/ASPP network, alone",
        ),
        Variant(name="se_aspp", set={"use_se": True, "use_aspp": True}, why="SE and ASPP"),
        Variant(
            name="se_aspp_seed",
            set={
                "use_se": True,
                "use_aspp": True,
                "skip_before_conv2": True,
                "naming": "seed",
            },
            why="the seed's network, which is all three: seed 002, commit 8c2b4a1",
        ),
        Variant(name="no_aug", set={"augment": "none"}, why="what the mirror is worth"),
        Variant(
            name="short_schedule",
            set={"max_iters": 10_000},
            why="the cosine ends where the seed's best checkpoint was, at 10k",
        ),
        Variant(
            name="clean_labels",
            set={"train_mode": "clean", "synth_raw": 65},  # as CircuitNet's 259 become 256
            why="trained where an empty background stays 0; against synth_raw=65, same judge",
        ),
        Variant(
            name="drc",
            set={"task": "drc_routenet", "batch_size": 8, "weight_decay": 1e-4},
            why="RouteNet: design-rule violations from nine maps",
        ),
        Variant(
            name="ssim_loss",
            set={"w_ssim": 5.0},
            why="optimise the structure itself beside the pixels",
        ),
        Variant(
            name="qat_int8",
            set={
                "precision": "INT8",
                "quant_target": "both",
                "quant_flavour": "standard",
                "qat_steps": 1500,
            },
            why="the part that the seed left out: fine-tuned with quantisers in the network",
        ),
        Variant(
            name="qat_int4",
            set={
                "precision": "INT4",
                "quant_target": "both",
                "quant_flavour": "standard",
                "qat_steps": 1500,
            },
            why="as qat_int8, in four bits",
        ),
    ),
    published=PUBLISHED,
    search={
        "lr": Space(low=5e-5, high=2e-3, log=True),
        "min_lr": Space(low=1e-8, high=1e-5, log=True),
        "weight_decay": Space(choices=(0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)),
        "batch_size": Space(choices=(4, 8, 16)),
        "augment": Space(choices=("none", "hflip", "hvflip", "d4")),
        "use_se": Space(choices=(False, True)),
        "se_reduction": Space(choices=(4, 8, 16)),
        "use_aspp": Space(choices=(False, True)),
        "aspp_rates": Space(choices=("3,6,9", "6,12,18")),
        "aspp_dropout": Space(low=0.0, high=0.5),
        "width": Space(choices=(0.5, 1.0, 2.0)),
        "loss_type": Space(choices=("MSELoss", "HuberLoss")),
        "w_ssim": Space(choices=(0.0, 5.0, 20.0, 50.0)),
    },
    checkpoints=Checkpoints(best_by="val_nrms", keep="all"),
    tiny={
        "synth_grid": 32,
        "synth_cells": 300,
        "synth_designs": 12,
        "synth_test": 2,
        "max_iters": 4,
        "batch_size": 2,
        "width": 0.25,
        "val_every": 2,
        "log_every": 1,
        "calib_maps": 2,
        "infer_maps": 2,
    },
    tools={
        "preprocess": "tasks.circuitnet.tools:preprocess",
        "synth": "tasks.circuitnet.tools:synth",
        "stats": "tasks.circuitnet.tools:stats",
        "decompress": "tasks.circuitnet.tools:decompress",
        "annotate": "tasks.circuitnet.tools:annotate",
        "sample": "tasks.circuitnet.tools:sample",
        "eval": "tasks.circuitnet.use:evaluate",
        "export": "tasks.circuitnet.deploy:export",
        "sensitivity": "tasks.circuitnet.sensitivity:sensitivity",
        "curves": "tasks.circuitnet.use:curves",
    },
    evaluator=(  # with what makes generated maps, which have no digest of their own
        "tasks.circuitnet.work",
        "tasks.circuitnet.evaluation",
        "tasks.circuitnet.metrics",
        "tasks.circuitnet.metric_kernels",
        "tasks.circuitnet.curves",
        "tasks.circuitnet.predictors",
        "tasks.circuitnet.network",
        "tasks.circuitnet.split",
        "tasks.circuitnet.dataset",
        "tasks.circuitnet.annotation",
        "tasks.circuitnet.names",
        "tasks.circuitnet.cache",
        "tasks.circuitnet.generated",
        "tasks.circuitnet.preprocess",
        "tasks.circuitnet.resize",
        "tasks.circuitnet.synth",
        "tasks.circuitnet.floorplan",
        "tasks.circuitnet.netlist",
        "tasks.circuitnet.rudy",
        "tasks.circuitnet.router",
        "tasks.circuitnet.route_kernels",
    ),
)
