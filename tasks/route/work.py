"""The six functions of the task, in the order in which they are called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.contract import Absent, Run
from core.errors import AssayError
from core.kit import checkpoint as kit_checkpoint
from core.kit.loop import steps, weigh
from core.kit.seed import derive
from tasks.route import (
    crops,
    maps,
    measure,
    patches,
    pictures,
    regions,
    report,
    routing,
    scene,
    segment,
    warm,
)
from tasks.route.clock import Clock
from tasks.route.config import RouteConfig
from tasks.route.cost import residual_penalty, total_variation
from tasks.route.dense import field_loss
from tasks.route.grid import pool
from tasks.route.log import say
from tasks.route.losses import Compared
from tasks.route.model import Model, optimiser
from tasks.route.models.build import of_checkpoint, trained, with_weights
from tasks.route.models.samfile import BLOCK_STEP
from tasks.route.prob_param import ProbMap
from tasks.route.regions import Data, Plan, Region, Split
from tasks.route.sampling import Query
from tasks.route.scene import Scene

LOG_EVERY = 10  # steps of segmentation training; steps on distances are few and all logged


def data(cfg: RouteConfig, run: Run) -> Data:
    """Regions of a folder or generated ones, split by city; one whole image is judged alone."""
    warm.ready(cfg)
    clock = Clock()
    with clock.part("read"):
        return Data(*_split(cfg), clock)


def _split(cfg: RouteConfig) -> Split:
    if cfg.whole:
        return Split([], [], [whole_image(cfg)])
    if cfg.data_root is not None:
        return regions.open_folder(
            cfg.data_root,
            cfg.val_fraction,
            cfg.city_seed,
            regions.CASES[cfg.npz_variant],
            thin=cfg.thin_target,
        )
    return regions.generated(plan(cfg), cfg.city_seed, cfg.cities, cfg.regions, cfg.val_fraction)


def plan(cfg: RouteConfig) -> Plan:
    """What decides the generated regions."""
    nodes = regions.CASES[cfg.npz_variant]
    return Plan(cfg.city_size, cfg.city_pitch, cfg.width_scale, cfg.occlusion, nodes)


def whole_image(cfg: RouteConfig) -> Region:
    """The image of the whole-image mode, with its mask and distances where there are any."""
    if cfg.tif is None and cfg.image == "city":
        return regions.generate(plan(cfg), cfg.city_seed, "whole/region0")[0]
    region = regions.open_region(
        cfg.tif or regions.SAMPLE,
        p_count=cfg.p_count,
        distances=cfg.npz,
        mask=cfg.mask,
        bands=cfg.bands,
        stretch=cfg.stretch,
        allow_size_mismatch=cfg.allow_size_mismatch,
    )
    for note in [*region.picture.notes, *(region.cases.notes if region.cases else ())]:
        say(note)
    if cfg.cache_prob and cfg.model == "mask":
        say("cache_prob is for networks: the mask itself is the map")
    return region


def train(cfg: RouteConfig, data: Data, run: Run) -> Model:
    """Learn to see roads from crops, then distances from questions; each where the config says."""
    given = trained(cfg)
    asked = question(cfg, given.net.to(run.device), data, run) if cfg.whole else None
    learned = None
    if asked is not None and cfg.learns_prob:
        learned = ProbMap(torch.from_numpy(asked.prob)[None], cfg.prob_param, cfg.prob_eps)
    history: dict[str, list[report.Row]] = {"rows": []}  # in checkpoints: a resumed run has all
    router = routing.Router(cfg, given.scalars).to(run.device)
    model = Model(given.net, router, learned, history["rows"])
    state: dict[str, Any] = {"net": model.net, "router": model.router, "history": history}
    state["about"] = {"config": cfg.model_dump(mode="json")}
    if learned is not None:
        state["prob"] = learned.to(run.device)
    if not cfg.total_steps:
        run.checkpoint(state, 0)
        return model
    state["opt"] = optimiser(cfg, model)
    run.training_started()
    made = kept = 0
    for step in steps(cfg.total_steps, run, state):
        made = step
        _step(cfg, model, data, asked, run, state, step)
        if step % cfg.val_every == 0 or step == cfg.total_steps:
            keep(cfg, model, data, asked, run, state, step)
            kept = step
    if made > kept:  # the budget ended it
        keep(cfg, model, data, asked, run, state, made)
    return model


def question(cfg: RouteConfig, net: torch.nn.Module, data: Data, run: Run) -> Scene:
    """The question of the whole-image mode, on the network's map."""
    (region,) = data.test
    return scene.ask(cfg, region, maps.of(cfg, net, region, run).prob, run.seed)


