"""Pictures of a run: routes before and after, the field T, the tube, the map and its change."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.kit import figure
from core.kit.io import write_png
from tasks.route import measure, overlay, regions, report, routing
from tasks.route.config import RouteConfig
from tasks.route.eikonal import solve, trace
from tasks.route.grid import grid_shape, path_pixels, to_cells
from tasks.route.model import Model
from tasks.route.multigrid import tube_around
from tasks.route.overlay import Route
from tasks.route.regions import Region
from tasks.route.routing import Router
from tasks.route.scene import Scene
from tasks.route.segment import Map

SHOWN = 4  # targets of an example from a data set
DOTS = 200  # a side of the picture of a map's change


def example(cfg: RouteConfig, region: Region, prob: Map) -> Scene:
    """The first case of a held-out region, with its farthest targets."""
    (query,) = measure.questions(cfg, region, 1)
    far = np.argsort(-query.gt, kind="stable")[:: max(1, len(query.gt) // SHOWN)][:SHOWN]
    return Scene(
        region, prob, query._replace(tgt=query.tgt[far], gt=query.gt[far], valid=query.valid[far])
    )


def all_of(cfg: RouteConfig, model: Model, before: Router, asked: Scene, out: Path) -> list[Path]:
    """Everything for people."""
    prob = model.seen(asked.prob)
    made = routes(cfg, before, asked, out, "route_before")
    made += routes(cfg, model.router, asked._replace(prob=prob), out, "route_after")
    made += grids(cfg, model.router, asked._replace(prob=prob), out)
    if model.prob is not None:
        made.append(change(out / "route_diff.png", prob - asked.prob))
    return made


def copy(made: Sequence[Path], folder: Path) -> None:
    """A second copy of each file (save_debug)."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in made:
        shutil.copyfile(path, folder / path.name)


def traced(
    cfg: RouteConfig, router: Router, asked: Scene
) -> tuple[list[Route], NDArray[np.floating]]:
    """The way to every target by the exact solver on the grid `vis_ds`, in pixels; and T."""
    ds = min(cfg.vis_ds, *asked.prob.shape)
    src, tgt = routing.points(asked.query)
    with torch.no_grad():
        cost = router.grid_cost(cfg, torch.from_numpy(asked.prob), ds).cpu()
        way = routing.options(cfg, ds, early_stop=True)
        cells = to_cells(tgt, ds)
        T = solve(cost[None], to_cells(src, ds)[None, None], way, until=cells[None]).T[0].numpy()
        found = routing.answer(cfg, router, torch.from_numpy(asked.prob), asked.query)
    made = []
    for k, (y, x) in enumerate(cells.tolist()):
        target = (int(tgt[k, 0]), int(tgt[k, 1]))
        points = np.empty((0, 2))
        if np.isfinite(T[y, x]):
            path = trace(T, cost.numpy(), (y, x), ds)
            points = path_pixels(path, ds, target, (int(src[0]), int(src[1])))
        made.append(
            Route(points, target, _label(k, float(found.pred[k]), float(asked.query.gt[k])))
        )
    return made, T


def _label(k: int, pred: float, gt: float) -> str:
    """`1: 812 px, true 790, +2.8 %`."""
    if not np.isfinite(gt) or gt <= 0:
        return f"{k + 1}: {pred:.0f} px"
    return f"{k + 1}: {pred:.0f} px, true {gt:.0f}, {100 * (pred - gt) / gt:+.1f} %"


def routes(cfg: RouteConfig, router: Router, asked: Scene, out: Path, name: str) -> list[Path]:
    """The overlay, and its paths as GeoJSON in map coordinates (pixels where it has none)."""
    found, _ = traced(cfg, router, asked)
    y, x = asked.query.src.tolist()
    rgb = asked.region.picture.rgb
    made = [overlay.save(out / f"{name}.png", overlay.overlay(rgb, asked.prob, (y, x), found))]
    if cfg.vis_full_route and overlay.large(rgb):
        fine = overlay.overlay(rgb, asked.prob, (y, x), found, overlay.FINE)
        made.append(write_png(out / f"{name}_full.png", fine))
    return [*made, geojson(out / f"{name}_paths.geojson", asked, found)]


