"""The modes of the seed, end to end on small images, and the origin's defects that they had."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from core.contract import Absent
from core.errors import AssayError
from tasks.route import (
    geotiff,
    maps,
    measure,
    npz,
    overlay,
    pictures,
    regions,
    routing,
    scene,
    tools,
    work,
)
from tasks.route.config import RouteConfig
from tasks.route.model import Model
from tests.route.conftest import MakeRun, config

PLAN = regions.Plan(size=200, pitch=48, width_scale=2, width=260)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated region as files; H != W."""
    root = tmp_path_factory.mktemp("data")
    made, skeleton = regions.generate(PLAN, 5, "oslo/north")
    regions.write_region(made, skeleton, PLAN, 5, root)
    return root / "oslo" / "north" / "crop_oslo_north_z16.tif"


def image(tif: Path, **over: Any) -> RouteConfig:
    """A config of the whole-image mode with the true mask."""
    return config(tif=tif, model="mask", min_gt_dist_px=20, **over)


def go(cfg: RouteConfig, make_run: MakeRun) -> tuple[Model, dict[str, float | Absent], Path]:
    """All of a run: the model from disk, its metrics, the folder of pictures."""
    run = make_run(cfg)
    data = work.data(cfg, run)
    work.train(cfg, data, run)
    model = work.load(cfg, run.judged(), "cpu")
    metrics = work.evaluate(cfg, model, data, run)
    work.visualise(cfg, model, data, run.dir / "images", run)
    return model, metrics, run.dir


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def on_road(tif: Path) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """A node of the first case and two others."""
    cases = regions.open_region(tif).cases
    assert cases is not None
    far = np.argsort(-cases.dist[0, 0], kind="stable")[:2]
    nodes = [tuple(int(c) for c in cases.yx[0, i]) for i in (0, *far)]
    return nodes[0], nodes[1:]  # type: ignore[return-value]