def _step(
    cfg: RouteConfig,
    model: Model,
    data: Data,
    asked: Scene | None,
    run: Run,
    state: Mapping[str, Any],
    step: int,
) -> None:
    """One update: segmentation in the first steps, distances in the last `steps`."""
    opt = state["opt"]
    terms: dict[str, Tensor] = {}
    row: dict[str, float] = {}
    if step <= cfg.seg_training:
        opt.param_groups[0]["lr"] = one_cycle(step, cfg.seg_training, cfg.seg_lr)
        model.net.train()
        side = getattr(model.net, "patch", 0)  # SAM sees one size only
        batch = crops.draw(cfg, data.train, run.seed, step, run.device, side)
        terms["seg"] = crops.seg_loss(cfg, model.net(batch.rgb), batch.road, batch.thin)
    if step > cfg.total_steps - cfg.steps:
        far, row = distance_terms(cfg, model, data, asked, run, step)
        terms |= far
    loss = weigh(terms, {name: w for name, w in run.weights.items() if name in terms})
    opt.zero_grad(set_to_none=True)
    good = bool(loss.detach().isfinite())
    if good:
        with data.clock.part("backward"):
            loss.backward()
        grads = [
            p.grad for group in opt.param_groups for p in group["params"] if p.grad is not None
        ]
        good = all(bool(g.isfinite().all()) for g in grads)
    run.loss_seen(good, step)
    if good:
        if model.prob is not None and model.prob.map.grad is not None:
            row["prob_grad_norm"] = float(model.prob.map.grad.norm())
        with data.clock.part("opt"):
            opt.step()
            if model.prob is not None:
                model.prob.settle()
    if row or step % LOG_EVERY == 0:
        run.log({f"loss/{k}": t.item() for k, t in terms.items()} | row, step)
    if row:
        state["history"]["rows"].append({"step": step, "loss": loss.item(), **row})
        say(report.line(state["history"]["rows"][-1]))


