"""Every declared metric, as a number or as absent with its reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from core.contract import Absent, Run
from core.kit.timing import measure as timed
from tasks.route import maps, metrics, report, routing, sampling, ways
from tasks.route.clock import Clock
from tasks.route.config import RouteConfig
from tasks.route.log import say
from tasks.route.metrics import Answer
from tasks.route.model import Model
from tasks.route.models.build import with_weights
from tasks.route.regions import Data, Region
from tasks.route.routing import Found, Router
from tasks.route.sampling import Query
from tasks.route.scene import Scene
from tasks.route.ways import Way

Values = dict[str, float | Absent]
ROADS = ("road_f1", "road_iou", "road_precision", "road_recall")
PAIRS = (
    *(f"{who}_{what}" for who in ("dist", "euclid") for what in ("mae_px", "mre", "bias")),
    "mre_ratio",
    "reach_rate",
)
RANKS = tuple(f"{name}{end}" for name in metrics.RANKINGS for end in ("", "_adv"))


@torch.no_grad()
def quick(
    cfg: RouteConfig, model: Model, regions: Sequence[Region], asked: Scene | None, run: Run
) -> dict[str, float]:
    """What validation measures: roads and cases of the regions, or the question of an image."""
    if asked is not None:
        if not np.isfinite(asked.query.gt).any():
            return {}
        found = _answer(cfg, model.router, model.seen(asked.prob), asked.query)
        return {"dist_mre": metrics.distance_scores([pairs(found, asked.query)])["dist_mre"]}
    counts, answers = metrics.Counts(), []
    for region in regions:
        prob = maps.of(cfg, model.net, region, run).prob
        assert region.mask is not None
        counts = counts + metrics.count(prob, region.mask)
        for query in questions(cfg, region, cfg.val_cases):
            answers.append(pairs(_answer(cfg, model.router, prob, query), query))
    right = metrics.distance_scores(answers)["dist_mre"]
    return {"dist_mre": right, "road_f1": counts.scores()["road_f1"]}


def questions(cfg: RouteConfig, region: Region, count: int) -> list[Query]:
    """One source with all its targets from each of the first cases of a region."""
    cases = region.cases
    assert cases is not None
    return [
        sampling.everything(cases, c, min_gt=cfg.min_gt_dist_px, seed=cfg.city_seed)
        for c in range(min(count, len(cases.yx)))
    ]


def dataset(cfg: RouteConfig, model: Model, data: Data, run: Run) -> Values:
    """Over the regions that judge; each case is one source with all of its targets."""
    counts, scenes, seconds = metrics.Counts(), [], 0.0
    for region in data.test:
        made = maps.of(cfg, model.net, region, run)
        seconds += made.seconds
        assert region.mask is not None
        counts = counts + metrics.count(made.prob, region.mask)
        scenes += [Scene(region, made.prob, q) for q in questions(cfg, region, cfg.val_cases)]
    data.clock.add("segment", seconds)
    values = _routes(cfg, model, scenes, run, data.clock)
    roads: Values = dict(counts.scores())
    chosen: float | Absent = Absent(reason="no steps: no checkpoint was chosen")
    if cfg.total_steps:
        chosen = quick(cfg, model, data.val, None, run)["dist_mre"]
    return {**roads, **values, "val_dist_mre": chosen, "segment_s": seconds, **_process(run)}


def whole(cfg: RouteConfig, model: Model, asked: Scene, run: Run, clock: Clock) -> Values:
    """One image and its question; the report is written here."""
    made = maps.of(cfg, model.net, asked.region, run)
    prob = model.seen(asked.prob)
    roads: Values = dict.fromkeys(ROADS, Absent(reason="the image has no road mask"))
    if asked.region.mask is not None:
        roads = dict(metrics.count(prob, asked.region.mask).scores())
    clock.add("segment", made.seconds)
    values = _routes(cfg, model, [asked], run, clock)
    chosen: Values = {"val_dist_mre": Absent(reason="the question that judges chooses too")}
    return {**roads, **values, **chosen, "segment_s": made.seconds, **_process(run)}


def _process(run: Run) -> Values:
    return {"peak_rss_mib": report.peak_mib(), "nonfinite_steps": float(run.nonfinite_steps)}


def _answer(cfg: RouteConfig, router: Router, prob: np.ndarray, query: Query) -> Found:
    return routing.answer(cfg, router, torch.from_numpy(prob), query)


def pairs(found: Found, query: Query) -> Answer:
    """Predictions and truths of the targets that count."""
    good = query.valid & np.isfinite(query.gt) & (query.gt > 0)
    pred = found.pred.detach().double().cpu().numpy()
    return Answer(pred[good], query.gt[good], query.euclid[good], found.reached.cpu().numpy()[good])


def _routes(
    cfg: RouteConfig, model: Model, scenes: Sequence[Scene], run: Run, clock: Clock
) -> Values:
    """Distances, paths, the tube and the solver's effort, over all questions; writes the report."""
    start = Router(cfg, with_weights(cfg).scalars)
    answers, founds, losses, gaps = [], [], [], []
    traced: list[Way | None] = []
    similar: list[float] = []
    rows: list[dict[str, Any]] = []
    changes: list[dict[str, float | None]] = []
    with torch.no_grad():
        for scene in scenes:
            prob = model.seen(scene.prob)
            found = routing.answer(cfg, model.router, torch.from_numpy(prob), scene.query, clock)
            first = _answer(cfg, start, scene.prob, scene.query)
            founds.append(found)
            answers.append(pairs(found, scene.query))
            losses.append([routing.judged(cfg, f, scene.query) for f in (first, found)])
            own = ways.of(cfg, found, scene._replace(prob=prob))
            traced += own
            similar += ways.apls(own, np.where(scene.query.valid, scene.query.gt, np.nan))
            gaps += _gaps(cfg, model, found, prob, scene.query)
            rows += report.targets(cfg, found, scene, own)
            if cfg.whole:
                for line in report.said(rows, found.meta):
                    say(line)
            if (change := report.learned(cfg, model, scene, own)) is not None:
                changes.append(change)
    report.write(
        run.dir / "report.json",
        {
            "config": cfg.model_dump(mode="json"),
            "notes": list(dict.fromkeys(n for s in scenes for n in _notes(s.region))),
            "steps": model.history,
            "targets": rows,
            **({"map": changes[0]} if changes else {}),
            "solves": [f.meta for f in founds],
            "timing": clock.report(),
            "router": model.router.values(),
            "peak_rss_mib": report.peak_mib(),
        },
    )
    return {
        **_distances(answers, founds, scenes),
        **_losses(losses),
        "path_on_road": _mean(
            [w.on_road for w in traced if w is not None and w.on_road is not None],
            "no mask to compare with, or no path",
        ),
        "apls": _mean(similar, "no true distances"),
        **_tubes(founds, gaps),
        "visited_ratio": float(np.mean([f.meta["visited_ratio"] for f in founds])),
        **_durations(cfg, model, scenes[0], run),
    }