def test_points_by_hand_and_no_steps(
    region: Path, make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The seed's first command. Defects 4 and 5: the origin reported no distance here."""
    src, tgt = on_road(region)
    cfg = image(
        region,
        src=f"{src[0]},{src[1]}",
        tgt="; ".join(f"{y} {x}" for y, x in tgt),
        steps=0,
        multigrid=True,
        tube_roi=True,
        vis_full_route=True,
        save_debug=tmp_path / "debug",
    )
    model, metrics, folder = go(cfg, make_run)
    report = json.loads((folder / "report.json").read_text())
    assert [t["reached"] for t in report["targets"]] == [True, True]
    cases = regions.open_region(region).cases
    assert cases is not None
    truth = np.sort(cases.dist[0, 0])[::-1][:2]
    for row, gt in zip(report["targets"], truth, strict=True):
        assert row["euclid_px"] < row["T"] < 1.3 * gt
        assert 0.7 * gt < row["pred_px"] < 1.3 * gt
    assert isinstance(metrics["dist_mre"], Absent)
    assert metrics["reach_rate"] == 1.0
    names = {p.name for p in (tmp_path / "debug").iterdir()}
    assert {"route_before.png", "route_after.png", "T_field.png", "report.json"} <= names
    assert size_of(tmp_path / "debug" / "route_after.png") == (260, 200)
    out = tmp_path / "out"
    made = work.infer(cfg, model, out, make_run(cfg, "infer"))
    assert {p.name for p in made} >= {"road_prob_full.npy", "route.png", "distances.json"}
    assert np.load(out / "road_prob_full.npy").shape == (200, 260)
    again = json.loads((out / "distances.json").read_text())["targets"]
    assert [t["pred_px"] for t in again] == [t["pred_px"] for t in report["targets"]]
    told = capsys.readouterr().err.splitlines()  # as the seed prints them, in log.txt too
    for k, row in enumerate(report["targets"], 1):
        place = f"route: target {k} at {row['y']},{row['x']}: {row['pred_px']:.0f} px"
        assert sum(line.startswith(place) for line in told) == 1
    (solve,) = (line for line in told if line.startswith("route: solve: backend numba, use_tube"))
    known = {k for k, v in report["solves"][0].items() if v not in (None, "")}
    assert all(f"{name} " in solve for name in known)


def test_the_report_notes_what_the_readers_had_to_say(
    region: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    cases = regions.open_region(region).cases
    assert cases is not None
    twice = npz.write(tmp_path / "d.npz", 2.0 * cases.yx, 2 * cases.dist, 400, 520)
    over = {"sample_from_npz": True, "npz": twice, "allow_size_mismatch": True, "k_targets": 2}
    _, _, folder = go(image(region, steps=0, **over), make_run)
    (note,) = json.loads((folder / "report.json").read_text())["notes"]
    assert note == "d.npz was made for 400x520, the image is 200x260"


def test_steps_on_true_distances(region: Path, make_run: MakeRun) -> None:
    """The seed's second command."""
    cfg = image(region, sample_from_npz=True, k_targets=3, steps=5, lr=0.05, pair_mode="far")
    model, metrics, _ = go(cfg, make_run)
    assert metrics["loss_dist"] < metrics["loss_dist_start"]
    assert model.router.values()["gate"] != pytest.approx(0.8, abs=1e-4)


def test_a_teacher_in_place_of_truth(region: Path, make_run: MakeRun) -> None:
    """The seed's third command. Defect 10: at gate 1 an unchanged student has nothing to learn."""
    src, tgt = on_road(region)
    points = {"src": [list(src)], "tgt": [list(t) for t in tgt]}
    same = image(region, **points, teacher_hard_eval=True, steps=1, gate=1.0)
    assert go(same, make_run)[1]["loss_dist_start"] < 1e-9
    other = same.model_copy(update={"teacher_alpha": 50.0, "mask_noise": 0.5})
    assert go(other, make_run)[1]["loss_dist_start"] > 1e-6
    grid = same.model_copy(update={"teacher_ds": 2})
    assert go(grid, make_run)[1]["loss_dist_start"] > 1e-7


def test_learning_the_map(region: Path, make_run: MakeRun) -> None:
    cfg = image(
        region,
        sample_from_npz=True,
        pair_mode="far",
        mask_noise=0.8,
        optimise_prob=True,
        steps=50,
        lr_prob=0.1,
        gate=1.0,
    )
    model, metrics, folder = go(cfg, make_run)
    assert metrics["loss_drop"] >= 0.5
    assert model.prob is not None
    change = model.prob.change()
    assert 0 < change.touched < 0.5 * 200 * 260  # the routes' surroundings alone
    said = json.loads((folder / "report.json").read_text())["map"]
    start, now = model.prob.start[0].numpy(), model.prob().detach()[0].numpy()
    moved = np.abs(now - start)[np.abs(now - start) > 1e-6]
    assert said["touched_px"] == moved.size
    assert said["mean_change"] == pytest.approx(moved.mean(), rel=1e-4)
    assert said["max_change"] == pytest.approx(moved.max(), rel=1e-4)
    assert said["p_along_ways_after"] != said["p_along_ways_before"]
    ways = json.loads((folder / "images" / "route_after_paths.geojson").read_text())["features"]
    at = np.rint(np.concatenate([w["geometry"]["coordinates"] for w in ways])).astype(int)
    cells = torch.nn.functional.max_pool2d(torch.from_numpy(now)[None], 4)[0].numpy()
    along = cells[np.minimum(at[:, 1] // 4, 49), np.minimum(at[:, 0] // 4, 64)]
    assert said["p_along_ways_after"] == pytest.approx(along.mean(), abs=0.05)
    assert (folder / "images" / "route_diff.png").exists()


def test_a_coarse_grid_larger_than_the_image_means_no_multigrid(region: Path) -> None:
    cfg = image(region, sample_from_npz=True, multigrid=True, tube_roi=True)
    opened = regions.open_region(region)
    assert opened.mask is not None
    prob = (opened.mask / 255).astype(np.float32)
    asked = scene.ask(cfg, opened, prob, 0)
    wide = cfg.model_copy(update={"downsample": 16, "mg_factor": 32})
    found = routing.answer(wide, routing.Router(wide), torch.from_numpy(prob), asked.query)
    plain = wide.model_copy(update={"multigrid": False, "tube_roi": False})
    alone = routing.answer(plain, routing.Router(plain), torch.from_numpy(prob), asked.query)
    assert "is below 8: no multigrid" in found.meta["reason_if_not"]
    assert torch.equal(found.T, alone.T)


def test_a_far_target_is_not_capped_silently() -> None:
    """Defect 3: large_val 1e4 capped T itself. A road of cost 21 x 3000 px is beyond it."""
    prob = np.zeros((12, 3000), np.float32)
    cfg = config(model="mask", gate=1.0, downsample=4)
    query = scene.sampling.by_hand((6, 2), [(6, 2990)], 12, 3000)
    with torch.no_grad():
        found = routing.answer(cfg, routing.Router(cfg), torch.from_numpy(prob), query)
    assert float(found.T[0]) == pytest.approx(21 * 2988, rel=0.01)
    assert float(found.pred[0]) > 1e4


def test_source_and_target_in_one_place(region: Path, make_run: MakeRun) -> None:
    src, _ = on_road(region)
    cfg = image(region, src=[list(src)], tgt=[list(src)], steps=0)
    _, _, folder = go(cfg, make_run)
    (row,) = json.loads((folder / "report.json").read_text())["targets"]
    assert row["T"] == row["euclid_px"] == row["pred_px"] == 0


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"src": "1,2,3", "tgt": "1,2"}, "'1 2 3' is not two numbers: write y,x"),
        ({"src": "1,2; 3,4", "tgt": "1,2"}, "src is one point, got 2"),
        ({"src": "1,2"}, "src and tgt go together"),
        ({"src": "1,2", "tgt": "1,2", "sample_from_npz": True}, "not both"),
        ({}, "give src and tgt"),
        ({"src": "1,2", "tgt": "3,4", "steps": 5}, "no truth to learn from"),
        ({"src": "a,b", "tgt": "3,4", "steps": 0}, "valid integer"),
        ({"image": "none", "cache_prob": "p.npy"}, "cache_prob keeps the map of one image"),
        ({"sample_from_npz": True, "tube_roi": True}, "tube_roi needs multigrid"),
        ({"sample_from_npz": True, "k_targets": 0}, "greater than or equal to 1"),
        ({"sample_from_npz": True, "model": "samroad"}, "model=samroad needs ckpt"),
    ],
)
def test_configs_that_make_no_sense(over: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**{"image": "city", "model": "mask", **over})


