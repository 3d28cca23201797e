"""What a run says of itself beside its metrics: report.json, a line a step, distances as JSON."""

from __future__ import annotations

import json
import math
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tasks.route import routing, ways
from tasks.route.clock import Clock
from tasks.route.config import RouteConfig
from tasks.route.grid import pool
from tasks.route.model import Model
from tasks.route.scene import Scene
from tasks.route.ways import Way

Row = dict[str, float]


def line(row: Mapping[str, float]) -> str:
    """A step as the seed prints it."""
    shown = [f"step {row['step']:g}"]
    shown += [
        f"{name} {row[name]:.6g}"
        for name in ("loss", "dist", "sat_ratio", "max_pred", "n_valid", "alpha", "gamma", "gate")
        if name in row
    ]
    return "  ".join(shown)


def peak_mib() -> float:
    """Most memory that this process ever held, MiB."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1024 if sys.platform != "darwin" else used / 2**20


@torch.no_grad()
def targets(
    cfg: RouteConfig, found: routing.Found, asked: Scene, traced: Sequence[Way | None]
) -> list[dict[str, Any]]:
    """Every target: where it is, T, straight line, prediction, truth and error, and the way."""
    rows = []
    for k, (y, x) in enumerate(asked.query.tgt.tolist()):
        gt = float(asked.query.gt[k])
        pred = float(found.pred[k])
        row: dict[str, Any] = {
            "y": y,
            "x": x,
            "reached": bool(found.reached[k]),
            "T": _finite(float(found.T[k])),
            "euclid_px": float(found.euclid[k]),
            "pred_px": pred,
            "gt_px": _finite(gt),
        }
        if math.isfinite(gt):
            row |= {"error_px": pred - gt, "rel_error": (pred - gt) / gt if gt else None}
        if (way := traced[k]) is not None:
            row |= {"way_px": way.length_px, "way_m": way.length_m, "way_on_road": way.on_road}
            if cfg.endpoint == "offset" and found.reached[k]:
                row["T_pixel"] = float(found.T[k]) + way.offset
        rows.append(row)
    return rows


def learned(
    cfg: RouteConfig, model: Model, asked: Scene, traced: Sequence[Way | None]
) -> dict[str, float | None] | None:
    """What learning did to the map: pixels changed, by how much, and p along the ways to targets.

    None where no map is learned. Along the ways (those on the learned map) p is that of cells.
    """
    if model.prob is None:
        return None
    change = model.prob.change()
    cells = [way.cells for way in traced if way is not None]
    found: dict[str, float | None] = {
        "touched_px": change.touched,
        "mean_change": change.mean,
        "max_change": change.greatest,
    }
    for name, prob in (("before", asked.prob), ("after", model.seen(asked.prob))):
        grid = pool(torch.from_numpy(prob)[None], cfg.downsample, routing.pooling(cfg))[0].numpy()
        along = grid[tuple(np.concatenate(cells).T)] if cells else np.empty(0)
        found[f"p_along_ways_{name}"] = float(along.mean()) if along.size else None
    return found


def said(rows: Sequence[Mapping[str, Any]], meta: Mapping[str, Any]) -> list[str]:
    """An answer as lines for people: each target's distance and way; then the solve (tube_meta)."""
    lines = []
    for k, row in enumerate(rows, 1):
        parts = [f"target {k} at {row['y']},{row['x']}: {row['pred_px']:.0f} px"]
        parts.append(f"T {row['T']:.0f}" if row["reached"] else "not reached")
        parts.append(f"line {row['euclid_px']:.0f}")
        if row["gt_px"] is not None:
            parts.append(f"true {row['gt_px']:.0f}, error {row['error_px']:+.0f}")
        if "way_px" in row:
            metres = "" if row["way_m"] is None else f" = {row['way_m']:.0f} m"
            road = "" if row["way_on_road"] is None else f", {row['way_on_road']:.0%} on road"
            parts.append(f"way {row['way_px']:.0f} px{metres}{road}")
        lines.append("  ".join(parts))
    known = {k: v for k, v in meta.items() if v not in (None, "")}
    shown = (f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in known.items())
    return [*lines, f"solve: {', '.join(shown)}"]


def _finite(value: float) -> float | None:
    """JSON knows no inf and no NaN."""
    return value if math.isfinite(value) else None


def distances(cfg: RouteConfig, model: Model, asked: Scene, path: Path) -> Path:
    """The answer to a question as JSON."""
    prob = torch.from_numpy(model.seen(asked.prob))
    with torch.no_grad():
        found = routing.answer(cfg, model.router, prob, asked.query)
    y, x = asked.query.src.tolist()
    rows = targets(
        cfg, found, asked, ways.of(cfg, found, asked._replace(prob=model.seen(asked.prob)))
    )
    content = {"src": {"y": y, "x": x}, "targets": rows, **found.meta}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, default=_plain))
    return path


def write(path: Path, content: Mapping[str, Any]) -> Path:
    """The report; numbers of NumPy and torch become plain, paths text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, default=_plain))
    return path


def timed(path: Path, clock: Clock) -> list[Path]:
    """Bring the seconds of a report that is there up to date; no report is no error."""
    if not path.exists():
        return []
    content = json.loads(path.read_text())
    return [write(path, content | {"timing": clock.report()})]


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, torch.Tensor)):
        return value.item()
    return str(value)
