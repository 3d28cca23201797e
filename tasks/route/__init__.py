"""Whole-image road routing: segmentation, a differentiable Eikonal solver, distances that train."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.contract import Checkpoints, Loss, Model, Task
from tasks.route.config import RouteConfig
from tasks.route.sheet import CRITERIA, METRICS, SEARCH, VARIANTS

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
        if cfg.cached_features:
            beside_it = sorted(cfg.tif.parent.glob("samroad_feat_full_*.npy"))
            given["features"] = beside_it[0] if beside_it else None
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
            name="samroad",
            make="tasks.route.models.samroad:SamRoad",
            doc="SAM ViT encoder and up-sampling decoder; loads SAM-Road files",
        ),
        Model(
            name="router",
            make="tasks.route.routing:Router",
            doc="what turns probability into distance: alpha, gamma, gate, perhaps a cost net",
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
            when="seg_training",
            formula="(1 - dice) BCE(pos_weight, focal) + dice (1 - Dice), Dice thick or thin",
            source="R4.6; SAM-Road's mask loss",
        ),
        Loss(
            name="dist",
            weight="lambda_dist",
            when="steps",
            formula="mean Huber(cap(d + g (T - d)) - cap(gt)), in units of cap_norm",
            source="seed 000, step 4",
        ),
        Loss(
            name="field",
            weight="lambda_field",
            when="learns_field",
            formula="mean Huber(cap(T) - cap(T*)) over true road, T* the teacher's on the truth",
            source="R4.6, dense field",
        ),
        Loss(
            name="prox",
            weight="w_prox",
            when="learns_prob",
            formula="mean (p - p0)^2 of a learned map",
            source="R4.7",
        ),
        Loss(
            name="rough",
            weight="w_rough",
            when="learns_prob",
            formula="total variation of p - p0, down plus across",
            source="R4.7",
        ),
        Loss(
            name="cost_net",
            weight="w_cost_net",
            when="learns_cost",
            formula="mean d^2 + (mean d)^2, d the network's part of log c",
            source="R4.2",
        ),
        Loss(
            name="cost_net_tv",
            weight="w_cost_net_tv",
            when="learns_cost",
            formula="total variation of d",
            source="R4.2",
        ),
    ),
    metrics=METRICS,
    primary="dist_mre",
    criteria=CRITERIA,
    variants=VARIANTS,
    search=SEARCH,
    checkpoints=Checkpoints(best_by="val_dist_mre"),
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
        "roi_patch": 96,
        "roi_margin": 8,
        "val_cases": 2,
        "tube_min_pc": 16,
        "tube_radius_c": 1,
        "tube_pad_c": 0,
        "eik_iters": 40,
    },
    tools={
        "synth": "tasks.route.tools:synth",
        "import_lines": "tasks.route.tools:import_lines",
        "convert_ckpt": "tasks.route.tools:convert_ckpt",
        "gradcheck": "tasks.route.tools:gradcheck",
    },
    evaluator=(
        "tasks.route.work",
        "tasks.route.measure",
        "tasks.route.metrics",
        "tasks.route.routing",
        "tasks.route.segment",
        "tasks.route.ways",
    ),
)
