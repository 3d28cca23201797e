"""The panels of a task's dashboard in W&B, each made from what the task declares."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from core.contract import Criterion, Metric, Space, Task, clauses
from core.errors import AssayError

VARIANT, STUDY = "assay.variant", "assay.study"
COST = ("train_s", "cpu_s", "peak_rss_mib")
RELATION = {"at_least": "≥", "at_most": "≤", "below": "<"}


class Part(NamedTuple):
    """Some panels under a heading."""

    name: str
    panels: list[Any]


def of(task: Task[Any]) -> list[Part]:
    """All of a task, in the order of a review: verdict, curves, search, pictures, cost."""
    parts = [
        Part("Acceptance", _acceptance(task)),
        Part("Ablation", _ablation(task)),
        Part("Losses", [_curve(f"loss/{one.name}", [f"loss/{one.name}"]) for one in task.losses]),
        Part("Metrics", [_metric(task, metric) for metric in _judged(task)]),
        Part("Search", _search(task)),
        Part("Pictures", [library().MediaBrowser(title="images", num_columns=3)]),
        Part(
            "Cost", [_bar(f"used/{n}", f"used/{n}") for n in ("train_s", "cpu_s", "peak_rss_mib")]
        ),
    ]
    return [part for part in parts if part.panels]


def _acceptance(task: Task[Any]) -> list[Any]:
    lib = library()
    lines = [f"- **{one.name}**: {_asks(task, one)}" for one in clauses(task.criteria)]
    head = f"**{task.title}**\n\nAccepted when all of these hold over seeds:\n\n"
    return [
        lib.MarkdownPanel(markdown=head + "\n".join(lines)),
        lib.ScalarChart(
            title="share accepted, of those decided",
            metric=lib.SummaryMetric("accepted"),
            groupby_aggfunc="mean",
        ),
        _bar("criteria that hold", "criteria_passed"),
        lib.WeavePanelSummaryTable(table_name="acceptance"),
        lib.RunComparer(diff_only=True),
    ]


def _asks(task: Task[Any], clause: Criterion) -> str:
    unit = task.metric(clause.metric).unit
    said = f"{clause.threshold:g}" + ("" if unit == "1" else f" {unit}")
    if clause.relative:
        return f"{clause.metric} {clause.rule} of {said} or more over {clause.against}"
    where = " (on a GPU)" if clause.needs == "cuda" else ""
    return f"{clause.metric} {RELATION[clause.rule]} {said}{where}"


def _ablation(task: Task[Any]) -> list[Any]:
    """The judged metrics by variant: mean over seeds, with the range between them."""
    return [_bar(f"{title(metric)} by variant", f"best/{metric.name}") for metric in _judged(task)]


def _judged(task: Task[Any]) -> list[Metric]:
    """The headline, then what the criteria look at."""
    names = dict.fromkeys([task.primary, *(c.metric for c in clauses(task.criteria))])
    return [task.metric(name) for name in names]


def title(metric: Metric) -> str:
    """A metric as a panel names it."""
    unit = "" if metric.unit == "1" else f" {metric.unit}"
    return f"{metric.name}{unit} ({'higher' if metric.direction == 'max' else 'lower'} is better)"


def _bar(name: str, summary: str) -> Any:
    lib = library()
    return lib.BarPlot(
        title=name,
        metrics=[lib.SummaryMetric(summary)],
        groupby=lib.Config(VARIANT),
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
    )


def _curve(name: str, series: Sequence[str]) -> Any:
    lib = library()
    return lib.LinePlot(
        title=name,
        x=lib.Metric("step"),
        y=[lib.Metric(one) for one in series],
        groupby=lib.Config(VARIANT),
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
    )


def _metric(task: Task[Any], metric: Metric) -> Any:
    """A metric over steps, under the names that tasks log it by; its limits are in the title."""
    limits = [c for c in clauses(task.criteria) if c.metric == metric.name and not c.relative]
    said = "".join(f", limit {RELATION[c.rule]} {c.threshold:g}" for c in limits)
    names = [f"{metric.split}/{metric.name}", metric.name]
    return _curve(title(metric) + said, names)


def _search(task: Task[Any]) -> list[Any]:
    """How the searched keys and the headline hang together."""
    if not task.search:
        return []
    lib = library()
    best, metric = f"best/{task.primary}", task.metric(task.primary)
    axes = [
        lib.ParallelCoordinatesPlotColumn(metric=lib.Config(key), log=space.log or None)
        for key, space in task.search.items()
    ]
    last = lib.ParallelCoordinatesPlotColumn(
        metric=lib.SummaryMetric(best), inverted=metric.direction == "min" or None
    )
    return [
        lib.ParallelCoordinatesPlot(title="trials", columns=[*axes, last]),
        lib.ParameterImportancePlot(with_respect_to=best),
        *(_scatter(key, space, best) for key, space in task.search.items()),
    ]


def _scatter(key: str, space: Space, best: str) -> Any:
    lib = library()
    x, y = lib.Config(key), lib.SummaryMetric(best)
    return lib.ScatterPlot(title=f"{best} over {key}", x=x, y=y, log_x=space.log or None)


def library() -> Any:
    """The package, or how to get it.

    Raises:
        AssayError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # its own, of pydantic
            import wandb_workspaces.workspaces  # noqa: F401
            from wandb_workspaces.reports.v2 import interface
    except ImportError as error:
        raise AssayError(
            "dashboards need the package wandb-workspaces",
            "Install it: pip install 'assay[dashboards]'",
            code="no_package",
        ) from error
    return interface
