"""Whole-image road routing: segmentation, a differentiable Eikonal solver, distances that train."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.contract import Checkpoints, Criterion, Loss, Metric, Model, Space, Task, Variant
from tasks.route.config import RouteConfig

SAMPLE = Path(__file__).parent / "sample"


def inputs(cfg: RouteConfig) -> Mapping[str, Path]:
    """Files that a config reads; generated cities are made from the config alone."""
    given = {"data": cfg.data_root, "tif": cfg.tif, "npz": cfg.npz, "mask": cfg.mask}
    given["ckpt"] = cfg.ckpt
    if cfg.tif is None and cfg.image == "vegas":
        given["sample"] = SAMPLE / "spacenet" / "vegas_img0"
    if cfg.tif is not None:
        key = cfg.tif.stem.removeprefix("crop_").removesuffix("_z16")
        beside = {
            "npz": f"distance_dataset_all_{key}_p{cfg.p_count}.npz",
            "mask": f"roadnet_{key}.png",
        }
        for name, file in beside.items():
            if given[name] is None and (cfg.tif.parent / file).exists():
                given[name] = cfg.tif.parent / file
    return {name: path for name, path in given.items() if path is not None}


task = Task[RouteConfig](
    name="route",
    title="Whole-image road routing with a differentiable Eikonal solver",
    version=1,
    config=RouteConfig,
    work="tasks.route.work",
    preload=("scipy.ndimage", "scipy.spatial", "scipy.stats", "PIL.ImageDraw"),
    inputs=inputs,
    models=(
        Model(
            name="unet",
            make="tasks.route.models.unet:UNet",
            doc="U-Net at half resolution: 338,452 parameters at width 16",
        ),
        Model(
            name="segformer",
            make="tasks.route.models.segformer:Segformer",
            doc="SegFormer from scratch, depths 2-2-2-2",
        ),
    ),
    losses=(
        Loss(
            name="seg",
            weight="lambda_seg",
            when="seg_steps",
            formula="(1 - dice) BCE(pos_weight) + dice (1 - Dice)",
            source="SAM-Road's mask loss",
        ),
    ),
    metrics=(
        Metric(name="road_f1", unit="1", direction="max", doc="road pixels at 0.5, harmonic mean"),
        Metric(name="road_iou", unit="1", direction="max", doc="road pixels at 0.5"),
        Metric(name="road_precision", unit="1", direction="max", doc="road pixels at 0.5"),
        Metric(name="road_recall", unit="1", direction="max", doc="road pixels at 0.5"),
        Metric(
            name="nonfinite_steps", unit="1", direction="min", doc="steps without a usable loss"
        ),
    ),
    primary="road_f1",
    criteria=(
        Criterion(name="roads found", metric="road_f1", at_least=0.85),
        Criterion(name="no NaN", metric="nonfinite_steps", at_most=0),
    ),
    variants=(
        Variant(name="baseline", why="the compact U-Net on generated cities"),
        Variant(name="mask", set={"model": "mask"}, why="the true mask as probability"),
        Variant(name="segformer", set={"model": "segformer"}, why="attention instead of a U-Net"),
    ),
    search={
        "seg_lr": Space(low=1e-5, high=1e-1, log=True),
        "width": Space(choices=(12, 16, 24, 32)),
        "pos_weight": Space(low=1.0, high=15.0),
        "dice": Space(low=0.0, high=1.0),
        "smooth_sigma": Space(low=0.0, high=3.0),
    },
    checkpoints=Checkpoints(best_by="road_f1"),
    tiny={
        "city_size": 160,
        "city_pitch": 48,
        "width_scale": 2,
        "cities": 2,
        "crop": 64,
        "seg_batch": 2,
        "seg_steps": 4,
        "steps": 3,
        "val_every": 2,
        "width": 4,
        "patch": 96,
        "stride": 64,
        "min_gt_dist_px": 20,
    },
    evaluator=("tasks.route.work", "tasks.route.metrics", "tasks.route.segment"),
)
