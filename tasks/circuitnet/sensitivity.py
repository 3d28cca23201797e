"""What quantisation costs one network: every precision, target and module, and every layer alone.

`assay do circuitnet sensitivity --run <run>` measures the whole matrix on the test maps and writes
table, charts and conclusions. Everything said is computed; nothing is said that the intervals over
maps do not support.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.contract import Run
from tasks.circuitnet import charts, dataset, metrics, network, quantise
from tasks.circuitnet.bootstrap import Interval, paired
from tasks.circuitnet.charts import Bar, Point
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.evaluation import Scores, scored
from tasks.circuitnet.model import build
from tasks.circuitnet.pictures import markdown

PRECISIONS = tuple(quantise.FORMATS)
TARGETS = ("weights", "activations", "both")
FLAVOURS = ("seed", "standard")
LEAF = ("INT4", "weights")  # what single layers are quantised as
NAMES = ("nrms", "ssim")


class Row(NamedTuple):
    """One way to quantise, as measured."""

    flavour: str
    precision: str
    target: str
    module: str
    nrms: float
    ssim: float
    dnrms: Interval  # from float32, positive is worse
    dssim: Interval  # from float32, negative is worse
    weight_kb: float
    scores: Scores


def sensitivity(
    cfg: CircuitnetConfig,
    run: Run,
    *,
    ckpt: str,
    out: str = "",
    flavours: Sequence[str] = FLAVOURS,
    precisions: Sequence[str] = PRECISIONS,
    leaves: bool = True,
) -> list[Path]:
    """Measure the matrix and write sensitivity.csv, conclusions.md and the charts."""
    folder = Path(out) if out else run.dir / "sensitivity"
    folder.mkdir(parents=True, exist_ok=True)
    plain = cfg.model_copy(update={"precision": "FP32", "qat_steps": 0})
    test = dataset.read(plain, run.progress).test
    whole = network.load(plain, Path(ckpt), run.device)
    base = scored(whole, test, cfg.eval_batch, NAMES)
    ways = list(_ways(plain, flavours, precisions, leaves))
    rows = []
    for done, way in enumerate(ways, 1):
        loaded = network.load(way, Path(ckpt), run.device)
        rows.append(_row(way, base, scored(loaded, test, cfg.eval_batch, NAMES), loaded.bits))
        run.progress(done, len(ways), " ".join(rows[-1][:4]))
    return [
        table(rows, base, folder / "sensitivity.csv"),
        *draw(rows, base, whole.bits / 8192, folder),
        _write(folder / "conclusions.md", report(rows, base)),
    ]


def _ways(
    cfg: CircuitnetConfig, flavours: Sequence[str], precisions: Sequence[str], leaves: bool
) -> Iterator[CircuitnetConfig]:
    model = build(cfg)
    parts = [p for p in quantise.PARTS if hasattr(model, p)]
    modules = itertools.product(flavours, precisions, TARGETS, [*parts, "all"])
    layers = quantise.leaves(model) if leaves else []
    alone = ((flavour, *LEAF, leaf) for flavour in flavours for leaf in layers)
    for flavour, precision, target, module in (*modules, *alone):
        chosen = {"quant_flavour": flavour, "precision": precision, "quant_target": target}
        yield cfg.model_copy(update={**chosen, "quant_module": module})


def _row(cfg: CircuitnetConfig, base: Scores, found: Scores, bits: int) -> Row:
    means = {name: m.value for name, m in metrics.summary(found, "compat").items()}
    return Row(
        cfg.quant_flavour,
        cfg.precision,
        cfg.quant_target,
        cfg.quant_module,
        means["nrms"],
        means["ssim"],
        paired(found["nrms"], base["nrms"]),
        paired(found["ssim"], base["ssim"]),
        bits / 8192,
        found,
    )


def table(rows: Sequence[Row], base: Scores, path: Path) -> Path:
    """sensitivity.csv: one row a way, with intervals."""
    head = ["flavour", "precision", "target", "module", *NAMES]
    head += [f"d{name}{end}" for name in NAMES for end in ("", "_low", "_high")]
    means = metrics.summary(base, "compat")
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([*head, "weight_kb"])
        out.writerow(["", "FP32", "", "", *(repr(means[name].value) for name in NAMES)])
        for r in rows:
            out.writerow([*map(str, r[:4]), *map(repr, (*r[4:6], *r.dnrms, *r.dssim, r.weight_kb))])
    return path


def draw(rows: Sequence[Row], base: Scores, float_kb: float, folder: Path) -> list[Path]:
    """Bars of the SSIM drop by module and by layer, the matrix, and size against quality."""
    made = []
    flavours = list(dict.fromkeys(r.flavour for r in rows))
    leaves = [r for r in rows if "." in r.module]
    whole = [r for r in rows if "." not in r.module]
    names = list(dict.fromkeys(r.module for r in whole))
    for what, some, label in (("modules", whole, _short), ("layers", leaves, _leaf)):
        if some:
            panels = {f: [_bar(r, label(r)) for r in some if r.flavour == f] for f in flavours}
            title = f"What quantising {what} costs: SSIM lost, 95 % over maps"
            path = folder / f"sensitivity_{what}.png"
            made.append(charts.bars(path, panels, label="SSIM lost", title=title))
    columns = [(t, m) for t in TARGETS for m in names]
    lines = list(dict.fromkeys((r.flavour, r.precision) for r in whole))
    ssim = {(r.flavour, r.precision, r.target, r.module): r.ssim for r in whole}
    cells = [[ssim.get((*line, *column), np.nan) for column in columns] for line in lines]
    made.append(
        charts.matrix(
            folder / "matrix.png",
            np.array(cells),
            [" ".join(line) for line in lines],
            [" ".join(column) for column in columns],
            label="SSIM",
            title="SSIM of the quantised network on the test maps",
        )
    )
    plain = metrics.summary(base, "compat")["ssim"].value
    points = [Point("FP32", float_kb, plain, 0.1, "FP32")] + [
        Point(
            *(r.precision, r.weight_kb, r.ssim, 0.1, r.flavour),
            reach=(plain + r.dssim.low, plain + r.dssim.high),
        )
        for r in whole
        if (r.target, r.module) == ("weights", "all")
    ]
    title = "Weights of the whole network: size and quality; 95 % of the difference from FP32"
    path = folder / "size_quality.png"
    made.append(charts.scatter(path, points, x_label="weights, KiB", y_label="SSIM", title=title))
    return made


def _bar(row: Row, name: str) -> Bar:
    return Bar(name, -row.dssim.point, -row.dssim.high, -row.dssim.low)


def _short(row: Row) -> str:
    return f"{row.precision} {row.target} {row.module}"


def _leaf(row: Row) -> str:
    return row.module


def report(rows: Sequence[Row], base: Scores) -> str:
    """conclusions.md: the table and what can be concluded from it."""
    means = metrics.summary(base, "compat")
    head = ("flavour", "precision", "target", "module", "NRMS", "SSIM", "ΔNRMS", "ΔSSIM")
    cells = [
        (*map(str, r[:4]), f"{r.nrms:.4f}", f"{r.ssim:.4f}", str(r.dnrms), str(r.dssim))
        for r in rows
    ]
    lines = [
        "# What quantisation costs this network",
        "",
        f"FP32: NRMS {means['nrms'].value:.4f}, SSIM {means['ssim'].value:.4f} on "
        f"{len(base['nrms'])} test maps. Differences are from FP32 over the same maps, with 95 % "
        "paired bootstrap intervals over maps; they say nothing about other training seeds.",
        "",
        *(f"- {line}" for line in conclusions(rows)),
        "",
        markdown(head, cells),
        "",
    ]
    return "\n".join(lines)


def conclusions(rows: Sequence[Row]) -> list[str]:
    """What the seed concluded, asked again of these numbers, for each flavour."""
    found = {(r.flavour, r.precision, r.target, r.module): r for r in rows}
    said: list[str] = []
    for flavour in dict.fromkeys(r.flavour for r in rows):

        def at(precision: str, target: str, module: str, flavour: str = flavour) -> Row | None:
            return found.get((flavour, precision, target, module))

        pairs = (
            (
                "INT4 weights, encoder and decoder",
                *(("INT4", "weights", m) for m in ("encoder", "decoder")),
            ),
            ("INT8 and FP8, all weights", *((p, "weights", "all") for p in ("INT8", "FP8"))),
            ("INT4 and FP4, all weights", *((p, "weights", "all") for p in ("INT4", "FP4"))),
            ("INT4, weights and activations", *(("INT4", t, "all") for t in TARGETS[:2])),
        )
        for title, one, two in pairs:
            a, b = at(*one), at(*two)
            if a and b:
                said.append(f"{flavour}: {title}: {compared(a, b)}")
        if free := [r for r in rows if r.flavour == flavour and not r.dssim.separable]:
            names = ", ".join(dict.fromkeys(_short(r) for r in free))
            said.append(f"{flavour}: not separable from FP32 in SSIM: {names}")
        layers = [r for r in rows if r.flavour == flavour and "." in r.module]
        if layers:
            worst = min(layers, key=lambda r: r.dssim.point)
            said.append(
                f"{flavour}: the layer whose {' '.join(LEAF)} cost most alone is {worst.module}: "
                f"SSIM {worst.dssim}"
                f"{'' if worst.dssim.separable else ', not separable from FP32'}"
            )
    seed, standard = (found.get((f, "INT4", "activations", "all")) for f in FLAVOURS)
    if seed and standard:
        said.append(f"INT4 activations, seed and standard flavour: {compared(seed, standard)}")
    return said


def compared(a: Row, b: Row) -> str:
    """Which of two ways keeps more SSIM, by how much, or that the maps do not tell."""
    apart = paired(a.scores["ssim"], b.scores["ssim"])
    names = [_told(r, a, b) for r in (a, b)]
    if not apart.separable:
        return f"not separable, SSIM differs by {apart}"
    better, worse = names if apart.point > 0 else names[::-1]
    return f"{better} keeps more SSIM than {worse}, by {abs(apart.point):.4f} ({apart})"


def _told(row: Row, a: Row, b: Row) -> str:
    """What sets a row apart from the other of the pair."""
    return " ".join(str(v) for v, x, y in zip(row[:4], a[:4], b[:4], strict=True) if x != y)


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
