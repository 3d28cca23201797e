"""What a run shows: its loss curves, its maps beside the labels, its table of figures."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from core.contract import Run
from core.kit.figure import BASELINE, Line, curves, heat_sheet
from tasks.circuitnet import evaluation, history
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.dataset import Data
from tasks.circuitnet.evaluation import MODEL, Scored
from tasks.circuitnet.maps import upright
from tasks.circuitnet.network import Network
from tasks.circuitnet.published import PUBLISHED

SHOWN = 4  # designs in the gallery
RANKS = {"best": 0.0, "median": 0.5, "worst": 1.0}  # place in the order of NRMS
FEATURES = {
    "congestion_gpdl": ("macros", "RUDY", "RUDY pins"),
    "drc_routenet": (
        *("macros", "cells", "RUDY long", "RUDY short", "pins long"),
        *("eGR H", "eGR V", "GR H", "GR V"),
    ),
}


def draw(cfg: CircuitnetConfig, network: Network, data: Data, out: Path, run: Run) -> list[Path]:
    """All pictures and tables of a run below `out`."""
    out.mkdir(parents=True, exist_ok=True)
    scored = evaluation.score(cfg, network, data)
    made = [
        *loss_curves({"": run.dir}, out),
        *(rates(scored, out) if cfg.plot_roc or cfg.task == "drc_routenet" else []),
        compare(network, data, scored, out),
        gallery(cfg, data, out),
        *table(scored, cfg.eval_metric, out),
    ]
    return made


def loss_curves(runs: dict[str, Path], out: Path) -> list[Path]:
    """loss_linear.png, loss_log.png and validation.png of runs; nothing of untrained ones."""
    lines: list[Line] = []
    scores: dict[str, list[Line]] = {"NRMS": [], "SSIM": []}
    for i, (name, folder) in enumerate(runs.items()):
        step, *loss = history.read(folder / history.NAME)
        if step:
            lines.append(Line(name or "training", step, loss[0], f"C{i}"))
        step, *values = history.read(folder / history.SCORES)
        for metric, value in zip(scores, values, strict=True):
            if step:
                line = Line(name or "validation", step, value, f"C{i}", "-", "o")
                scores[metric].append(line)
    made = []
    for kind in ("linear", "log") if lines else ():
        panel, title = {"weighted loss": lines}, "Training loss, means of windows"
        path = out / f"loss_{kind}.png"
        made.append(curves(path, panel, x_label="step", title=title, log=kind == "log"))
    if scores["NRMS"]:
        title = "Validation along the checkpoints"
        made.append(curves(out / "validation.png", scores, x_label="step", title=title))
    return made


def compare(network: Network, data: Data, scored: Scored, out: Path) -> Path:
    """maps.png: the best, median and worst test map: RUDY or macros, label, prediction, error."""
    order = np.argsort(scored.by[MODEL]["nrms"])  # NaN, an exact map, comes last: it has no rank
    order = order[: int(np.isfinite(scored.by[MODEL]["nrms"]).sum())]
    cells: list[np.ndarray] = []
    labels: list[str] = []
    for rank, place in RANKS.items():
        i = int(order[round(place * (len(order) - 1))])
        feature, label = data.test.maps([i])
        (pred,) = data.test.predict(network.predict, [i], feature)
        cells += [upright(a) for a in (label[0, 0], pred, np.abs(pred - label[0, 0]))]
        nrms = scored.by[MODEL]["nrms"][i]
        labels += [f"{rank}: {data.test.names[i][:20]}", f"model, NRMS {nrms:.3f}", "|error|"]
    title = "Label, prediction and error; y upwards"
    return heat_sheet(
        out / "maps.png",
        cells,
        labels,
        columns=3,
        limit=1.0,
        unit="congestion, share of the map's largest",
        title=title,
    )


def gallery(cfg: CircuitnetConfig, data: Data, out: Path) -> Path:
    """gallery.png: features and label of the first test maps."""
    cells: list[np.ndarray] = []
    labels: list[str] = []
    names = [*FEATURES[cfg.task], "label"]
    for i in range(min(SHOWN, len(data.test))):
        feature, (_, label) = data.test.feature(i), data.test.one(i)
        cells += [upright(np.clip(a, 0, 1)) for a in (*feature, label[0])]
        labels += names
    title = f"Features and label of {len(cells) // len(names)} test maps"
    return heat_sheet(
        out / "gallery.png",
        cells,
        labels,
        columns=len(names),
        limit=1.0,
        unit="as the network sees them",
        title=title,
    )


def rates(scored: Scored, out: Path) -> list[Path]:
    """roc.png, prc.png and their data."""
    curve = scored.curve
    chance = Line("chance", [0, 1], [0, 1], BASELINE, "--")
    roc = Line(f"model, area {curve.roc_auc:.3f}", curve.fpr.tolist(), curve.tpr.tolist())
    prc = Line(f"model, area {curve.prc_auc:.3f}", curve.tpr.tolist(), curve.precision.tolist())
    with (out / "rates.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("threshold", "fpr", "tpr_recall", "precision"))
        rows.writerows(zip(curve.threshold, curve.fpr, curve.tpr, curve.precision, strict=True))
    return [
        curves(
            out / "roc.png",
            {"true positive rate": [chance, roc]},
            x_label="false positive rate",
            title="Hot gcells: ROC, mean of the maps",
        ),
        curves(
            out / "prc.png",
            {"precision": [prc]},
            x_label="recall",
            title="Hot gcells: precision and recall",
        ),
        out / "rates.csv",
    ]


def table(scored: Scored, columns: Sequence[str], out: Path) -> list[Path]:
    """comparison.md and comparison.csv: the model, trivial predictors, and published figures."""
    here = "this run's test maps"
    rows = [(who, here, *_cells(means, columns)) for who, means in scored.means.items()]
    rows += [(p.name, f"published: {p.source}", *_cells(p.metrics, columns)) for p in PUBLISHED]
    head = ("predictor", "measured on", *columns)
    with (out / "comparison.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])
    lines = ["# This run beside what needs no network", "", markdown(head, rows[: len(scored.by)])]
    lines += ["", "# Published by others, on their data: not measured here, not comparable", ""]
    lines += [markdown(head, rows[len(scored.by) :]), ""]
    (out / "comparison.md").write_text("\n".join(lines))
    return [out / "comparison.csv", out / "comparison.md"]


def _cells(values: Mapping[str, float], columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{values[name]:.4f}" if name in values else "" for name in columns)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as GitHub reads it."""
    ruled = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in ruled)
