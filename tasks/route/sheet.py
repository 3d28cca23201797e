"""The longer tables of the data sheet: metrics, criteria, variants, search space."""

from __future__ import annotations

from core.contract import Criterion, Metric, Space, Variant

JUDGED = "test"  # cities not trained on nor chosen by; or the one image in question


def _share(name: str, doc: str) -> Metric:
    return Metric(name=name, unit="1", direction="max", doc=doc, split=JUDGED)


def _error(name: str, unit: str, doc: str, split: str = JUDGED) -> Metric:
    return Metric(name=name, unit=unit, direction="min", doc=doc, split=split)


def _duration(name: str, unit: str, doc: str) -> Metric:
    return Metric(name=name, unit=unit, direction="min", doc=doc, split=JUDGED, timing=True)


METRICS = (
    _share("road_f1", "road pixels at 0.5, harmonic mean of the two below"),
    _share("road_iou", "road pixels at 0.5"),
    _share("road_precision", "road pixels at 0.5"),
    _share("road_recall", "road pixels at 0.5"),
    _error("dist_mae_px", "px", "mean |predicted - true| distance"),
    _error("dist_mre", "1", "mean |predicted - true| / true"),
    _error("val_dist_mre", "1", "dist_mre where the checkpoint is chosen", "val"),
    _error("dist_bias", "1", "mean (predicted - true) / true; best at 0"),
    _error("euclid_mae_px", "px", "the straight line's dist_mae_px"),
    _error("euclid_mre", "1", "the straight line's dist_mre"),
    _error("euclid_bias", "1", "the straight line's dist_bias"),
    _error("mre_ratio", "1", "dist_mre / euclid_mre"),
    _share("reach_rate", "targets with a finite travel time"),
    _share("spearman", "rank correlation of a source's targets, mean"),
    _share("spearman_adv", "... more than the straight line's"),
    _share("kendall", "Kendall's tau of a source's targets, mean"),
    _share("kendall_adv", "... more than the straight line's"),
    _share("pairwise_acc", "pairs of targets put in the right order"),
    _share("pairwise_acc_adv", "... more than the straight line's"),
    _share("top1_acc", "nearest target named"),
    _share("top1_acc_adv", "... more than the straight line's"),
    _share("path_on_road", "length of the paths on the true road"),
    _share("apls", "similarity of path lengths on the map and on the true roads"),
    _error("loss_dist_start", "1", "distance loss before learning"),
    _error("loss_dist", "1", "distance loss of the judged checkpoint"),
    _share("loss_drop", "1 - loss_dist / loss_dist_start"),
    _error("sat_ratio", "1", "predictions beyond the cap"),
    _error("tube_gap", "1", "largest excess of the tube's T over the whole grid's"),
    _error("tube_area", "1", "cells of the tube / cells of the grid"),
    _error("tube_oob", "1", "targets outside the tube"),
    _error("visited_ratio", "1", "cells that the solver went to / cells of the grid"),
    _duration("solve_ms", "ms", "one question: pool, cost, solve, gate; median of 5"),
    _duration("backward_ms", "ms", "its gradient; median of 5"),
    _duration("segment_s", "s", "probability maps of all that is measured"),
    _duration("peak_rss_mib", "MiB", "most memory that the process held"),
    _error("nonfinite_steps", "1", "steps without a usable loss or gradient", "train"),
)

CRITERIA = (
    Criterion(name="roads found", metric="road_f1", at_least=0.85),
    Criterion(name="distances right", metric="dist_mre", at_most=0.10),
    Criterion(name="beats the line", metric="mre_ratio", at_most=0.25),
    Criterion(name="all reached", metric="reach_rate", at_least=1.0),
    Criterion(name="not saturated", metric="sat_ratio", at_most=0.0),
    Criterion(name="no NaN", metric="nonfinite_steps", at_most=0),
)

_IMAGE = {"image": "city", "sample_from_npz": True}
_MASK = {"model": "mask"}
_TUBE = {"multigrid": True, "tube_roi": True}
_SWEEP = {"solver": "sweep", "stencil": 4}

