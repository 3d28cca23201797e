"""The six functions of the task, in the order in which they are called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from core.contract import Absent, Run
from core.errors import AssayError
from core.kit import checkpoint as kit_checkpoint
from core.kit.io import write_png
from core.kit.loop import finite, steps, weigh
from tasks.route import crops, metrics, regions, segment
from tasks.route.config import RouteConfig
from tasks.route.models.build import build, with_weights
from tasks.route.regions import Plan, Region, Split

LOG_EVERY = 10  # steps


class Model(NamedTuple):
    """What a checkpoint holds."""

    net: nn.Module


def data(cfg: RouteConfig, run: Run) -> Split:
    """Regions of a folder or generated ones, split by city; one whole image counts as held out."""
    if cfg.whole:
        return Split([], [whole_image(cfg)])
    if cfg.data_root is not None:
        return regions.open_folder(
            cfg.data_root, cfg.val_fraction, cfg.city_seed, regions.CASES[cfg.npz_variant]
        )
    return regions.generated(plan(cfg), cfg.city_seed, cfg.cities, cfg.regions, cfg.val_fraction)


def plan(cfg: RouteConfig) -> Plan:
    """What decides the generated regions."""
    return Plan(
        cfg.city_size,
        cfg.city_pitch,
        cfg.width_scale,
        cfg.occlusion,
        regions.CASES[cfg.npz_variant],
    )


def whole_image(cfg: RouteConfig) -> Region:
    """The image of the whole-image mode, with its mask and distances where there are any."""
    if cfg.tif is None and cfg.image == "city":
        return regions.generate(plan(cfg), cfg.city_seed, "whole/region0")[0]
    return regions.open_region(
        cfg.tif or regions.SAMPLE,
        p_count=cfg.p_count,
        distances=cfg.npz,
        mask=cfg.mask,
        bands=cfg.bands,
        stretch=cfg.stretch,
        allow_size_mismatch=cfg.allow_size_mismatch,
    )


def train(cfg: RouteConfig, data: Split, run: Run) -> Model:
    """Learn to see roads."""
    model = Model(with_weights(cfg).to(run.device))
    state: dict[str, Any] = {"net": model.net, "about": {"config": cfg.model_dump(mode="json")}}
    total = cfg.seg_training
    if not total:
        run.checkpoint(state, 0)
        return model
    opt = torch.optim.AdamW(model.net.parameters(), lr=cfg.seg_lr)
    state["opt"] = opt
    run.training_started()
    made = kept = 0
    for step in steps(total, run, state):
        made = step
        opt.param_groups[0]["lr"] = one_cycle(step, total, cfg.seg_lr)
        model.net.train()
        batch = crops.draw(cfg, data.train, run.seed, step, run.device)
        terms = {"seg": crops.seg_loss(model.net(batch.rgb), batch.road, cfg.pos_weight, cfg.dice)}
        loss = weigh(terms, run.weights)
        opt.zero_grad(set_to_none=True)
        if finite(loss, step, run):
            loss.backward()
            opt.step()
        if step % LOG_EVERY == 0 or step <= 3:
            run.log({f"loss/{k}": t.item() for k, t in terms.items()}, step)
        if step % cfg.val_every == 0 or step == total:
            keep(cfg, model, data, run, state, step)
            kept = step
    if made > kept:  # the budget ended it
        keep(cfg, model, data, run, state, made)
    return model


def one_cycle(step: int, total: int, peak: float) -> float:
    """Up over the first tenth, then down a cosine to a hundredth."""
    rise = max(1, total // 10)
    if step <= rise:
        return peak * step / rise
    share = (step - rise) / max(1, total - rise)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def keep(
    cfg: RouteConfig, model: Model, data: Split, run: Run, state: Mapping[str, Any], step: int
) -> None:
    """Validate on the first held-out region, and save."""
    scores = road_scores(cfg, model, data.val[:1], run)
    run.log({f"val/{k}": v for k, v in scores.items()}, step)
    run.checkpoint(state, step, scores)
    run.report(scores["road_f1"], step)


def road_map(cfg: RouteConfig, net: nn.Module, region: Region, run: Run) -> segment.Map:
    """The road probability of a region, by the network or from its mask.

    Raises:
        AssayError: model=mask and the region has no mask.
    """
    if cfg.model != "mask":
        return segment.probability(cfg, net, region.picture, run.device)
    if region.mask is None:
        raise AssayError(f"model=mask needs the road mask of {region.name}", "Give mask")
    return segment.degraded(region.mask, cfg.mask_noise, run.seed)


def road_scores(cfg: RouteConfig, model: Model, of: list[Region], run: Run) -> dict[str, float]:
    """F1, IoU, precision and recall over the pixels of all regions that have a mask."""
    counts = metrics.Counts()
    for region in of:
        if region.mask is not None:
            counts = counts + metrics.count(road_map(cfg, model.net, region, run), region.mask)
    return counts.scores()


def load(cfg: RouteConfig, checkpoint: Path, device: str) -> Model:
    """The networks of a checkpoint.

    Raises:
        AssayError: not a checkpoint, or one of another network.
    """
    saved = kit_checkpoint.load(checkpoint, device)["state"]
    net = build(cfg)
    try:
        net.load_state_dict(saved["net"])
    except (KeyError, RuntimeError) as error:
        raise AssayError(
            f"{checkpoint} holds another network than model={cfg.model}, width={cfg.width}",
            "Give the settings that it was trained with",
            code="other_architecture",
        ) from error
    return Model(net.to(device).eval())


def evaluate(cfg: RouteConfig, model: Model, data: Split, run: Run) -> dict[str, float | Absent]:
    """Roads of the held-out regions."""
    return {
        **road_scores(cfg, model, data.val, run),
        "nonfinite_steps": float(run.nonfinite_steps),
    }


def infer(cfg: RouteConfig, model: Model, out: Path, run: Run) -> list[Path]:
    """The road probability of every region as a grey image."""
    return [
        write_png(out / f"road_prob_{i}.png", road_map(cfg, model.net, region, run))
        for i, region in enumerate(data(cfg, run).val)
    ]


def visualise(cfg: RouteConfig, model: Model, data: Split, out: Path, run: Run) -> list[Path]:
    """The image beside its road probability."""
    return [
        write_png(out / f"roads_{i}.png", road_map(cfg, model.net, region, run))
        for i, region in enumerate(data.val)
    ]