def test_errors_of_points_and_files(region: Path, make_run: MakeRun, tmp_path: Path) -> None:
    def fails(cfg: RouteConfig, match: str) -> None:
        with pytest.raises(AssayError, match=match):
            go(cfg, make_run)

    fails(image(region, src="500,2", tgt="3,4", steps=0), "src 500,2 lies outside the image")
    fails(image(region, sample_from_npz=True, case_idx=99), "case_idx 99 is not there")
    fails(image(region, sample_from_npz=True, p_count=7), "no distance file of .* p_count 7")
    fails(image(region, sample_from_npz=True, k_targets=60), "needs 61 nodes")
    lone = tmp_path / "a" / "b" / "crop_x.tif"
    lone.parent.mkdir(parents=True)
    tifffile.imwrite(lone, np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    fails(image(lone, src="1,2", tgt="3,4", steps=0), "model=mask needs the road mask of a/b")
    fails(
        image(region, sample_from_npz=True).model_copy(update={"model": "unet"}),
        "an image needs a trained unet: give ckpt",
    )
    fails(image(tmp_path / "none.tif", src="1,2", tgt="3,4", steps=0), "no image")


def test_a_point_off_the_road_is_named_with_the_nearest_road(
    region: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = regions.open_region(region)
    assert opened.mask is not None
    prob = opened.mask / np.float32(255)
    y, x = (int(c) for c in np.argwhere(prob == 0)[0])
    road = np.argwhere(prob == 1)
    nearest = int(np.round(np.hypot(*(road - (y, x)).T).min()))
    cfg = image(region, src=[[y, x]], tgt=[[int(c) for c in road[0]]], steps=0)
    scene.ask(cfg, opened, prob, 0)
    assert f"src {y},{x} is off the road" in (err := capsys.readouterr().err)
    assert f"{nearest} px away" in err
    with pytest.raises(AssayError, match="Move it, or snap=true"):
        scene.ask(cfg.model_copy(update={"strict_points": True}), opened, prob, 0)
    none = opened._replace(picture=opened.picture._replace(nodata=prob == 0))
    with pytest.raises(AssayError, match="where the image has no data"):
        scene.ask(cfg, none, prob, 0)
    with pytest.raises(AssayError, match="NaN"):
        scene.ask(cfg, opened, prob * np.float32(np.nan), 0)
    with pytest.raises(AssayError, match=r"probability map is \(10, 10\)"):
        scene.ask(cfg, opened, prob[:10, :10], 0)


def test_overlays_draw_on_exact_pixels() -> None:
    rgb = np.full((60, 90, 3), 100, np.uint8)
    prob = np.zeros((60, 90), np.float32)
    prob[20:24] = 1
    line = np.array([[21.0, 70.0], [21.0, 10.0]])
    made = overlay.overlay(rgb, prob, (21, 10), [overlay.Route(line, (21, 70), "")])
    assert (made[21, 30:60] == overlay.colour(0)).all()  # the route
    assert (made[50, 5:85] == 100).all()  # land, untouched
    road = np.rint(100 + 0.35 * (overlay.ROAD - 100))
    assert (made[23, 30:60] == road).all()  # road, tinted by 35 %
    assert (made[21, 10] == overlay.SOURCE).all()


def test_labels_hide_neither_points_nor_each_other() -> None:
    """Targets close together and near the border: every dot is seen, and every label whole."""
    rgb, prob = np.full((200, 300, 3), 100, np.uint8), np.zeros((200, 300), np.float32)
    source, at = (100, 150), [(97, 250), (100, 262), (103, 250), (190, 295)]

    def drawn(labels: Sequence[str]) -> NDArray[np.uint8]:
        routes = [overlay.Route(np.empty((0, 2)), t, n) for t, n in zip(at, labels, strict=True)]
        return overlay.overlay(rgb, prob, source, routes)

    bare, texts = drawn([""] * 4), ["1: 101 px", "2: 108 px", "3: 99 px", "4: 170 px"]
    alone = [drawn(["" if j != i else text for j in range(4)]) for i, text in enumerate(texts)]
    made = drawn(texts)
    for i, (y, x) in enumerate(at):
        assert (made[y, x] == overlay.colour(i)).all()
    assert (made[source] == overlay.SOURCE).all()
    changed = [int((p != bare).any(-1).sum()) for p in (made, *alone)]
    assert min(changed) > 100
    assert changed[0] == sum(changed[1:])  # none lies on another


def test_the_picture_of_a_change_shows_single_pixels_of_a_large_image(tmp_path: Path) -> None:
    away = np.zeros((2003, 3000), np.float32)
    away[1500:1700:4, 2000] = 0.2  # a pixel of every fourth row
    away[2002, 2999], away[2001, 2998] = -0.3, 0.1  # in the last square, which is cut
    few = pictures.greatest(away, 15)
    assert few.shape == (134, 200)
    assert (few[100:113, 2000 // 15] == np.float32(0.2)).all()
    assert few[-1, -1] == np.float32(-0.3)
    assert np.count_nonzero(few) == 1 + len(range(1500 // 15, 1697 // 15 + 1))
    with Image.open(pictures.change(tmp_path / "d.png", away)) as picture:
        seen = np.asarray(picture.convert("RGB")).astype(int)
    blue = (seen[..., 2] > seen[..., 0] + 60)[:, : round(0.8 * seen.shape[1])]  # left of the scale
    rows = np.flatnonzero(blue.any(1))
    assert len(rows) > 30  # a line as long as the column
    assert len(rows) == np.ptp(rows) + 1  # without gaps


def test_large_overlays_come_as_preview_and_in_full_with_a_fine_pen(tmp_path: Path) -> None:
    """A street of 8 pixels under the way is still seen where pixels are looked at."""
    rgb = np.full((100, 4096, 3), 100, np.uint8)
    prob = np.zeros((100, 4096), np.float32)
    prob[46:54] = 1
    cases = npz.Cases(np.zeros((1, 1, 2), np.int64), np.zeros((1, 1, 1)), None, [])
    picture = geotiff.Picture(rgb, None, None, [])
    asked = scene.Scene(
        regions.Region("a/b", picture, None, cases),
        prob,
        scene.sampling.by_hand((50, 100), [(50, 3900)], 100, 4096),
    )
    cfg = image(tmp_path / "x.tif", src="50,100", tgt="50,3900", steps=0, vis_full_route=True)
    made = pictures.routes(cfg, routing.Router(cfg), asked, tmp_path, "r")
    assert [(p.name, size_of(p)) for p in made[:2]] == [
        ("r.png", (2048, 50)),
        ("r_full.png", (4096, 100)),
    ]
    with Image.open(tmp_path / "r_full.png") as full:
        across = np.asarray(full)[:, 2000]
    assert (across == overlay.colour(0)).all(-1).sum() == 3
    road = np.rint(100 + 0.35 * (overlay.ROAD - 100))
    assert (across == road).all(-1).sum() >= 2
    plain = pictures.routes(
        cfg.model_copy(update={"vis_full_route": False}), routing.Router(cfg), asked, tmp_path, "s"
    )
    assert [p.name for p in plain] == ["s.png", "s_paths.geojson"]


def test_paths_as_geojson_lie_in_the_map(tmp_path: Path) -> None:
    opened = regions.open_region(regions.SAMPLE)
    assert opened.cases is not None
    query = scene.sampling.draw(opened.cases, 0, k=1, mode="nearest", min_gt=100, seed=0)
    asked = scene.Scene(opened, np.zeros(opened.size, np.float32), query)
    y, x = (float(c) for c in query.src)
    route = overlay.Route(np.array([[y, x + 100], [y, x]]), (int(y), int(x) + 100), "a")
    content = json.loads(pictures.geojson(tmp_path / "p.json", asked, [route]).read_text())
    assert content["crs"]["properties"]["name"].endswith("4326")
    (feature,) = content["features"]
    start = feature["geometry"]["coordinates"][0]
    assert start == pytest.approx(
        [-115.1706276 + (x + 0.5) * 2.7e-6, 36.2406177 - (y + 0.5) * 2.7e-6], abs=1e-7
    )
    assert feature["properties"]["length_px"] == 100
    assert feature["properties"]["length_m"] == pytest.approx(24.24, abs=0.3)  # 0.24 m pixels


def test_the_tools(region: Path, make_run: MakeRun, tmp_path: Path) -> None:
    cfg = image(region, sample_from_npz=True, mask_noise=0.7, pair_mode="far")
    run = make_run(cfg)
    found = json.loads(tools.gradcheck(cfg, run, cells=30).read_text())
    assert found["ok"]
    assert {r["name"] for r in found["rows"]} >= {"alpha", "gamma", "gate"}
    lines = {"tif": str(regions.SAMPLE), "geojson": str(regions.SAMPLE.parent / "roads_gt.geojson")}
    made = tools.import_lines(config(), run, **lines, out=str(tmp_path / "l"))
    assert {p.name for p in made} >= {"roadnet_vegas_img0.png", "roadnet_skeleton_r1.png"}
    made = tools.synth(config(), run, out=str(tmp_path / "s"), size=128, cities=2)
    assert len(made) == 2 * 5
    data = work.data(config(data_root=tmp_path / "s"), run)
    assert [len(part) for part in data[:3]] == [1, 1, 1]
    made = tools.synth(config(regions=2), run, out=str(tmp_path / "r"), size=128, cities=1)
    assert {p.parent.name for p in made} == {"region0", "region1"}


def test_a_trained_network_answers_about_an_image(
    region: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    """`assay do route infer --run <run>:best -o tif=...`; the image's config names no ckpt."""
    learnt = config(seg_steps=2, steps=0)
    run = make_run(learnt)
    work.train(learnt, work.data(learnt, run), run)
    cfg = config(tif=region, sample_from_npz=True, k_targets=2, min_gt_dist_px=20)
    model = work.load(cfg, run.judged(), "cpu")
    made = work.infer(cfg, model, tmp_path / "out", make_run(cfg, "infer"))
    assert {p.name for p in made} >= {"road_prob_full.npy", "route.png", "distances.json"}
    given = cfg.model_copy(update={"ckpt": run.judged(), "mask_noise": 0.5})
    found = tools.gradcheck(given, make_run(given, "check"), cells=10)  # on that network's map
    assert json.loads(found.read_text())["ok"]


def test_a_run_on_a_folder_learns_and_measures(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run(config())
    tools.synth(config(), run, out=str(tmp_path / "s"), size=160, cities=2)
    _, metrics, _ = go(config(data_root=tmp_path / "s", freeze_encoder=False), make_run)
    assert 0 <= metrics["road_f1"] <= 1
    assert metrics["dist_mre"] > 0
    assert metrics["euclid_bias"] < 0


def test_the_choice_of_the_checkpoint_sees_every_case_and_not_the_judges(
    make_run: MakeRun,
) -> None:
    cfg = config(model="mask", mask_noise=0.6, val_cases=3, seg_steps=0)
    run = make_run(cfg)
    data = work.data(cfg, run)
    model = Model(torch.nn.Identity(), routing.Router(cfg), None, [])
    got = measure.quick(cfg, model, data.val, None, run)
    errors: list[float] = []
    (region,) = data.val
    prob = maps.of(cfg, model.net, region, run).prob
    for query in measure.questions(cfg, region, 3):
        with torch.no_grad():
            pred = routing.answer(cfg, model.router, torch.from_numpy(prob), query).pred.numpy()
        errors += (np.abs(pred - query.gt) / query.gt).tolist()
    assert len(errors) > 3 * 10
    assert got["dist_mre"] == pytest.approx(np.mean(errors))
    judged = measure.dataset(cfg, model, data, run)
    assert judged["val_dist_mre"] == got["dist_mre"] != judged["dist_mre"]


def test_the_config_reaches_the_learned_step_and_the_inputs_of_the_cost_net() -> None:
    cfg = config(
        model="mask",
        learn_block=True,
        block=50.0,
        cost_net="basic",
        cost_net_edges=True,
        cost_net_coords=True,
        cost_net_gated=True,
    )
    router = routing.Router(cfg)
    assert {"cost.block.raw", "cost.block_th.raw"} <= {
        n for n, p in router.named_parameters() if p.requires_grad
    }
    assert router.values()["block"] == pytest.approx(50)
    (first, *_) = router.cost.net.parameters()  # type: ignore[union-attr]
    assert first.shape[1] == 4  # probability, its edges, y, x
    assert router.cost.gate is not None
    with pytest.raises(ValidationError, match="5 < block < 200"):
        config(learn_block=True)


def test_patches_that_cut_their_square_are_counted(make_run: MakeRun) -> None:
    cfg = config(model="mask", seg_steps=0, steps=1, roi_margin=2000)
    run = make_run(cfg)
    data = work.data(cfg, run)
    model = Model(torch.nn.Identity(), routing.Router(cfg), None, [])
    _, row = work.distance_terms(cfg, model, data, None, run, 1)
    assert row["roi_truncated"] == 1


@pytest.mark.slow
def test_the_unet_learns_roads_of_another_city(make_run: MakeRun) -> None:
    """A minute of training: roads of an unseen city, and distances better than the line's."""
    cfg = RouteConfig(city_size=512, cities=3, seg_steps=120, steps=1, val_every=120, crop=192)
    _, metrics, _ = go(cfg, make_run)
    assert metrics["road_f1"] > 0.8
    assert metrics["mre_ratio"] < 0.5


def test_smoothness_can_be_asked_for(make_run: MakeRun) -> None:
    """Total variation of a learned map's change, and of the cost net's, by hand."""
    base = {"image": "city", "model": "mask", "sample_from_npz": True, "steps": 1}
    cfg = config(**base, optimise_prob=True, cost_net="basic", w_rough=1.0, w_cost_net_tv=1.0)
    run = make_run(cfg)
    data = work.data(cfg, run)
    asked = work.question(cfg, torch.nn.Identity(), data, run)
    learned = work.ProbMap(torch.from_numpy(asked.prob)[None])
    model = Model(torch.nn.Identity(), routing.Router(cfg), learned, [])
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        learned.map += torch.rand(learned.map.shape, generator=rng)
        for p in model.router.cost.net.parameters():  # type: ignore[union-attr]
            p += 0.1 * torch.rand(p.shape, generator=rng)
    terms, _ = work.distance_terms(cfg, model, data, asked, run, 1)
    away = (learned() - learned.start).detach()[0].numpy()
    tv = np.abs(np.diff(away, axis=0)).mean() + np.abs(np.diff(away, axis=1)).mean()
    assert float(terms["rough"].detach()) == pytest.approx(tv, rel=1e-4)
    cells = torch.nn.functional.max_pool2d(learned().detach(), cfg.downsample)
    d = model.router.cost.change(cells)
    assert d is not None
    d = d.detach()[0].numpy()
    tv = np.abs(np.diff(d, axis=0)).mean() + np.abs(np.diff(d, axis=1)).mean()
    assert float(terms["cost_net_tv"].detach()) == pytest.approx(tv, rel=1e-4)


def test_times_hang_on_no_number_of_iterations() -> None:
    """Defects 1 and 2: only the ablation's T moves with `eik_iters`; the default's cannot."""
    prob = np.zeros((40, 60), np.float32)
    prob[18:22] = prob[:, 48:52] = 0.9
    query = scene.sampling.by_hand((20, 2), [(38, 50)], 40, 60)

    def T(**over: Any) -> float:
        cfg = config(model="mask", **over)
        found = routing.answer(cfg, routing.Router(cfg), torch.from_numpy(prob), query)
        return float(found.T[0].detach())

    assert T(eik_iters=1) == T(eik_iters=2000)
    swept = [T(solver="sweep", eik_iters=n) for n in (100, 200, 400)]
    assert swept[0] > swept[1] > swept[2]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_runs_all_of_it(region: Path, make_run: MakeRun) -> None:
    over = {"multigrid": True, "tube_roi": True, "cost_net": "basic", "optimise_prob": True}
    cfg = image(region, sample_from_npz=True, steps=2, mask_noise=0.5, **over)
    here = go(cfg, make_run)[1]
    run = make_run(cfg, "there", device="cuda")
    data = work.data(cfg, run)
    work.train(cfg, data, run)
    model = work.load(cfg, run.judged(), "cuda")
    there = work.evaluate(cfg, model, data, run)
    work.visualise(cfg, model, data, run.dir / "images", run)
    assert there["dist_mre"] == pytest.approx(here["dist_mre"], rel=1e-3)