def _notes(region: Region) -> list[str]:
    """What the readers of a region's files had to say."""
    return [*region.picture.notes, *(region.cases.notes if region.cases else ())]


def _mean(values: Sequence[float], reason: str) -> float | Absent:
    return float(np.mean(values)) if values else Absent(reason=reason)


def _distances(
    answers: Sequence[Answer], founds: Sequence[Found], scenes: Sequence[Scene]
) -> Values:
    known = [a for a in answers if len(a.gt)]
    if not known:
        reason = "no true distances: points by hand, or a file without pairs"
        values: Values = dict.fromkeys((*PAIRS, *RANKS), Absent(reason=reason))
        valid = [
            f.reached.cpu().numpy()[s.query.valid] for f, s in zip(founds, scenes, strict=True)
        ]
        return values | {"reach_rate": float(np.concatenate(valid).mean())}
    scores = metrics.distance_scores(known)
    unranked: Values = dict.fromkeys(RANKS, Absent(reason="a ranking needs two targets"))
    exact = Absent(reason="the straight line is exact: nothing to beat")
    return {"mre_ratio": exact, **unranked, **scores}


def _losses(losses: Sequence[Sequence[Any]]) -> Values:
    """The mean distance loss before and after learning, and the share that is gone."""
    counted = [(a, b) for a, b in losses if b.n_valid]
    names = ("loss_dist_start", "loss_dist", "loss_drop", "sat_ratio")
    if not counted:
        return dict.fromkeys(names, Absent(reason="no true distances"))
    first, last = (
        float(np.mean([float(c.loss) for c in side])) for side in zip(*counted, strict=True)
    )
    drop = 1 - last / first if first > 0 else Absent(reason="the loss was 0 from the start")
    sat = float(np.mean([b.sat_ratio for _, b in counted]))
    return {"loss_dist_start": first, "loss_dist": last, "loss_drop": drop, "sat_ratio": sat}


def _gaps(
    cfg: RouteConfig, model: Model, found: Found, prob: np.ndarray, query: Query
) -> list[float]:
    """By how much the tube's T exceeds the whole grid's, at targets that both reach."""
    if not found.meta.get("use_tube"):
        return []
    full = _answer(cfg.model_copy(update={"tube_roi": False}), model.router, prob, query)
    both = (found.reached & full.reached & (full.T > 0)).cpu().numpy()
    gap = (found.T - full.T) / full.T
    return [float(g) for g in gap.cpu().numpy()[both]]


def _tubes(founds: Sequence[Found], gaps: Sequence[float]) -> Values:
    used = [f.meta for f in founds if f.meta.get("use_tube")]
    if not used:
        why = next((f.meta["reason_if_not"] for f in founds if f.meta.get("reason_if_not")), "")
        reason = f"no tube: {why or 'tube_roi is off'}"
        return dict.fromkeys(("tube_gap", "tube_area", "tube_oob"), Absent(reason=reason))
    return {
        "tube_gap": max(gaps, default=0.0) if gaps else Absent(reason="no target was reached"),
        "tube_area": float(np.mean([m["area_ratio"] for m in used])),
        "tube_oob": float(sum(m["oob_count"] for m in used)),
    }


def _durations(cfg: RouteConfig, model: Model, scene: Scene, run: Run) -> Values:
    """Milliseconds of one answer, and of its backward pass where there is a truth; medians of 5."""
    prob = torch.from_numpy(model.seen(scene.prob)).to(run.device)

    def forward() -> Found:
        return routing.answer(cfg, model.router, prob, scene.query)

    with run.quiet():
        solve = timed(forward, run.device, warm_up=1, repeats=5).median_ms
    values: Values = {"solve_ms": solve}
    if not any(p.requires_grad for p in model.router.parameters()):
        return {**values, "backward_ms": Absent(reason="nothing is learned")}
    with run.quiet():
        values["backward_ms"] = _backward(forward, scene.query, cfg, model)
    return values


def _backward(
    forward: Callable[[], Found], query: Query, cfg: RouteConfig, model: Model
) -> float | Absent:
    times = []
    for _ in range(5):
        compared = routing.judged(cfg, forward(), query)
        if not compared.n_valid:
            return Absent(reason="no true distances")
        began = time.perf_counter()
        compared.loss.backward()
        times.append(1000 * (time.perf_counter() - began))
        model.router.zero_grad(set_to_none=True)
    return float(np.median(times))
