"""Dashboard: what stands, what goes on, what happened last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.widget import Widget
from textual.widgets import DataTable

from core.tui import words
from core.tui.screens.page import Page
from core.tui.source import Pulse, Source, TaskRow
from core.tui.widgets.rows import Column, Row, Rows
from core.tui.words import Cell

RECENT = 50
TASKS = (
    Column("Task"),
    Column("Verdict"),
    Column("Headline", elastic=True),
    Column("Gain", right=True, spare=2),
    Column("Criteria", spare=1),
)
STUDIES = (
    Column("Study", elastic=True),
    Column("State"),
    Column("Done", right=True),
    Column("Best", right=True, spare=1),
    Column("Accepted", right=True, spare=3),
    Column("Left", right=True, spare=2),
)
RUNS = (
    Column("Age", right=True),
    Column("Run", elastic=True),
    Column("Status"),
    Column("Value", right=True),
    Column("Gain", right=True, spare=2),
    Column("Verdict", spare=1),
    Column("Commit", spare=3),
)


class Found(NamedTuple):
    """What the dashboard shows."""

    tasks: list[TaskRow]
    studies: list[Any]
    recent: list[dict[str, Any]]


class Dashboard(Page):
    """Tasks, studies and the newest runs."""

    MODE = "dashboard"
    HELP = (
        "Tasks with the newest verdict, its headline number and the gain over the baseline; "
        "studies of this clone with their best number and the time left; the newest runs. "
        "Enter opens what the cursor is on."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "launch", "Launch"),
        Binding("c", "check", "Check"),
        Binding("enter", "open", "Open", show=True),
    ]

    def body(self) -> Iterator[Widget]:
        """Three tables."""
        with Container(id="dashboard"):
            yield Rows(TASKS, id="tasks", empty="no tasks in registry.yaml").panel("Tasks")
            with Vertical(id="right"):
                studies = Rows(STUDIES, id="studies", empty="none yet: l launches one")
                yield studies.panel("Studies")
                yield Rows(RUNS, id="runs", empty="no runs yet").panel("Recent runs")

    def gather(self, source: Source) -> Found:
        """Everything, from the ledger's cache and the studies' journals."""
        return Found(source.tasks(), source.studies(), source.recent(RECENT))

    def show(self, found: Found) -> None:
        """Fill the tables."""
        self.query_one("#tasks", Rows).show({t.name: _task(t) for t in found.tasks})
        self.query_one("#studies", Rows).show(dict(map(study_row, found.studies)))
        self.query_one("#runs", Rows).show({r["run"]: run_row(r) for r in found.recent})
        passed = sum(t.results.count("pass") for t in found.tasks)
        whole = sum(t.criteria for t in found.tasks)
        self.query_one("#tasks").border_subtitle = f"{passed} of {whole} criteria pass"

    def pulse(self, pulse: Pulse) -> None:
        """What of the machine has no room in the header stands in the frame."""
        super().pulse(pulse)
        for runs in self.query("#runs"):  # none: just opened, or closing
            if runs.border_subtitle != self._header.rest:
                runs.border_subtitle = self._header.rest

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open a task's verdict, a study, or a run."""
        key = event.row_key.value
        if key is None:
            return
        if event.data_table.id == "tasks":
            self.assay.open_task(key)
        elif event.data_table.id == "studies":
            self.assay.open_study(key)
        else:
            self.assay.open_run(key)

    def action_launch(self) -> None:
        """Launch a study of the task under the cursor."""
        self.assay.open_launch(self.query_one("#tasks", Rows).chosen)

    def action_check(self) -> None:
        """Judge the task under the cursor."""
        self.assay.open_task(self.query_one("#tasks", Rows).chosen)


def _task(row: TaskRow) -> Row:
    if row.broken:
        return (row.name, words.state("broken"), Cell(row.broken, "text-muted"), "", "")
    value = words.number(row.value, row.unit)
    waiting = ["" for _ in range(row.criteria)]
    return (
        row.name,
        words.state("running") if row.running else words.verdict(row.verdict),
        f"{row.metric} {value}" if value else Cell(f"{row.metric} {words.NONE}", "text-muted"),
        "" if row.gain is None else f"{row.gain:+.3g}",
        words.outcome(list(row.results) or waiting),
    )


def study_row(one: Any) -> tuple[str, Row]:
    """Key and cells of a study; of one that cannot be read, why."""
    if isinstance(one, tuple) and len(one) == 2:
        return one[0], (f"{one[0]}: {one[1]}", words.state("broken"), "", "", "", "")
    best = f"{one.best.value:.4g}" if one.best else words.NONE
    return one.id, (
        one.id,
        words.state(one.state),
        f"{one.ended}/{one.total}",
        best,
        str(one.accepted),
        words.duration(one.left_s) if one.left_s is not None else words.NONE,
    )


def run_row(row: dict[str, Any]) -> Row:
    """Cells of a run."""
    commit = (row["head"] or row["commit"] or "")[:7] + "*" * row["dirty"]
    return (
        words.age(row["created"]),
        f"{row['task']}/{row['variant']} s{row['seed']}",
        words.state("stale" if row["stale"] else row["status"]),
        words.number(row["value"], row["unit"]),
        "" if row["gain"] is None else f"{row['gain']:+.3g}",
        words.verdict(row["verdict"]),
        Cell(commit, "text-muted"),
    )
