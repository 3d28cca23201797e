"""Further commands: `assay do route <tool> -o key=value`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from core.contract import Run
from core.kit import checkpoint
from core.kit.seed import everything
from tasks.route import gradcheck as gradients
from tasks.route import lines, maps, pictures, regions, report, routing, work
from tasks.route.config import RouteConfig
from tasks.route.grid import pool, to_cells
from tasks.route.log import say
from tasks.route.losses import straight
from tasks.route.models import samfile
from tasks.route.models.build import NoNetwork, trained
from tasks.route.models.samroad import CELL
from tasks.route.regions import Plan


def synth(
    cfg: RouteConfig,
    run: Run,
    *,
    out: str,
    size: int = 3000,
    width: int = 0,
    seed: int = 0,
    cities: int = 4,
    one_component: bool = True,
) -> list[Path]:
    """Generated cities as a data set in the users' layout: tif, masks, distances.

    `regions`, `city_pitch`, `width_scale`, `occlusion` and `npz_variant` are the config's.
    """
    plan = Plan(
        size,
        cfg.city_pitch,
        cfg.width_scale,
        cfg.occlusion,
        regions.CASES[cfg.npz_variant],
        width,
        one_component,
    )
    made: list[Path] = []
    names = [f"city{c}/region{r}" for c in range(cities) for r in range(cfg.regions)]
    for i, name in enumerate(names):
        region, skeleton = regions.generate(plan, seed, name)
        made += regions.write_region(region, skeleton, plan, seed, Path(out))
        run.progress(i + 1, len(names), name)
    return made


def import_lines(
    cfg: RouteConfig,
    run: Run,
    *,
    tif: str,
    geojson: str,
    out: str = "",
    road_px: int = 24,
    seed: int = 0,
) -> list[Path]:
    """Road lines (GeoJSON) over the image `tif`: mask, centre lines, distances beside it or in out.

    Raises:
        AssayError: lines and image that do not meet.
    """
    folder = Path(out) if out else Path(tif).parent
    return lines.write(Path(tif), Path(geojson), folder, road_px, seed)


def convert_ckpt(cfg: RouteConfig, run: Run, *, source: str, out: str) -> list[Path]:
    """A SAM-Road file as plain tensors: LoRA folded in, other people's objects left out."""
    everything(run.seed)
    found = samfile.open_file(Path(source), cfg.patch // CELL)
    state = {**found.net.state_dict(), **found.scalars}
    checkpoint.save_plain(Path(out), {"state_dict": state})
    return [Path(out)]


def gradcheck(cfg: RouteConfig, run: Run, *, cells: int = 100) -> Path:
    """The adjoint against central differences on the question of the config; a table and its JSON.

    Of one image the map is that of its network or mask; without one a generated city's is worsened.

    Raises:
        AssayError: a derivative is off by more than 1e-4 (relative).
    """
    held = work.data(cfg, run)
    router = routing.Router(cfg)
    if cfg.whole:
        given = trained(cfg)
        router = routing.Router(cfg, given.scalars)
        asked = work.question(cfg, given.net.to(run.device), held, run)
    else:
        masked = cfg.model_copy(update={"model": "mask", "mask_noise": cfg.mask_noise or 0.5})
        prob = maps.of(masked, NoNetwork(), held.test[0], run).prob
        asked = pictures.example(cfg, held.test[0], prob)
    src, tgt = routing.points(asked.query)
    gt = np.where(np.isfinite(asked.query.gt), asked.query.gt, asked.query.euclid)
    found = gradients.check(
        pool(torch.from_numpy(asked.prob)[None], cfg.downsample, routing.pooling(cfg)),
        to_cells(src, cfg.downsample)[None, None],
        to_cells(tgt, cfg.downsample)[None],
        straight(src[None], tgt[None]),
        torch.from_numpy(gt)[None],
        router.cost,
        router.gate,
        routing.options(cfg, cfg.downsample),
        routing.loss_options(cfg),
        cells=cells,
        seed=run.seed,
        progress=lambda done, total: run.progress(done, total, "cells"),
    )
    say(found.table())
    path = report.write(
        run.dir / "gradcheck.json",
        {"ok": found.ok, "limit": found.limit, "rows": [row._asdict() for row in found.rows]},
    )
    found.demand()
    return path
