from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from tasks.route import inputs, routing, task, work
from tasks.route.config import RouteConfig
from tasks.route.model import Model
from tasks.route.regions import SAMPLE
from tests.route.conftest import MakeRun, config

# The options of the seed's script and of the spec's table, as their users type them.
SEED = """ckpt tif stride smooth_sigma cache_prob npz p_count case_idx sample_from_npz
min_gt_dist_px k_targets src tgt teacher_hard_eval teacher_iters vis_full_route vis_ds
vis_iters optimize_prob optimise_prob prob_eps downsample eik_iters eik_mode solver
stencil gate_alpha multigrid mg_factor mg_iters_coarse mg_iters_fine mg_detach_coarse
mg_interp mg_fine_monotone tube_roi tube_min_pc tube_radius_c tube_pad_c
tube_max_area_ratio tube_min_side tube_iters_floor_full tube_shape large_val steps lr
cap_mode cap_mult lambda_seg lambda_dist freeze_encoder data_root batch_size num_workers
npz_variant samples_per_region preload_to_ram roi_margin save_debug profile_time"""


def test_every_option_of_the_seed_is_a_field_of_the_same_name() -> None:
    assert not set(SEED.split()) - set(RouteConfig.model_fields)


def test_defaults_of_the_seed() -> None:
    cfg = config(steps=1)
    plain = RouteConfig()
    assert (plain.stride, plain.downsample, plain.p_count, plain.k_targets) == (256, 4, 20, 4)
    assert (plain.mg_factor, plain.tube_radius_c, plain.tube_pad_c) == (4, 8, 4)
    assert (plain.cap_mult, plain.cap_norm, plain.gate, plain.large_val) == (10, 512, 0.8, 1e4)
    assert (plain.alpha, plain.gamma, plain.lr, plain.steps) == (20, 2, 1e-4, 1)
    assert cfg.steps == 1


def test_the_full_floor_is_a_real_boolean_and_on() -> None:
    """Defect 12 of the origin: a store-true flag, documented as on, was off."""
    assert RouteConfig().tube_iters_floor_full is True
    assert config(tube_iters_floor_full=False).tube_iters_floor_full is False


@pytest.mark.parametrize(
    "given", ["12,30; 5,6", "12 30;5 6", [[12, 30], [5, 6]], ((12, 30), (5, 6))]
)
def test_points_may_be_written_in_several_ways(given: object) -> None:
    cfg = config(image="city", model="mask", src="1,2", tgt=given, steps=0)
    assert cfg.tgt == ((12, 30), (5, 6))
    assert config(image="city", model="mask", src=[1, 2], tgt="1,2", steps=0).src == ((1, 2),)


@pytest.mark.parametrize("given", [12, 1.5, "12", "1,2,3", True, None])
def test_what_is_no_point_is_refused_in_one_line(given: object) -> None:
    """`-o src=12` reaches the config as a number."""
    with pytest.raises(ValidationError, match="is not two numbers: write y,x"):
        config(image="city", model="mask", src=given, tgt="3,4", steps=0)


def test_inputs_name_what_a_run_reads() -> None:
    assert inputs(RouteConfig()) == {}
    vegas = config(image="vegas", model="mask", sample_from_npz=True)
    assert inputs(vegas) == {"sample": SAMPLE.parent}
    own = config(tif=SAMPLE, model="mask", sample_from_npz=True, p_count=50)
    assert {p.name for p in inputs(own).values()} == {
        "crop_vegas_img0.tif",
        "distance_dataset_all_vegas_img0_p50.npz",
        "roadnet_vegas_img0.png",
    }


def test_sam_trains_on_but_other_given_weights_do_not(tmp_path: Path) -> None:
    ckpt = tmp_path / "a.ckpt"
    assert config().seg_training == config(model="samroad", ckpt=ckpt).seg_training == 4
    assert config(ckpt=ckpt).seg_training == config(model="mask").seg_training == 0


def test_a_typo_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        config(tube_radius=3)


def test_the_seeds_ablations_are_variants() -> None:
    names = {v.name for v in task.variants}
    assert {"seed_parity", "stencil4", "tube", "mg2", "mg8", "ds2", "ds8", "gate_off"} <= names
    assert {"teacher", "optimise_prob", "floor_full", "floor_tube", "sweep_soft"} <= names


def test_the_exponential_cost_is_the_origins() -> None:
    """R4.2: P = 100, gamma 3, th 0.05."""
    (given,) = (v.set for v in task.variants if v.name == "cost_exp")
    cost = routing.Router(config(**given)).cost
    p = torch.tensor([[[0.0, 0.3, 0.7, 1.0]]], dtype=torch.float64)
    want = 100 ** ((1 - p) ** 3) * (1 + 9 / (1 + torch.exp(50 * (p - 0.05))))
    torch.testing.assert_close(cost(p), want, rtol=1e-4, atol=0)


def test_metrics_are_named_after_the_data_that_they_are_measured_on(make_run: MakeRun) -> None:
    """The judged cities decide them; what chose the checkpoint or was trained on does not."""
    cfg = config(model="mask", seg_steps=0, steps=1, mask_noise=0.5)
    run = make_run(cfg)
    data = work.data(cfg, run)
    model = Model(torch.nn.Identity(), routing.Router(cfg), None, [])
    given = work.evaluate(cfg, model, data, run)
    alone = work.evaluate(cfg, model, data._replace(train=[], val=data.test), run)
    other = work.evaluate(cfg, model, data._replace(test=data.val), run)
    values = [
        m.name
        for m in task.metrics
        if not m.timing and m.name not in ("peak_rss_mib", "val_dist_mre")
    ]
    assert {n: alone[n] for n in values} == {n: given[n] for n in values}
    assert other["dist_mre"] == given["val_dist_mre"] != given["dist_mre"]
    judged = set(task.metrics) - {task.metric("nonfinite_steps"), task.metric("val_dist_mre")}
    assert {m.split for m in judged} == {"test"}


def test_the_search_space_is_the_specs() -> None:
    """R14, key by key."""
    assert set(task.search) == {
        *("alpha", "gamma", "gate", "downsample", "stencil", "pool", "mg_factor", "tube_radius_c"),
        *("block", "block_th", "smooth_sigma", "cap_mode", "lr", "lambda_seg", "lambda_dist"),
        *("lambda_field", "width", "pos_weight", "dice"),
    }
    for name, space in task.search.items():
        for value in space.choices or (space.low, space.high):
            config(**{name: value})
