"""Live study: its trials, their curves against the limits, the log, and the keys that steer it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import DataTable, Static

from core.tui import limits, words
from core.tui.following import Following
from core.tui.growing import Growing
from core.tui.screens.ask import Ask, when
from core.tui.screens.page import Page
from core.tui.source import Source
from core.tui.widgets.curve import Curve, Limit, Series
from core.tui.widgets.lines import Lines
from core.tui.widgets.rows import Column, Row, Rows
from core.tui.words import Cell

LIVE_S = 0.5  # between looks at what runs
BAR = 20  # letters of the progress bar
TRIALS = (
    Column("#", right=True),
    Column("Status"),
    Column("Value", right=True),
    Column("Limits", spare=1),
    Column("Set", elastic=True),
    Column("Seed", right=True, spare=4),
    Column("Time", right=True, spare=2),
)


class Trial(NamedTuple):
    """A run of the study, or one that waits."""

    key: str  # the run's id; cell-<n> of one that has not begun
    number: str
    status: str
    value: float | None
    verdict: str | None
    violation: float | None  # of a search's constraints
    set: str
    seed: int
    seconds: float | None


class Found(NamedTuple):
    """What the screen shows."""

    summary: Any
    trials: list[Trial]
    levels: Mapping[str, list[Limit]]  # metric -> limits
    names: list[str]  # ids of all studies, newest first


class Study(Page):
    """One study: the newest that runs, else the newest."""

    MODE = "study"
    HELP = (
        "One study as it goes. Value is the newest of a run that runs; the dashed line is what the "
        "criteria ask for. p pauses (no further run begins, those under way go on) and goes on, s "
        "stops all at their next step, x stops one run, e does a run again that was stopped or "
        "failed, from its checkpoint. Space marks runs and c lays their curves over each other. "
        "Brackets lead to other studies."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause"),
        Binding("s", "stop", "Stop"),
        Binding("x", "stop_run", "Stop run"),
        Binding("e", "again", "Again"),
        Binding("v", "metric(1)", "Value"),
        Binding("V", "metric(-1)", "Value before", show=False),
        Binding("L", "log", "Log axis", show=False),
        Binding("space", "mark", "Mark", show=False),
        Binding("c", "compare", "Compare"),
        Binding("a", "accept", "Judge", show=False),
        Binding("b", "ablation", "Ablation table", show=False),
        Binding("i", "pictures", "Pictures", show=False),
        Binding("right_square_bracket", "turn(1)", "Older study", key_display="]", show=False),
        Binding("left_square_bracket", "turn(-1)", "Newer study", key_display="[", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._study: str | None = None
        self._found: Found | None = None
        self._runs: dict[str, Following] = {}
        self._marked: list[str] = []
        self._metric = ""
        self._log = False
        self._file: Growing | None = None

    def body(self) -> Iterator[Widget]:
        """A line, the trials, the curve, the log."""
        yield Static(id="line")
        with Horizontal(id="study"):
            trials = Rows(TRIALS, id="trials", empty="no study was run here: 2 launches one")
            trials.border_title = "Runs"
            trials.add_class("panel")
            yield trials
            with Vertical(id="beside"):
                curve = Curve(id="curve")
                curve.add_class("panel")
                yield curve
                lines = Lines(id="lines")
                lines.border_title = "Log"
                lines.add_class("panel")
                yield lines

    def on_mount(self) -> None:
        """Runs that go on are looked at twice a second."""
        self.set_interval(LIVE_S, self._live)

    def gather(self, source: Source) -> Found | None:
        """The study, its runs, its limits."""
        with source.lock:
            found = _found(source, self._study)
            if found:
                for trial in found.trials:
                    if trial.status == "running":
                        self._follow(trial.key)
            return found

    def show(self, found: Any) -> None:
        """Fill the screen."""
        self._found = found
        if found is None:
            self.query_one("#line", Static).update("")
            self.query_one("#trials", Rows).show({})
            return
        self._study = found.summary.id
        self._draw()
        self._open()

    def _draw(self) -> None:
        assert self._found is not None  # the callers have looked
        summary = self._found.summary
        self.query_one("#line", Static).update(self._line(summary))
        self.query_one("#trials", Rows).show({t.key: self._row(t) for t in self._found.trials})
        self.query_one("#trials").border_subtitle = f"{summary.metric.name} of {summary.task}"

    def _line(self, one: Any) -> Text:
        """The study in one line, as much as fits."""
        state = words.state(one.state)
        share = one.ended / max(1, one.total)
        full = round(share * BAR)
        colour = partial(words.colour, self.app.theme_variables)
        parts = [
            Text(one.id, "bold"),
            Text(state.text, colour(state.tone)),
            Text.assemble(
                ("━" * full, colour("accent")),
                ("─" * (BAR - full), colour("text-muted")),
                f" {one.ended}/{one.total}",
            ),
        ]
        if one.best:
            name = f"#{one.best.trial} " if one.best.trial is not None else ""
            value = words.number(one.best.value, one.metric.unit)
            parts.append(Text(f"best {name}{value}"))
        parts.append(Text(f"accepted {one.accepted}"))
        if one.left_s is not None:
            parts.append(Text(f"{words.duration(one.left_s)} left"))
        if one.failed:
            parts.append(Text(f"✗ {one.failed} failed", colour("error")))
        line = Text(" ")
        for part in parts:
            if line.cell_len + part.cell_len + 2 <= self.size.width:
                line = Text.assemble(line, part, "  ")
        return line

    def _row(self, t: Trial) -> Row:
        run = self._runs.get(t.key) if t.status == "running" else None
        state = words.state(t.status)
        value, tone = t.value, ""
        if run is not None:
            assert self._found is not None  # the caller has looked
            value, tone = run.last(self._found.summary.metric.name), "accent"
            if run.share is not None:
                state = Cell(f"● {run.share:4.0%} {run.phase}"[:18], "accent")
        marked = t.key in self._marked
        limit = words.verdict(t.verdict)
        if t.violation is not None:
            limit = (
                Cell("✓ met", "success")
                if t.violation == 0
                else Cell(f"✗ {t.violation:+.2g}", "error")
            )
        return (
            Cell(f"{'◆ ' * marked}{t.number}", "accent" * marked),
            state,
            Cell(
                words.NONE if value is None else f"{value:.4g}",
                tone if value is not None else "text-muted",
            ),
            limit,
            t.set,
            str(t.seed),
            words.duration(t.seconds),
        )

    def _follow(self, run: str) -> Following | None:
        """The run's curves; read on when it was read before."""
        place = self.assay.source.folder(run)
        if run not in self._runs and place is not None:
            self._runs[run] = Following(place)
        if run in self._runs:
            self._runs[run].read()
        return self._runs.get(run)

    def _live(self) -> None:
        """Read on, in a thread, when something runs and somebody looks."""
        if self.is_current and self._found and self._found.summary.running:
            self.run_worker(self._read_on(), exclusive=True, group="live")

    async def _read_on(self) -> None:
        runs = [r for r in self._found.summary.running if r in self._runs] if self._found else []
        news = await asyncio.to_thread(lambda: [self._runs[r].read() for r in runs])
        if any(news) and self._found:
            self._draw()
            self._plot()
        self._tail()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """The curves and the log of the run under the cursor."""
        if event.data_table.id == "trials":
            self._open()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """All about the run."""
        if event.row_key.value and not event.row_key.value.startswith("cell-"):
            self.assay.open_run(event.row_key.value)

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
        if run is None or self._found is None:
            return []
        first = self._found.summary.metric.name
        return sorted(run.steps, key=lambda n: (n.rpartition("/")[2] != first, n))

    def _plot(self) -> None:
        curve = self.query_one(Curve)
        chosen = self.query_one("#trials", Rows).chosen or ""
        run, names = self._runs.get(chosen), self._names()
        if run is None or self._found is None or not names:
            curve.border_title, curve.border_subtitle = "Curves", ""
            curve.show([])
            return
        name = self._metric if self._metric in names else names[0]
        levels = self._found.levels.get(name.rpartition("/")[2], [])
        curve.border_title = f"{name} of {self._number(chosen)}"
        curve.border_subtitle = "log axis" if self._log else ""
        curve.show([Series(name, run.steps[name], run.values[name])], levels, log=self._log)

    def _number(self, run: str) -> str:
        trials = self._found.trials if self._found else []
        return next((f"#{t.number}" for t in trials if t.key == run), "")

    def select(self, study: str) -> None:
        """Show this study."""
        self._study, self._marked, self._runs = study, [], {}
        self._file = None
        self.reload()
        self.query_one("#trials").focus()

    def action_turn(self, by: int) -> None:
        """Another study."""
        if self._found and self._study in self._found.names:
            names = self._found.names
            self.select(names[(names.index(self._study) + by) % len(names)])

    def action_metric(self, by: int) -> None:
        """Another logged value."""
        names = self._names()
        if names:
            at = names.index(self._metric) if self._metric in names else 0
            self._metric = names[(at + by) % len(names)]
            self._plot()

    def action_log(self) -> None:
        """The vertical axis."""
        self._log = not self._log
        self._plot()

    def action_mark(self) -> None:
        """Mark or unmark the run under the cursor, and go on."""
        rows = self.query_one("#trials", Rows)
        if rows.chosen is None or self._found is None or rows.chosen.startswith("cell-"):
            return
        if rows.chosen in self._marked:
            self._marked.remove(rows.chosen)
        else:
            self._marked.append(rows.chosen)
        self._draw()
        rows.action_cursor_down()

    def action_compare(self) -> None:
        """The marked runs over each other."""
        from core.tui.screens.compare import Compare

        if len(self._marked) < 2:
            self.notify("mark two runs or more with space")
        else:
            self.app.push_screen(Compare(list(self._marked)))

    def action_accept(self) -> None:
        """The acceptance of its task."""
        if self._found:
            self.assay.open_task(self._found.summary.task)

    def action_ablation(self) -> None:
        """The study as a matrix."""
        if self._study:
            self.assay.open_ablation(self._study)

    def action_pictures(self) -> None:
        """The pictures of the run under the cursor."""
        run = self.query_one("#trials", Rows).chosen
        if run and not run.startswith("cell-"):
            self.assay.open_run(run, part="pictures")

    def action_pause(self) -> None:
        """Pause, or go on: also with a study that was stopped."""
        from core import study

        if self._found is None:
            return
        name, state = self._found.summary.id, self._found.summary.state
        project = self.assay.source.project
        if state == "running":
            self.do(lambda: study.pause(project, name), f"paused {name}: runs under way go on")
        elif state == "paused":
            self.do(lambda: study.unpause(project, name), f"{name} goes on")
        elif state == "stopped":
            self.assay.launch(["resume", name])
        else:
            self.notify(f"{name} is {state}")

    def action_stop(self) -> None:
        """Stop the whole study, when that is meant."""
        from core import study

        if self._found is None:
            return
        name = self._found.summary.id
        if self._found.summary.state not in ("running", "paused"):
            self.notify(f"{name} is {self._found.summary.state}")
            return
        said = "All its runs save a checkpoint at their next step and end. p goes on from there."
        project = self.assay.source.project
        stop = when(lambda: self.do(lambda: study.stop(project, name), f"asked {name} to stop"))
        self.app.push_screen(Ask(f"Stop {name}?", said, "Stop"), stop)

    def action_stop_run(self) -> None:
        """Stop one run."""
        from core import control

        run = self.query_one("#trials", Rows).chosen
        if run is None or run.startswith("cell-"):
            return
        source = self.assay.source

        def stop() -> None:
            control.stop(source.project, [source.record(run)])

        said = (
            "It saves a checkpoint at its next step and ends; the study goes on. e does it again."
        )
        ask = Ask(f"Stop run {self._number(run)}?", said, "Stop")
        self.app.push_screen(ask, when(lambda: self.do(stop, f"asked {self._number(run)} to stop")))

    def action_again(self) -> None:
        """Have a run done again; its study goes on if it does not run."""
        from core.tui import starting

        run = self.query_one("#trials", Rows).chosen
        if run is None or run.startswith("cell-") or self._found is None:
            return
        project, name = self.assay.source.project, self._found.summary.id

        def again() -> None:
            said = starting.ask(project, ["study", "requeue", run])
            if not said["running"]:
                self.app.call_from_thread(self.assay.launch, ["resume", name])

        self.do(again, f"queued {self._number(run)} again")

    def copied(self) -> str:
        """The run's id, else the study's."""
        return self.query_one("#trials", Rows).chosen or self._study or ""


