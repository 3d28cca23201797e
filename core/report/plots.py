"""Pictures of a study: PNG at 150 dpi, each with its data beside it as CSV. matplotlib on Agg."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import stats
from core.contract import Metric
from core.report import table
from core.report.groups import Comparison, Group
from core.report.groups import tidy as tidy_groups
from core.report.numbers import column
from core.report.trials import Search, feasible, importance
from core.report.trials import tidy as tidy_trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 150
GREY, BLUE, ORANGE = "#8a8a8a", "#0072b2", "#d55e00"  # Okabe and Ito: told apart by all eyes
BESIDE = 4  # panels in a row
STANDING = 12  # arms whose names fit below an axis
CAPTION = "dots: runs; bars: mean with its one-sided 95 % bounds; grey: what it is compared with"
STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@contextmanager
def _figure(path: Path, width: float, height: float, rows: int = 1, cols: int = 1) -> Iterator[Any]:
    """A grid of axes that is saved at the end; global state stays as it is."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure.subplots(rows, cols, squeeze=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI)


def comparison(study: Comparison, folder: Path, name: str) -> list[Path]:
    """Every metric by arm: seeds as dots, mean and its two one-sided 95 % bounds as a bar."""
    metrics = study.telling
    if not metrics:
        return []
    cols = min(len(metrics), BESIDE)
    rows = math.ceil(len(metrics) / cols)
    lying = len(study.groups) > STANDING  # arms below each other, with room for their names
    width, height = 0.9 + 2.1 * cols, 0.7 + 2.2 * rows
    if lying:
        names = 0.065 * max(len(g.label) for g in study.groups)
        width, height = (
            max(5.4, names + 0.4 + 2.1 * cols),
            0.7 + (0.5 + 0.15 * len(study.groups)) * rows,
        )
    path = folder / f"{name}.png"
    with _figure(path, width, height, rows, cols) as axes:
        for i, (at, metric) in enumerate(zip(axes.flat, metrics, strict=False)):
            _by_arm(at, study, metric, lying)
            if lying and i % cols:
                at.set_yticklabels([])
        for empty in axes.flat[len(metrics) :]:
            empty.set_axis_off()
        axes.flat[0].figure.suptitle(study.title, fontsize=9)
        axes.flat[0].figure.supxlabel(CAPTION, fontsize=7, color=GREY)
    return [path, _beside(path, table.csv(tidy_groups(study)))]


def _by_arm(axes: Axes, study: Comparison, metric: Metric, lying: bool) -> None:
    groups = [g for g in study.groups if lying or g.values(metric.name)]  # rows are shared
    for place, group in enumerate(groups):
        _arm(axes, place, group, metric, GREY if group is study.reference else BLUE, lying)
    ticks, labels = range(len(groups)), [g.label for g in groups]
    line, ends = axes.axvline if lying else axes.axhline, (-0.6, len(groups) - 0.4)
    if study.reference and study.reference.values(metric.name):
        centre = stats.mean(list(study.reference.values(metric.name).values())).point
        line(centre, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    if lying:
        axes.set_yticks(ticks, labels)
        axes.set_ylim(*ends[::-1])
        axes.grid(axis="x")
    else:
        axes.set_xticks(ticks, labels, rotation=30, ha="right")
        axes.set_xlim(*ends)
    axes.set_title(column(metric), fontsize=8)


def _arm(axes: Axes, place: float, group: Group, metric: Metric, colour: str, lying: bool) -> None:
    values = [v for v in group.values(metric.name).values() if math.isfinite(v)]
    if not values:
        return
    offsets = [0.16 + 0.07 * (i - (len(values) - 1) / 2) for i in range(len(values))]
    dots = [place + o for o in offsets], values
    axes.scatter(*(dots[::-1] if lying else dots), s=9, color=colour, alpha=0.55, linewidths=0)
    estimate = stats.mean(values)
    reach = estimate.high - estimate.point if estimate.high > estimate.point else 0.0
    mark: dict[str, Any] = {"fmt": "o", "ms": 4, "color": colour, "capsize": 2.5}
    if lying:
        mark |= {"ms": 2.5, "capsize": 1.5, "elinewidth": 0.9}
        axes.errorbar(estimate.point, place - 0.1, xerr=reach, **mark)
    else:
        axes.errorbar(place - 0.1, estimate.point, yerr=reach, **mark)


def search(found: Search, folder: Path, name: str) -> list[Path]:
    """History of the search with the best so far, and the importance of the parameters."""
    if not found.ranked:
        return []
    draw = _front if len(found.objectives) > 1 else _history
    path = folder / f"{name}_history.png"
    with _figure(path, 5.2, 3.0) as axes:
        draw(axes[0, 0], found)
        axes[0, 0].set_title(found.title, fontsize=9)
    made = [path, _beside(path, table.csv(tidy_trials(found)))]
    shares = importance(found.study)
    return made + (_importance(shares, found, folder / f"{name}_importance.png") if shares else [])


def _history(axes: Axes, found: Search) -> None:
    metric = found.objectives[0]
    better = max if metric.direction == "max" else min
    by_number = sorted(found.ranked, key=lambda t: t.number)
    good = [t for t in by_number if feasible(t)]
    _dots(axes, found, [(t.number, t.values[0], feasible(t)) for t in by_number])
    best: list[float] = []
    for trial in good:
        best.append(better([*best[-1:], trial.values[0]]))
    last = by_number[-1].number
    xs = [t.number for t in good]
    if good:
        axes.step([*xs, last], [*best, best[-1]], where="post", color=ORANGE, label="best so far")
    axes.set_xlabel("trial")
    axes.set_ylabel(column(metric))
    axes.legend(fontsize=7, loc="best")


def _front(axes: Axes, found: Search) -> None:
    """The first two objectives against each other, the Pareto front joined."""
    _dots(axes, found, [(t.values[0], t.values[1], feasible(t)) for t in found.ranked])
    front = sorted((t.values[0], t.values[1]) for t in found.study.best_trials)
    if front:
        axes.plot(*zip(*front, strict=True), color=ORANGE, label="Pareto front", zorder=1)
    axes.set_xlabel(column(found.objectives[0]))
    axes.set_ylabel(column(found.objectives[1]))
    axes.legend(fontsize=7, loc="best")


def _dots(axes: Axes, found: Search, points: Sequence[tuple[float, float, bool]]) -> None:
    constrained = any(t.constraints for t in found.ranked)
    for wanted, label, face in ((True, "feasible", BLUE), (False, "not feasible", "none")):
        xy = [(x, y) for x, y, fits in points if fits == wanted]
        if xy:
            name = label if constrained else "trial"
            edge = BLUE if wanted else GREY
            xs, ys = zip(*xy, strict=True)
            axes.scatter(xs, ys, s=16, facecolor=face, edgecolor=edge, label=name)


def _importance(shares: dict[str, float], found: Search, path: Path) -> list[Path]:
    names = list(shares)[::-1]
    with _figure(path, 4.2, 0.8 + 0.28 * len(names)) as axes:
        axes[0, 0].barh(names, [shares[n] for n in names], color=BLUE, height=0.6)
        axes[0, 0].grid(visible=False)
        good = " and ".join(m.name for m in found.objectives)
        axes[0, 0].set_xlabel(f"share in what makes {good} good (PED-ANOVA)")
    rows = tuple((n, repr(v)) for n, v in shares.items())
    return [path, _beside(path, table.csv([table.Table("", ("parameter", "share"), rows)]))]


def _beside(path: Path, content: str) -> Path:
    beside = path.with_suffix(".csv")
    beside.write_text(content + "\n")
    return beside