VARIANTS = (
    Variant(name="baseline", why="the compact U-Net on generated cities, exact solver"),
    Variant(
        name="learned",
        set={"steps": 40, "lr": 0.05},
        why="distances of training cities teach alpha, gamma and gate",
    ),
    Variant(
        name="ungated",
        set={"gate": 1.0, "learn_gate": False},
        why="travel times alone: the line pulls distances of good maps down",
    ),
    Variant(
        name="ungated_mean",
        set={"gate": 1.0, "learn_gate": False, "pool": "mean"},
        why="... on cells of their mean: roads keep their width, corners their length",
    ),
    Variant(name="mask", set=_MASK, why="the true mask as probability: the router alone"),
    Variant(name="segformer", set={"model": "segformer"}, why="attention in place of the U-Net"),
    Variant(
        name="seed_parity",
        set={**_MASK, **_SWEEP, "eik_mode": "hard_eval"},
        why="the seed's solver: a fixed number of sweeps",
    ),
    Variant(name="stencil4", set={**_MASK, "stencil": 4}, why="the seed's stencil, solved exactly"),
    Variant(name="multigrid", set={**_MASK, "multigrid": True}, why="a coarse solve, no tube"),
    Variant(name="tube", set={**_MASK, **_TUBE}, why="the seed's box around the coarse path"),
    Variant(
        name="tube_corridor", set={**_MASK, **_TUBE, "tube_shape": "corridor"}, why="dilated path"
    ),
    *(
        Variant(name=f"mg{n}", set={**_MASK, **_TUBE, "mg_factor": n}, why="how coarse")
        for n in (2, 8)
    ),
    *(
        Variant(name=f"ds{n}", set={**_MASK, "downsample": n}, why="how fine the grid is")
        for n in (1, 2, 8)
    ),
    Variant(
        name="floor_full",
        set={**_MASK, **_SWEEP, **_TUBE, "eik_mode": "hard_eval"},
        why="sweeps in a tube: iterations for the whole grid",
    ),
    Variant(
        name="floor_tube",
        set={**_MASK, **_SWEEP, **_TUBE, "eik_mode": "hard_eval", "tube_iters_floor_full": False},
        why="... or for the tube alone",
    ),
    Variant(name="sweep_soft", set={**_MASK, **_SWEEP}, why="a smooth minimum: no fixed point"),
    Variant(
        name="sweep_ste",
        set={**_MASK, **_SWEEP, "eik_mode": "ste_train"},
        why="hard values, soft gradients",
    ),
    Variant(name="early_stop_off", set={**_MASK, "early_stop": False}, why="solve everything"),
    Variant(
        name="gate_off", set={**_MASK, "gate": 1.0, "learn_gate": False}, why="T alone, no line"
    ),
    Variant(
        name="gate_fixed", set={**_MASK, "learn_gate": False}, why="the gate stays at its start"
    ),
    Variant(name="pool_mean", set={**_MASK, "pool": "mean"}, why="cells by their mean"),
    Variant(name="pool_min_cost", set={**_MASK, "pool": "min_cost"}, why="cells by their cheapest"),
    Variant(
        name="cost_exp",
        set={**_MASK, "cost_mode": "exp", "gamma": 3.0},
        why="the origin's first cost",
    ),
    Variant(name="block", set={**_MASK, "block": 50.0}, why="a step at no road, as in patches"),
    Variant(
        name="cost_net",
        set={**_MASK, "cost_net": "basic", "w_cost_net": 0.1},
        why="a small network corrects the cost",
    ),
    Variant(
        name="cost_net_smooth",
        set={**_MASK, "cost_net": "basic", "w_cost_net": 0.1, "w_cost_net_tv": 0.1},
        why="... without jumps from cell to cell",
    ),
    Variant(
        name="field",
        set={"lambda_field": 0.5},
        why="all of T on true road teaches, not the targets alone",
    ),
    *(
        Variant(name=f"cap_{how}", set={**_MASK, "cap_mode": how}, why="what far distances count")
        for how in ("clamp", "log", "none")
    ),
    Variant(
        name="sharp",
        set={"alpha": 50.0, "gamma": 2.0, "gate": 1.0},
        why="best on true masks in the origin, worse than the line on its predictions",
    ),
    Variant(name="joint", set={"freeze_encoder": False}, why="distances train the network as well"),
    Variant(
        name="optimise_prob",
        set={
            **_IMAGE,
            **_MASK,
            "mask_noise": 0.7,
            "optimise_prob": True,
            "w_prox": 0.1,
            "steps": 50,
        },
        why="distances alone correct the map of one image",
    ),
    Variant(
        name="optimise_smooth",
        set={**_IMAGE, **_MASK, "mask_noise": 0.7, "optimise_prob": True, "w_rough": 0.1},
        why="... smoothly",
    ),
    Variant(
        name="optimise_direct",
        set={**_IMAGE, **_MASK, "mask_noise": 0.7, "optimize_prob": True, "prob_param": "direct"},
        why="the seed's parametrisation",
    ),
    Variant(
        name="teacher",
        set={**_IMAGE, **_MASK, "teacher_hard_eval": True, "gate": 1.0},
        why="the exact solver as truth: an unchanged student starts at 0",
    ),
    Variant(
        name="teacher_vis_ds",
        set={**_IMAGE, **_MASK, "teacher_hard_eval": True, "gate": 1.0, "teacher_ds": 2},
        why="truth from another grid, as in the origin: a perfect model has a loss",
    ),
)

SEARCH = {
    "alpha": Space(low=5.5, high=99.0, log=True),
    "gamma": Space(low=0.55, high=3.9),
    "gate": Space(low=0.31, high=1.0),
    "downsample": Space(choices=(2, 4, 8, 12, 16, 24)),
    "stencil": Space(choices=(4, 8)),
    "pool": Space(choices=("max", "mean")),
    "mg_factor": Space(choices=(2, 4, 8)),  # these two count with multigrid and tube_roi
    "tube_radius_c": Space(low=2, high=16),
    "block": Space(choices=(0.0, 5.0, 15.0, 50.0, 200.0)),  # none, or by its order of size
    "block_th": Space(low=0.01, high=0.3),
    "smooth_sigma": Space(low=0.0, high=3.0),
    "cap_mode": Space(choices=("tanh", "clamp", "log", "none")),
    "lr": Space(low=1e-5, high=1e-1, log=True),
    "lambda_seg": Space(low=0.0, high=2.0),
    "lambda_dist": Space(low=0.01, high=1.0, log=True),
    "lambda_field": Space(low=0.0, high=1.0),
    "width": Space(choices=(12, 16, 24, 32)),
    "pos_weight": Space(low=1.0, high=15.0, log=True),
    "dice": Space(low=0.0, high=1.0),
}