def _found(source: Source, wanted: str | None) -> Found | None:
    from core import judging, registry
    from core.study import folder, summary
    from core.study import plan as plans

    every = folder.every(source.project)
    if not every:
        return None
    led = next((f for f in every if f.led()), every[0])
    one = next((f for f in every if f.plan.id == wanted), led)
    told = summary.of(source.project, source.ledger, one)
    task = registry.load(source.project).find(one.plan.study.task)
    references: dict[str, Sequence[Any]] = {
        **judging.yardsticks(source.project, source.ledger, task.name)
    }
    if one.plan.reference is not None:
        where = f"study = '{one.plan.id}' and variant = '{one.plan.reference}'"
        references["baseline"] = source.ledger.records(where)
    criteria = plans.criteria(one.plan, task)
    levels = {m.name: limits.of(m, criteria, references) for m in task.metrics}
    return Found(told, _trials(source, one, told), levels, [f.plan.id for f in every])


def _trials(source: Source, one: Any, told: Any) -> list[Trial]:
    """Newest first in a search; in the order of the plan in a list, with what has not begun."""
    from core.study import cells

    metric = f"metric.{told.metric.name}"
    columns = ["run", "trial", "variant", "seed", "status", "verdict", "started", "ended"]
    columns += [metric] if metric in source.ledger.names() else []
    varied = sorted({key for arm in one.plan.arms for key in arm.set} | set(one.plan.space))
    known = set(source.ledger.names())
    keys = [f"config.{key}" for key in varied if f"config.{key}" in known]
    rows = {r["run"]: r for r in source.ledger.rows([*columns, *keys], f"study = '{one.plan.id}'")}
    violations = {
        e["run"]: e["violation"] for e in one.journal() if e["kind"] == "ended" and "violation" in e
    }

    last = {e["run"]: e["kind"] for e in one.journal() if "run" in e}

    def waits(row: Mapping[str, Any]) -> bool:
        return last.get(row["run"]) == "requeued" and row["status"] != "running"

    def trial(row: dict[str, Any], number: str, label: str) -> Trial:
        values = ", ".join(f"{k.removeprefix('config.')} {_short(row[k])}" for k in keys)
        return Trial(
            row["run"],
            number,
            "queued" if waits(row) else row["status"],
            row.get(metric),
            row["verdict"],
            violations.get(row["run"]),
            label or values,
            row["seed"],
            _took(row),
        )

    if one.plan.study.kind == "search" and not one.confirming:
        return [trial(r, str(r["trial"]), "") for r in rows.values()]
    out = []
    for index, state in enumerate(cells.states(source.ledger, one)):
        row = rows.get(state.run or "")
        if row is None and state.run:  # it stands for ours and was made by another study
            row = source.ledger.rows([*columns, *keys], f"run = '{state.run}'")[0]
        open_ = Trial(
            f"cell-{index}",
            str(index),
            "queued",
            None,
            None,
            None,
            state.cell.arm,
            state.cell.seed,
            None,
        )
        out.append(trial(row, str(index), state.cell.arm) if row else open_)
    confirmed = {t.key for t in out}
    return out + [trial(r, str(r["trial"]), "") for r in rows.values() if r["run"] not in confirmed]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _took(row: Mapping[str, Any]) -> float | None:
    from core import clock

    if not row["started"]:
        return None
    end = clock.parse(row["ended"]) if row["ended"] else clock.now()
    if not row["ended"] and row["status"] != "running":
        return None
    return max(0.0, (end - clock.parse(row["started"])).total_seconds())