def geojson(path: Path, asked: Scene, found: list[Route]) -> Path:
    """Paths from source to target as LineStrings, with length in metres where that is known."""
    geo = asked.region.picture.geo
    metres = regions.metres(geo, asked.region.cases)
    features = []
    for route in found:
        line = route.points[::-1]
        at = [geo.to_map(y, x) if geo else (x, y) for y, x in line.tolist()]
        steps = np.diff(line, axis=0)
        about: dict[str, object] = {"label": route.label}
        about["length_px"] = float(np.hypot(*steps.T).sum())
        if metres:
            about["length_m"] = float(np.hypot(*(steps * metres).T).sum())
        shape = {"type": "LineString", "coordinates": at}
        features.append({"type": "Feature", "properties": about, "geometry": shape})
    content: dict[str, object] = {"type": "FeatureCollection", "features": features}
    if geo and geo.epsg:
        name = f"urn:ogc:def:crs:EPSG::{geo.epsg}"
        content["crs"] = {"type": "name", "properties": {"name": name}}
    return report.write(path, content)


def grids(cfg: RouteConfig, router: Router, asked: Scene, out: Path) -> list[Path]:
    """T, and the tube where there is one."""
    found, T = traced(cfg, router, asked)
    y, x = asked.query.src.tolist()
    made = [
        overlay.field(out / "T_field.png", T, min(cfg.vis_ds, *asked.prob.shape), (y, x), found)
    ]
    with torch.no_grad():
        solved = routing.answer(cfg, router, torch.from_numpy(asked.prob), asked.query)
        if solved.meta.get("use_tube"):
            cost, inside = solved.cost.cpu().numpy(), tube(cfg, router, asked)
            made.append(overlay.tube(out / "tube.png", cost, inside, cfg.downsample, (y, x), found))
    return made


def tube(cfg: RouteConfig, router: Router, asked: Scene) -> NDArray[np.bool_]:
    """The cells of the tube: around the coarse paths to all targets."""
    wide = cfg.downsample * cfg.mg_factor
    src, tgt = routing.points(asked.query)
    cost = router.grid_cost(cfg, torch.from_numpy(asked.prob), wide).cpu()
    cells = to_cells(tgt, wide)
    way = routing.options(cfg, wide, early_stop=True)
    T = solve(cost[None], to_cells(src, wide)[None, None], way, until=cells[None]).T[0].numpy()
    ends = [(y, x) for y, x in cells.tolist() if np.isfinite(T[y, x])]
    paths = [trace(T, cost.numpy(), end, wide).points for end in ends]
    height, width = grid_shape(*asked.region.size, cfg.downsample)
    box = tube_around(paths, (height, width), cfg.mg_factor, routing.tube_options(cfg))
    inside = np.zeros((height, width), bool)
    part = np.s_[box.y0 : box.y0 + box.height, box.x0 : box.x0 + box.width]
    inside[part] = True if box.free is None else box.free
    return inside


def change(path: Path, difference: NDArray[np.floating]) -> Path:
    """What learning changed in the probability: red fell, blue rose, on one symmetric scale.

    Single pixels change (of each cell its most probable one), which a picture of a large image
    would lose: a dot shows the greatest change of a square of pixels.
    """
    height, width = difference.shape
    side = -(-max(height, width) // DOTS)
    shown = greatest(difference, side)
    limit = max(float(np.abs(difference).max()), 1e-6)
    drawing = figure.canvas(*overlay.sheet(height, width))
    axes = drawing.add_subplot()
    rows, columns = shown.shape
    extent = (-0.5, columns * side - 0.5, rows * side - 0.5, -0.5)
    image = axes.imshow(shown, cmap="RdBu", vmin=-limit, vmax=limit, extent=extent)
    of = f", the greatest of {side} x {side} pixels" if side > 1 else ""
    axes.set(xlabel="x (px)", ylabel="y (px)", title=f"Change of the road probability{of}")
    drawing.colorbar(image, ax=axes, label="after - before")
    return figure.save(drawing, path)


def greatest(values: NDArray[np.floating], side: int) -> NDArray[np.floating]:
    """Of each square of side x side values the one farthest from 0; the last may be cut."""
    height, width = values.shape
    padded = np.pad(values, ((0, -height % side), (0, -width % side)))
    squares = padded.reshape(padded.shape[0] // side, side, -1, side).swapaxes(1, 2)
    flat = squares.reshape(*squares.shape[:2], side * side)
    far = np.abs(flat).argmax(-1)[..., None]
    out: NDArray[np.floating] = np.take_along_axis(flat, far, -1)[..., 0]
    return out


def probability(out: Path, prob: Map, name: str) -> list[Path]:
    """The map as numbers and as a grey image."""
    stem = f"road_prob_{name.replace('/', '_')}"
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / f"{stem}.npy", prob)
    return [out / f"{stem}.npy", write_png(out / f"{stem}.png", prob)]