def distance_terms(
    cfg: RouteConfig, model: Model, data: Data, asked: Scene | None, run: Run, step: int
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The loss terms of distances, and what the report says of them."""
    terms: dict[str, Tensor] = {}
    if asked is not None:
        prob = model.prob()[0] if model.prob is not None else torch.from_numpy(asked.prob)
        prob = prob.to(run.device)
        compared = [ask(cfg, model, prob, asked.query, data.clock)]
        if model.prob is not None:
            terms["prox"], terms["rough"] = model.prob.proximity(), model.prob.roughness()
        if cfg.learns_field:
            src = torch.from_numpy(asked.query.src)
            truth = torch.from_numpy(scene.true_map(cfg, asked)).to(run.device)
            terms["field"] = field_loss(cfg, model.router, prob, truth, src)
    else:
        drawn = patches.draw(cfg, data.train, run.seed, step, getattr(model.net, "patch", 0))
        views = [patch_map(cfg, model, patch, run) for patch in drawn]
        compared = [
            ask(cfg, model, prob, _shifted(patch), data.clock)
            for prob, patch in zip(views, drawn, strict=True)
        ]
        if cfg.learns_field:
            terms["field"] = _fields(cfg, model, views, drawn)
        prob = views[0] if views else torch.full((16, 16), 0.5, device=run.device)
        cut = float(np.mean([patch.truncated for patch in drawn])) if drawn else 0.0
    if cfg.cost_net != "none":
        change = model.router.cost.change(pool(prob[None], cfg.downsample, routing.pooling(cfg)))
        assert change is not None
        terms["cost_net"], terms["cost_net_tv"] = residual_penalty(change), total_variation(change)
    if not compared:  # no patch of this step has a question: a loss of 0 with a graph
        terms["dist"] = model.router.gate() * 0
        return terms, {"n_valid": 0.0, **model.router.values()}
    terms["dist"] = torch.stack([c.loss.float() for c in compared]).mean()
    seen = [c for c in compared if c.n_valid]
    row = {"dist": float(terms["dist"].detach()), "n_valid": float(sum(c.n_valid for c in seen))}
    if seen:
        row["sat_ratio"] = float(np.mean([c.sat_ratio for c in seen]))
        row["max_pred"] = max(c.max_pred for c in seen)
    if asked is None:
        row["roi_truncated"] = cut
    return terms, row | model.router.values()


def ask(cfg: RouteConfig, model: Model, prob: Tensor, query: Query, clock: Clock) -> Compared:
    """The loss of one question on a map."""
    return routing.judged(cfg, routing.answer(cfg, model.router, prob, query, clock), query)


def _fields(
    cfg: RouteConfig, model: Model, views: list[Tensor], drawn: list[patches.Patch]
) -> Tensor:
    """The dense loss of the patches of a step; 0 without one."""
    each = [
        field_loss(
            cfg,
            model.router,
            view,
            true_part(patch).to(view),
            torch.from_numpy(_shifted(patch).src),
        )
        for view, patch in zip(views, drawn, strict=True)
    ]
    return torch.stack([e.float() for e in each]).mean() if each else model.router.gate() * 0


def true_part(patch: patches.Patch) -> Tensor:
    """The true road of the solved part of a patch, 0..1."""
    y0, x0, y1, x1 = patch.roi
    return torch.from_numpy(patch.road[y0:y1, x0:x1].astype(np.float32) / 255)


def patch_map(cfg: RouteConfig, model: Model, patch: patches.Patch, run: Run) -> Tensor:
    """Probability of the solved part of a patch; with a graph unless the network is frozen."""
    y0, x0, y1, x1 = patch.roi
    if cfg.model == "mask":  # as bad as what it is judged on
        seed = derive(run.seed, "mask", *patch.query.src.tolist(), *patch.roi)
        worse = segment.degraded(patch.road, cfg.mask_noise, seed)
        return torch.from_numpy(worse[y0:y1, x0:x1]).to(run.device)
    rgb = torch.from_numpy(patch.rgb).permute(2, 0, 1)[None].to(run.device)
    with torch.set_grad_enabled(not cfg.freeze_encoder):
        model.net.eval()  # running statistics: one patch is no batch
        prob: Tensor = model.net(rgb).sigmoid()[0]
    return prob[y0:y1, x0:x1]


def _shifted(patch: patches.Patch) -> Query:
    """The patch's question in pixels of its solved part; what is not valid stays at the source."""
    corner = np.array(patch.roi[:2])
    q = patch.query
    tgt = np.where(q.valid[:, None], q.tgt - corner, q.src - corner)
    return q._replace(src=q.src - corner, tgt=tgt)


def one_cycle(step: int, total: int, peak: float) -> float:
    """Up over the first tenth, then down a cosine to a hundredth."""
    rise = max(1, total // 10)
    if step <= rise:
        return peak * step / rise
    share = (step - rise) / max(1, total - rise)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def keep(
    cfg: RouteConfig,
    model: Model,
    data: Data,
    asked: Scene | None,
    run: Run,
    state: Mapping[str, Any],
    step: int,
) -> None:
    """Validate on all that the choice is made by, and save; without truth nothing chooses."""
    scores = measure.quick(cfg, model, data.val, asked, run)
    run.log({f"val/{k}": v for k, v in scores.items()}, step)
    right = scores.get("dist_mre")
    run.checkpoint(state, step, None if right is None else {"val_dist_mre": right})
    if right is not None:
        run.report(right, step)


def load(cfg: RouteConfig, checkpoint: Path, device: str) -> Model:
    """The networks of a checkpoint.

    Raises:
        AssayError: not a checkpoint, or one of another network.
    """
    saved = kit_checkpoint.load(checkpoint, device)["state"]
    net = of_checkpoint(cfg, saved.get("net", {}), checkpoint)
    router = routing.Router(cfg, _step_of_a_file(saved.get("router", {})))
    try:
        router.load_state_dict(saved["router"])
    except (KeyError, RuntimeError) as error:
        raise AssayError(
            f"{checkpoint} was trained with another cost",
            "Give the same cost_mode and cost_net",
            code="other_architecture",
        ) from error
    prob = None
    if "prob" in saved:
        start = saved["prob"]["start"]
        prob = ProbMap(start, cfg.prob_param, cfg.prob_eps)
        prob.load_state_dict(saved["prob"])
    rows = saved.get("history", {}).get("rows", [])
    return Model(net.to(device).eval(), router.to(device), prob.to(device) if prob else None, rows)


def _step_of_a_file(router: Mapping[str, Any]) -> dict[str, float]:
    """Room for the step that a SAMRoute file brought along; its values come with the state."""
    return dict.fromkeys(BLOCK_STEP, 3.0) if "cost.block.raw" in router else {}


def evaluate(cfg: RouteConfig, model: Model, data: Data, run: Run) -> dict[str, float | Absent]:
    """Roads and distances of the held-out regions or the image; the report beside them."""
    if not cfg.whole:
        return measure.dataset(cfg, model, data, run)
    asked = question(cfg, model.net, data, run)
    return measure.whole(cfg, model, asked, run, data.clock)


def infer(cfg: RouteConfig, model: Model, out: Path, run: Run) -> list[Path]:
    """Probability maps as .npy and .png; of a whole image also its distances, overlay and paths."""
    held = data(cfg, run)
    if not cfg.whole:
        return [
            p
            for region in held.test
            for p in pictures.probability(
                out, maps.of(cfg, model.net, region, run).prob, region.name
            )
        ]
    asked = question(cfg, model.net, held, run)
    prob = model.seen(asked.prob)
    return [
        *pictures.probability(out, prob, "full"),
        *pictures.routes(cfg, model.router, asked._replace(prob=prob), out, "route"),
        report.distances(cfg, model, asked, out / "distances.json"),
    ]


def visualise(cfg: RouteConfig, model: Model, data: Data, out: Path, run: Run) -> list[Path]:
    """Routes before and after training, the field T, the tube, and what changed in the map."""
    out.mkdir(parents=True, exist_ok=True)
    if cfg.whole:
        asked = question(cfg, model.net, data, run)
    else:
        region = data.test[0]
        asked = pictures.example(cfg, region, maps.of(cfg, model.net, region, run).prob)
    before = routing.Router(cfg, with_weights(cfg).scalars)
    with data.clock.part("vis"):
        made = pictures.all_of(cfg, model, before, asked, out)
    written = report.timed(run.dir / "report.json", data.clock)
    if cfg.profile_time:
        say("  ".join(f"{k} {s:.3f} s" for k, s in data.clock.report().items() if s is not None))
    if cfg.save_debug is not None:
        pictures.copy(made + written, cfg.save_debug)
    return made
