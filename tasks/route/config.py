"""Every setting of the task. Names and defaults of the seed's options are kept as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from core.contract import TaskConfig, protocol, site


def _points(value: Any) -> Any:
    """`1200,800` or `1200 800; 90,70` or [[1200, 800]] as a list of (y, x)."""
    if isinstance(value, (list, tuple)):
        return [value] if value and isinstance(value[0], (int, float)) else value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not two numbers: write y,x")
    pairs = [re.split(r"[,\s]+", part.strip()) for part in value.split(";") if part.strip()]
    odd = [" ".join(p) for p in pairs if len(p) != 2]
    if odd:
        raise ValueError(f"'{odd[0]}' is not two numbers: write y,x")
    return pairs


Point = tuple[int, int]  # y, x in pixels of the image, from the top left
Points = Annotated[tuple[Point, ...], BeforeValidator(_points)]


class RouteConfig(TaskConfig):
    """What a route run can be told. With `tif` it works on one whole image, else on a data set."""

    # data set: patches for training, whole regions for measuring
    data_root: Path | None = Field(
        None, description="Folder <city>/<region>/...; empty: cities are generated"
    )
    cities: int = protocol(4, ge=2, le=64, description="Generated cities; the split is by city")
    regions: int = protocol(1, ge=1, le=64, description="Generated regions of each city")
    city_size: int = protocol(768, ge=96, le=8192, description="Side of a generated region, pixels")
    city_pitch: float = protocol(150, ge=24, le=600, description="Block size of generated cities")
    city_seed: int = protocol(0, ge=0, description="Which generated cities")
    width_scale: float = protocol(1.0, gt=0.1, le=4, description="Generated roads: width")
    occlusion: float = protocol(0.3, ge=0, le=1, description="Generated trees that may hide roads")
    val_fraction: float = protocol(0.1, gt=0, lt=1, description="Share of cities held out")
    npz_variant: Literal["p20", "p50"] = protocol("p20", description="Which distance file")
    val_cases: int = protocol(
        8, ge=1, description="Cases of each held-out region, with all their targets"
    )
    preload_to_ram: bool = site(False, description="As in the seed; regions are always kept")
    samples_per_region: int = site(
        10,
        ge=1,
        description="The seed's; without effect: steps are counted here, not epochs of samples",
    )
    num_workers: int = site(0, ge=0, description="As in the seed; nothing is read while training")
    crop: int = Field(256, ge=32, multiple_of=16, description="Side of training crops, pixels")
    batch_size: int = Field(2, ge=1, description="Routing: patches in a step")
    roi_patch: int = Field(512, ge=64, multiple_of=16, description="Routing: side of the patch")
    roi_margin: int = Field(64, ge=0, description="Routing: room around source and targets")
    min_in_patch: int = Field(2, ge=1, description="Routing: other nodes that a patch must hold")

    # one whole image
    image: Literal["none", "city", "vegas"] = protocol(
        "none", description="Without tif: a generated city, or the bundled SpaceNet sample"
    )
    tif: Path | None = Field(None, description="GeoTIFF; its presence selects the whole-image mode")
    npz: Path | None = Field(None, description="Distance file; empty: beside the tif")
    mask: Path | None = Field(None, description="Road mask; empty: roadnet_<key>.png by the tif")
    bands: tuple[int, int, int] | None = protocol(None, description="Bands for R,G,B, from 0")
    stretch: Literal["percentile", "none"] = protocol(
        "percentile", description="More than 8 bits: 2nd to 98th percentile, or refuse"
    )
    allow_size_mismatch: bool = protocol(False, description="NPZ made for another image size")
    sample_from_npz: bool = protocol(False, description="Source, targets and truth from the NPZ")
    p_count: int = protocol(20, ge=2, description="distance_dataset_all_<key>_p<p_count>.npz")
    case_idx: int = protocol(0, ge=0, description="Case of the NPZ")
    k_targets: int = protocol(4, ge=1, description="Targets of one source")
    min_gt_dist_px: float = protocol(50, ge=0, description="Nearer pairs are not sampled")
    pair_mode: Literal["nearest", "random", "far", "stratified"] = protocol(
        "nearest", description="Which targets of an anchor"
    )
    snap: bool = protocol(False, description="Move nodes off the road to the best pixel near")
    snap_win: int = protocol(10, ge=1, description="Snap: radius, pixels")
    snap_threshold: float = protocol(0.1, ge=0, le=1, description="Snap: below this probability")
    src: Points = protocol((), description="Source y,x in pixels from the top left")
    tgt: Points = protocol((), description="Targets y,x; several as 'y,x; y,x'")
    min_point_prob: float = protocol(0.02, ge=0, le=1, description="A point below it: warning")
    strict_points: bool = protocol(False, description="... is an error instead")

    # segmentation
    model: Literal["unet", "segformer", "samroad", "mask"] = Field(
        "unet", description="Network, or the true mask as probability"
    )
    ckpt: Path | None = Field(None, description="Weights: a run's checkpoint, or SAM-Road's")
    width: int = Field(16, ge=4, le=64, description="U-Net: channels of its first level")
    mask_noise: float = Field(0.0, ge=0, le=1, description="mask: how far it is degraded")
    patch: int = Field(
        512, ge=32, multiple_of=16, description="Side of a window; SAM-Road: read from its file"
    )
    stride: int = Field(256, ge=1, description="Step of the sliding windows, pixels")
    smooth_sigma: float = Field(0, ge=0, le=50, description="Blur of the whole map, pixels")
    tta: Literal["none", "flip"] = Field("none", description="Mean over mirrored windows")
    infer_batch: int = site(4, ge=1, description="Windows at once")
    cached_features: bool = Field(
        False, description="samroad: decode samroad_feat_full_*.npy instead of encoding the image"
    )
    cache_prob: Path | None = Field(None, description="Keep the map as .npy with a .json beside it")
    cache_policy: Literal["check", "trust", "error"] = site(
        "check", description="A cached map of another image or model: renew, take, refuse"
    )
    seg_steps: int = Field(240, ge=0, description="Steps of segmentation training")
    seg_lr: float = Field(3e-3, gt=0, le=1, description="Peak of the one-cycle rate")
    seg_batch: int = Field(4, ge=1, description="Crops in a step")
    pos_weight: float = Field(3.0, gt=0, description="BCE: weight of road pixels")
    dice: float = Field(0.5, ge=0, le=1, description="Share of Dice beside BCE")
    focal: float = Field(0.0, ge=0, le=5, description="BCE: exponent of focal loss; 0: plain")
    thin_target: bool = Field(False, description="Dice against roadnet_skeleton*.png")
    thin_boost: float = Field(5.0, ge=1, description="thin_target: BCE weight of centre lines")
    val_every: int = Field(80, ge=1, description="Steps between validations")

    # grid and cost
    downsample: int = Field(4, ge=1, le=64, description="Pixels of a cell's side")
    pool: Literal["max", "mean", "min_cost"] = Field("max", description="Pixels to a cell")
    endpoint: Literal["cell", "offset"] = Field(
        "cell", description="offset: reports also give T at the target's pixel, not its cell's"
    )
    cost_mode: Literal["add", "exp"] = Field("add", description="Form of the cost")
    alpha: float = Field(20, gt=5, lt=100, description="add: cost of no road")
    gamma: float = Field(2, gt=0.5, lt=4, description="add: power of 1 - p")
    block: float = Field(0, ge=0, description="add: height of the step at block_th")
    block_th: float = Field(0.05, ge=0, le=1, description="add: where the step lies")
    block_k: float = Field(50, gt=0, description="add: how steep it is")
    cost_net: Literal["none", "basic", "multiscale"] = Field("none", description="Residual cost")
    cost_net_edges: bool = Field(False, description="cost_net: sees the map's edges too")
    cost_net_coords: bool = Field(False, description="cost_net: sees where a cell lies")
    cost_net_gated: bool = Field(False, description="cost_net: scaled by a gate of each cell")
    learn_block: bool = Field(
        False, description="Learn block (5..200) and block_th (0.01..0.3), from these"
    )
    learn_cost: bool = Field(True, description="Learn alpha and gamma")
    prob_eps: float = Field(1e-6, gt=0, lt=0.1, description="Probability is kept this far from 0")

    # solver
    solver: Literal["exact", "sweep"] = Field("exact", description="sweep: the seed's iterations")
    stencil: Literal[8, 4] = Field(8, description="Neighbours of the exact solver")
    early_stop: bool = Field(True, description="Stop when the targets are settled; exact")
    eik_iters: int = Field(200, ge=1, description="sweep: iterations")
    eik_mode: Literal["soft_train", "ste_train", "hard_eval"] = Field(
        "soft_train", description="sweep: kind of minimum"
    )
    gate_alpha: float = Field(0.8, gt=0, le=1, description="sweep: damping")
    ckpt_chunk: int = Field(10, ge=1, description="sweep: iterations between activations kept")
    large_val: float = Field(1e4, gt=0, description="Reported for a target out of reach")
    multigrid: bool = Field(False, description="Coarse solve first")
    mg_factor: int = Field(4, ge=2, le=32, description="Fine cells of a coarse one")
    mg_iters_coarse: int = Field(0, ge=0, description="sweep: 0 is automatic")
    mg_iters_fine: int = Field(0, ge=0, description="sweep: 0 is automatic")
    mg_detach_coarse: bool = Field(False, description="sweep: no gradient through the coarse T")
    mg_interp: Literal["bilinear", "nearest"] = Field(
        "bilinear", description="sweep: coarse to fine"
    )
    mg_fine_monotone: bool = Field(False, description="sweep: T only falls")
    tube_roi: bool = Field(False, description="Fine solve in a tube around the coarse path")
    tube_shape: Literal["bbox", "corridor"] = Field("bbox", description="Box, or dilated path")
    tube_min_pc: int = Field(256, ge=1, description="Smaller grids get no tube")
    tube_radius_c: int = Field(8, ge=0, description="Room around the path, coarse cells")
    tube_pad_c: int = Field(4, ge=0, description="More of it")
    tube_max_area_ratio: float = Field(0.9, gt=0, le=1, description="Larger tubes are not worth it")
    tube_min_side: int = Field(16, ge=1, description="Smallest side, fine cells")
    tube_iters_floor_full: bool = Field(True, description="sweep: iterations for the whole grid")
    tube_fallback: Literal["full", "none"] = Field(
        "full", description="Targets outside the tube: solve again, or report large_val"
    )
    tube_verify: bool = Field(False, description="Solve the whole grid too and report the gap")

    # distance and loss
    gate: float = Field(0.8, gt=0.3, le=1, description="Share of T beside Euclid's distance")
    learn_gate: bool = Field(True, description="Learn the gate")
    gate_form: Literal["smooth", "clamp"] = Field("smooth", description="clamp: as the seed")
    steps: int = Field(1, ge=0, le=100_000, description="Steps that learn from distances")
    lr: float = Field(1e-4, gt=0, le=10, description="Rate of alpha, gamma, gate, cost net")
    lr_prob: float = Field(1e-2, gt=0, le=10, description="Rate of the probability map")
    optimise_prob: bool = Field(False, description="Learn the probability map itself")
    optimize_prob: bool = Field(False, description="The same, as the seed spells it")
    prob_param: Literal["logit", "direct"] = Field("logit", description="What is learned of it")
    w_prox: float = Field(0.0, ge=0, description="Keeps a learned map near the network's")
    w_rough: float = Field(0.0, ge=0, description="Keeps a learned map's change smooth")
    w_cost_net: float = Field(0.0, ge=0, description="Keeps the cost net's change small")
    w_cost_net_tv: float = Field(0.0, ge=0, description="... and smooth")
    cap_mode: Literal["tanh", "clamp", "log", "none"] = Field(
        "tanh", description="Of far distances"
    )
    cap_mult: float = Field(10, gt=0, description="Cap in units of cap_norm")
    cap_norm: float = Field(512, gt=0, description="Unit of the loss, pixels")
    cap_gt: bool = Field(True, description="Cap the truth too, so that the loss can be 0")
    huber_delta: float = Field(2.0, gt=0, description="Where Huber turns linear")
    lambda_seg: float = Field(1.0, ge=0, description="Weight of segmentation, where it is trained")
    lambda_dist: float = Field(1.0, ge=0, description="Weight of the distance loss")
    lambda_field: float = Field(
        0.0, ge=0, description="Weight of T against the teacher's T on the true road, all of it"
    )
    freeze_encoder: bool = Field(True, description="Distances do not train the network")
    teacher_hard_eval: bool = protocol(False, description="Truth by the exact solver")
    teacher_iters: int = protocol(600, ge=1, description="As in the seed; the teacher is exact")
    teacher_ds: int = protocol(0, ge=0, description="Teacher's downsample; 0: the student's")
    teacher_stencil: Literal[0, 4, 8] = protocol(0, description="0: the student's")
    teacher_alpha: float = protocol(20, gt=5, lt=100, description="Teacher's own cost")
    teacher_gamma: float = protocol(2, gt=0.5, lt=4, description="Teacher's own cost")

    # pictures and reports
    vis_full_route: bool = Field(False, description="Full-size overlays before and after")
    vis_ds: int = Field(4, ge=1, description="Grid of the drawn paths")
    vis_iters: int = Field(600, ge=1, description="As in the seed; drawn paths are exact")
    save_debug: Path | None = Field(None, description="A second copy of the reports and overlays")
    profile_time: bool = site(False, description="Print the timing table")

    @model_validator(mode="after")
    def _fits(self) -> RouteConfig:
        if len(self.src) > 1:
            raise ValueError(f"src is one point, got {len(self.src)}")
        if bool(self.src) != bool(self.tgt):
            raise ValueError("src and tgt go together")
        if self.src and self.sample_from_npz:
            raise ValueError("give points by src and tgt, or by sample_from_npz, not both")
        if self.src and not self.whole:
            raise ValueError("src and tgt are points of an image: give tif, or image")
        if self.whole and not self.src and not self.sample_from_npz:
            raise ValueError("give src and tgt (y,x), or sample_from_npz=true")
        if self.whole and self.src and self.steps and not self.teacher_hard_eval:
            raise ValueError(
                "points given by hand have no truth to learn from: "
                "steps=0, or teacher_hard_eval=true, or sample_from_npz=true"
            )
        if self.teacher_hard_eval and not self.whole:
            raise ValueError("teacher_hard_eval works on one image: give tif, or image")
        if self.cache_prob and not self.whole:
            raise ValueError("cache_prob keeps the map of one image: give tif, or image")
        if self.model == "samroad" and self.ckpt is None:
            raise ValueError("model=samroad needs ckpt")
        if self.cached_features and self.model != "samroad":
            raise ValueError("cached_features are SAM-Road's: give model=samroad")
        if self.cached_features and (self.seg_training or not self.freeze_encoder):
            raise ValueError(
                "cached_features are those of an encoder that stays: seg_steps=0, freeze_encoder"
            )
        if self.learn_block and not (5 < self.block < 200 and 0.01 < self.block_th < 0.3):
            raise ValueError("learn_block starts inside 5 < block < 200, 0.01 < block_th < 0.3")
        if self.learn_block and self.cost_mode != "add":
            raise ValueError("learn_block is of cost_mode=add")
        if self.tube_roi and not self.multigrid:
            raise ValueError("tube_roi needs multigrid: the tube follows the coarse path")
        return self

    @property
    def whole(self) -> bool:
        """Whether the run works on one whole image."""
        return self.tif is not None or self.image != "none"

    @property
    def learns_prob(self) -> bool:
        """Whether the probability map is learned."""
        return self.whole and (self.optimise_prob or self.optimize_prob)

    @property
    def learns_field(self) -> bool:
        """Whether the whole field is compared, and not the distances alone."""
        return self.lambda_field > 0 and self.steps > 0

    @property
    def learns_cost(self) -> bool:
        """Whether a cost net is trained."""
        return self.cost_net != "none" and self.steps > 0

    @property
    def seg_training(self) -> int:
        """Steps of segmentation training: none on one image or with a mask. SAM is trained on."""
        given = self.ckpt is not None and self.model != "samroad"  # raw SAM has no decoder yet
        return 0 if self.whole or given or self.model == "mask" else self.seg_steps

    @property
    def total_steps(self) -> int:
        """Segmentation comes first, distances last; they overlap in the last `steps`."""
        return max(self.seg_training, self.steps)
