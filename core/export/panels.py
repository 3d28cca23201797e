"""The panels of a task's dashboard in W&B, each made from what the task declares."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from core.contract import AnyOf, Criterion, Metric, Space, Task, clauses
from core.errors import AssayError
from core.project import Project
from core.study import file

VARIANT, STUDY = "assay.variant", "assay.study"
COST = ("train_s", "cpu_s", "peak_rss_mib")
RELATION = {"at_least": "≥", "at_most": "≤", "below": "<"}


class Own(NamedTuple):
    """What a study file of a task asks for by itself."""

    name: str
    criteria: tuple[Criterion | AnyOf, ...]  # (): the task's
    objectives: tuple[str, ...]  # of a search; (): the task's primary


class Part(NamedTuple):
    """Some panels under a heading."""

    name: str
    panels: list[Any]


def own(project: Project, task: str) -> list[Own]:
    """The study files of a task that have criteria or objectives of their own.

    Raises:
        AssayError: a study file is not valid.
    """
    found = []
    for name, path in file.every(project).items():
        study = file.read(path)
        if study.task == task and (study.criteria or study.objectives):
            found.append(Own(name, study.criteria or (), study.objectives))
    return found


def of(task: Task[Any], studies: Sequence[Own] = ()) -> list[Part]:
    """All of a task, in the order of a review: verdict, curves, search, pictures, cost."""
    judged = _judged(task, studies)
    parts = [
        Part("Acceptance", _acceptance(task, studies)),
        Part("Ablation", _ablation(judged)),
        Part("Losses", [_curve(f"loss/{one.name}", [f"loss/{one.name}"]) for one in task.losses]),
        Part("Metrics", [_metric(task, studies, metric) for metric in judged]),
        Part("Search", _search(task, studies)),
        Part("Pictures", [library().MediaBrowser(title="images", num_columns=3)]),
        Part(
            "Cost", [_bar(f"used/{n}", f"used/{n}") for n in ("train_s", "cpu_s", "peak_rss_mib")]
        ),
    ]
    return [part for part in parts if part.panels]


def _acceptance(task: Task[Any], studies: Sequence[Own]) -> list[Any]:
    lib = library()
    head = f"**{task.title}**\n\nAccepted when all of these hold over seeds:\n\n"
    said = head + _listed(task, task.criteria)
    for one in studies:
        if one.criteria:
            said += f"\n\nIn {one.name} instead:\n\n{_listed(task, one.criteria)}"
    return [
        lib.MarkdownPanel(markdown=said),
        lib.ScalarChart(
            title="share accepted, of those decided",
            metric=lib.SummaryMetric("accepted"),
            groupby_aggfunc="mean",
        ),
        _bar("criteria that hold", "criteria_passed"),
        lib.WeavePanelSummaryTable(table_name="acceptance"),
        lib.RunComparer(diff_only=True),
    ]


def _listed(task: Task[Any], criteria: tuple[Criterion | AnyOf, ...]) -> str:
    return "\n".join(f"- **{one.name}**: {_asks(task, one)}" for one in clauses(criteria))


def _asks(task: Task[Any], clause: Criterion) -> str:
    unit = task.metric(clause.metric).unit
    said = f"{clause.threshold:g}" + ("" if unit == "1" else f" {unit}")
    if clause.relative:
        return f"{clause.metric} {clause.rule} of {said} or more over {clause.against}"
    where = " (on a GPU)" if clause.needs == "cuda" else ""
    return f"{clause.metric} {RELATION[clause.rule]} {said}{where}"


def _ablation(judged: Sequence[Metric]) -> list[Any]:
    """The judged metrics by variant: mean over seeds, with the range between them."""
    return [_bar(f"{title(metric)} by variant", f"best/{metric.name}") for metric in judged]


def _judged(task: Task[Any], studies: Sequence[Own]) -> list[Metric]:
    """The headline, then what the criteria look at, the task's before those of its studies."""
    asked = [task.criteria, *(one.criteria for one in studies)]
    names = dict.fromkeys([task.primary, *(c.metric for a in asked for c in clauses(a))])
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


def _metric(task: Task[Any], studies: Sequence[Own], metric: Metric) -> Any:
    """A metric over steps, under the names that tasks log it by; its limits are in the title."""
    said = "".join(f", limit {one}" for one in _limits(task.criteria, metric))
    for study in studies:
        said += "".join(f", in {study.name} {one}" for one in _limits(study.criteria, metric))
    names = [f"{metric.split}/{metric.name}", metric.name]
    return _curve(title(metric) + said, names)


def _limits(criteria: tuple[Criterion | AnyOf, ...], metric: Metric) -> list[str]:
    """The absolute limits of a metric."""
    mine = [c for c in clauses(criteria) if c.metric == metric.name and not c.relative]
    return [f"{RELATION[c.rule]} {c.threshold:g}" for c in mine]


def _search(task: Task[Any], studies: Sequence[Own]) -> list[Any]:
    """How the searched keys hang together with the headline and with the studies' objectives."""
    if not task.search:
        return []
    lib = library()
    names = dict.fromkeys([task.primary, *(n for one in studies for n in one.objectives)])
    best = f"best/{task.primary}"
    axes = [
        lib.ParallelCoordinatesPlotColumn(metric=lib.Config(key), log=space.log or None)
        for key, space in task.search.items()
    ]
    last = [
        lib.ParallelCoordinatesPlotColumn(
            metric=lib.SummaryMetric(f"best/{name}"),
            inverted=task.metric(name).direction == "min" or None,
        )
        for name in names
    ]
    return [
        lib.ParallelCoordinatesPlot(title="trials", columns=[*axes, *last]),
        *(lib.ParameterImportancePlot(with_respect_to=f"best/{name}") for name in names),
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
