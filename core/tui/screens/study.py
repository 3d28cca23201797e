"""Live study: its trials, their curves against the limits, the log, and the keys that steer it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import DataTable, Static

from core.tui import sheet, study_view, trials
from core.tui.following import Following, ranked
from core.tui.growing import Growing
from core.tui.pace import Pace
from core.tui.screens.steering import Steering
from core.tui.source import Source
from core.tui.trials import Trials
from core.tui.widgets.curve import Curve, Series
from core.tui.widgets.lines import Lines
from core.tui.widgets.rows import Rows
from core.tui.work import begin

LIVE_S = 0.5  # between looks at what runs
ROWS_S = 1.0  # between new values in the table, which is drawn as a whole
TURN_S = 0.25  # between curves while the cursor runs down the table


class Study(Steering):
    """One study: the newest that runs, else the newest."""

    MODE = "study"
    HELP = (
        "One study as it goes. Value is the newest of a run that runs; the dashed line is what the "
        "criteria ask for. p pauses (no further run begins, those under way go on) and goes on, s "
        "stops all at their next step, x stops one run, e does a run again that was stopped or "
        "failed, from its checkpoint. Space marks runs and c lays their curves over each other. "
        "Brackets lead to other studies; w writes the review page to hand on."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "metric(1)", "Value"),
        Binding("V", "metric(-1)", "Value before", show=False),
        Binding("L", "log", "Log axis", show=False),
        Binding("space", "mark", "Mark", show=False),
        Binding("right_square_bracket", "turn(1)", "Older study", key_display="]", show=False),
        Binding("left_square_bracket", "turn(-1)", "Newer study", key_display="[", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._study: str | None = None
        self._runs: dict[str, Following] = {}
        self._metric = ""
        self._log = False
        self._file: Growing | None = None
        self._turned = Pace(self, TURN_S, self._open)
        self._moved = Pace(self, ROWS_S, self._draw)

    def body(self) -> Iterator[Widget]:
        """A line, the trials, the curve, the log."""
        yield Static(id="line")
        with Horizontal(id="study"):
            empty = "no study was run here: 2 launches one"
            yield Rows(study_view.COLUMNS, id="trials", empty=empty).panel("Runs")
            with Vertical(id="beside"):
                curve, lines = Curve(id="curve"), Lines(id="lines")
                curve.add_class("panel")
                yield curve
                lines.border_title = "Log"
                lines.add_class("panel")
                yield lines

    def on_mount(self) -> None:
        """Runs that go on are looked at twice a second."""
        self.set_interval(LIVE_S, self._live)

    def on_resize(self) -> None:
        """The study's line says what fits."""
        self.call_after_refresh(self._draw)

    def gather(self, source: Source) -> Trials | None:
        """The study, its runs, its limits."""
        with source.lock:
            found = trials.of(source, self._study)
            if found:
                for trial in found.trials:
                    if trial.status == "running":
                        self._follow(trial.key)
            return found

    def show(self, found: Any) -> None:
        """Fill the screen."""
        self.found = found
        if found is None:
            self.query_one("#line", Static).update("")
            self.query_one("#trials", Rows).show({})
            return
        self._study = found.summary.id
        self._draw()
        self._open()

    def _draw(self) -> None:
        if self.found is None:
            return
        summary, metric = self.found.summary, self.found.summary.metric.name
        tone = sheet.toned(self.app.theme_variables)
        self.query_one("#line", Static).update(
            study_view.line(summary, tone, self.size.width), layout=False
        )
        rows = {
            t.key: study_view.row(t, metric, self._runs.get(t.key), t.key in self.marked)
            for t in self.found.trials
        }
        self.query_one("#trials", Rows).show(rows)
        self.query_one("#trials").border_subtitle = f"{metric} of {summary.task}"

    def _follow(self, run: str) -> Following | None:
        """The run's curves; read on when it was read before."""
        place, runs = self.assay.source.folder(run), self._runs  # others once a study is chosen
        one = runs.get(run)
        if one is None and place is not None:
            one = runs.setdefault(run, Following(place))
        if one is not None:
            one.read()
        return one

    def _live(self) -> None:
        """Read on, in a thread, when something runs and somebody looks."""
        if self.is_current and self.found and self.found.summary.running:
            begin(self, self._read_on, group="live", exclusive=True)

    async def _read_on(self) -> None:
        going = self.found.summary.running if self.found else ()
        runs = [self._runs[r] for r in going if r in self._runs]
        news = await asyncio.to_thread(lambda: [run.read() for run in runs])
        if any(news) and self.found:
            self._moved()
            self._plot()
        self._tail()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """The curves and the log of the run under the cursor."""
        if event.data_table.id == "trials":
            self._turned()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """All about the run."""
        if trial := self.trial:
            self.assay.open_run(trial.key)

    def _open(self) -> None:
        run = self.query_one("#trials", Rows).chosen
        place = self.assay.source.folder(run) if run else None
        lines = self.query_one("#lines", Lines)
        if run and place is not None:
            self._follow(run)
            if self._file is None or self._file.path.parent != place:
                lines.clear()
                self._file = Growing(place / "log.txt")
        else:
            lines.clear()
            self._file = None
        self._plot()
        self._tail()

    def _tail(self) -> None:
        if self._file is not None:
            self.query_one("#lines", Lines).append(self._file.new())

    def _names(self) -> list[str]:
        """What the run under the cursor logged, the study's metric first."""
        run = self._runs.get(self.query_one("#trials", Rows).chosen or "")
        if run is None or self.found is None:
            return []
        return ranked(list(run.values), self.found.summary.metric.name)

    def _plot(self) -> None:
        curve = self.query_one(Curve)
        chosen = self.query_one("#trials", Rows).chosen or ""
        run, names = self._runs.get(chosen), self._names()
        if run is None or self.found is None or not names:
            curve.border_title, curve.border_subtitle = "Curves", ""
            curve.show([])
            return
        name = self._metric if self._metric in names else names[0]
        levels = self.found.levels.get(name.rpartition("/")[2], [])
        number = next((t.number for t in self.found.trials if t.key == chosen), "")
        curve.border_title = Content(f"{name} of #{number}")
        curve.border_subtitle = "log axis" if self._log else ""
        steps, values = list(run.steps[name]), list(run.values[name])  # threads may add to them
        both = min(len(steps), len(values))
        curve.show([Series(name, steps[:both], values[:both])], levels, log=self._log)

    def select(self, study: str) -> None:
        """Show this study."""
        self._study, self.marked, self._runs = study, [], {}
        self._file = None
        self.reload(other=True)
        self.query_one("#trials").focus()

    def action_turn(self, by: int) -> None:
        """Another study."""
        if self.found and self._study in self.found.names:
            names = self.found.names
            self.select(names[(names.index(self._study) + by) % len(names)])

    def action_metric(self, by: int) -> None:
        """Another logged value."""
        if self.query_one("#trials", Rows).chosen not in self._runs:  # the cursor just came here
            self._open()
        if names := self._names():
            at = names.index(self._metric) if self._metric in names else 0
            self._metric = names[(at + by) % len(names)]
            self._plot()

    def action_log(self) -> None:
        """The vertical axis."""
        self._log = not self._log
        self._plot()

    def action_mark(self) -> None:
        """Mark or unmark the run under the cursor, and go on."""
        if trial := self.trial:
            (self.marked.remove if trial.key in self.marked else self.marked.append)(trial.key)
            self._draw()
            self.query_one("#trials", Rows).action_cursor_down()

    def copied(self) -> str:
        """The run's id, else the study's."""
        return self.query_one("#trials", Rows).chosen or self._study or ""
