"""Acceptance: a task's criteria, what the judged runs came to, the evidence, and the history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import DataTable, Static

from core.ledger.record import ClauseResult
from core.tui import evidence, judgement, sheet, words
from core.tui.judgement import Judgement
from core.tui.screens.ask import Ask, when
from core.tui.screens.page import Page
from core.tui.source import Source
from core.tui.widgets.rows import Column, Row, Rows

TASKS = (Column("Task", elastic=True), Column("Verdict"))


class Acceptance(Page):
    """The verdict on one task."""

    MODE = "acceptance"
    HELP = (
        "The criteria of a task against the runs that were judged: what is needed, the baseline, "
        "the judged mean (and of how many seeds), the difference with its one-sided 95 % bounds. "
        "Enter on a criterion shows its evidence. The history lists every verdict; enter goes "
        "back to one. c judges the newest group now and records the verdict, b makes the judged "
        "runs the baseline, w writes the review page to hand on. Tab goes on to the next panel."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "check", "Check now"),
        Binding("b", "baseline", "Set as baseline"),
        Binding("o", "open", "Open run"),
        Binding("w", "page", "Review page"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._of: str | None = None
        self._found: Judgement | None = None
        self._at = 0  # in the history

    def body(self) -> Iterator[Widget]:
        """Tasks and history, criteria and evidence."""
        with Horizontal(id="acceptance"):
            with Vertical(id="left"):
                yield Rows(TASKS, id="tasks").panel("Tasks")
                yield Rows(evidence.VERDICTS, id="history", empty="never judged: c").panel(
                    "History"
                )
            with Vertical(id="right"):
                yield Rows(evidence.CRITERIA, id="criteria", empty="no criteria").panel("Criteria")
                with VerticalScroll(id="evidence", classes="panel"):
                    yield Static(id="why", markup=False)

    def on_mount(self) -> None:
        """The criteria have the keys."""
        self.query_one("#criteria").focus()

    def gather(self, source: Source) -> Judgement:
        """The task's verdicts and what is compared with them."""
        with source.lock:
            return judgement.of(source, self._of)

    def show(self, found: Judgement) -> None:
        """Fill the screen."""
        self._found, self._of = found, found.task
        self._at = min(self._at, max(0, len(found.history) - 1))
        self.query_one("#tasks", Rows).show(
            {name: (name, words.verdict(said)) for name, said in found.tasks.items()}
        )
        self.query_one("#tasks", Rows).choose(found.task)
        history = {str(n): evidence.verdict(one) for n, one in enumerate(found.history)}
        self.query_one("#history", Rows).show(history)
        self._draw()

    def _draw(self) -> None:
        assert self._found is not None  # the callers have looked
        found = self._found
        rows: dict[str, Row] = {}
        criteria = self.query_one("#criteria", Rows)
        criteria.border_title = found.task
        if found.history:
            verdict = found.history[self._at].verdict
            rows = dict(evidence.criteria(verdict, found.best))
            record = found.history[self._at].record
            seeds = len(verdict.candidate)
            said = f"{verdict.verdict} over {seeds} {'seed' if seeds == 1 else 'seeds'}"
            criteria.border_title = Content(f"{found.task}/{record.variant}  {said}")
        else:
            for name, said in found.declared:
                rows[name] = (name, said, words.verdict(None))
        criteria.border_subtitle = Content(found.baseline)
        criteria.show(rows, evidence.CRITERIA if found.history else evidence.DECLARED)
        self._evidence()

    def _clauses(self) -> dict[str, ClauseResult]:
        if self._found is None or not self._found.history:
            return {}
        verdict = self._found.history[self._at].verdict
        return {evidence.key(c): c for c in verdict.clauses}

    def _evidence(self) -> None:
        key = self.query_one("#criteria", Rows).chosen or ""
        clause, found = self._clauses().get(key), self._found
        title = Content(f"Evidence of {key}" if key else "Evidence")
        self.query_one("#evidence").border_title = title
        said: Text | str = dict(found.declared).get(key, "") if found else ""
        if clause is not None and found is not None:
            tone = sheet.toned(self.app.theme_variables)
            best = found.best.get(clause.metric, "")
            said = evidence.why(clause, found.history[self._at], best, tone)
        self.query_one("#why", Static).update(said)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """The evidence of the clause under the cursor; the task under the cursor."""
        key = event.row_key.value if event.row_key else None
        if event.data_table.id == "criteria":
            self._evidence()
        elif event.data_table.id == "tasks" and event.data_table.has_focus and key != self._of:
            self.select(key or "")

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """A task, or an older verdict."""
        if event.data_table.id == "history":
            self._at = int(event.row_key.value or 0)
            self._draw()
        elif event.data_table.id == "tasks":
            self.query_one("#criteria").focus()

    def select(self, task: str) -> None:
        """Show this task."""
        self._of, self._at = task, 0
        self.reload(other=True)

    def action_open(self) -> None:
        """The newest of the judged runs."""
        if self._found and self._found.history:
            self.assay.open_run(self._found.history[self._at].record.run)

    def action_check(self) -> None:
        """Judge the newest group of the task, and record the verdict."""
        from core.tui import starting

        if self._of:
            task, project = self._of, self.assay.source.project
            self._at = 0
            self.do(lambda: starting.ask(project, ["accept", task]), f"judged {task}")

    def action_baseline(self) -> None:
        """Make the judged runs the yardstick, when that is meant."""
        if self._found is None or not self._found.history:
            self.notify("nothing was judged yet: c")
            return
        judged, task = self._found.history[self._at], self._found.task
        runs = ", ".join(run[-6:] for run in judged.verdict.candidate)
        said = (
            f"{judged.record.variant} ({len(judged.verdict.candidate)} runs: {runs}) becomes what "
            f"{task} is judged against. ledger/baselines.yaml changes; commit it for the team."
        )
        project, run = self.assay.source.project, judged.record.run

        def put() -> None:
            from core import registry
            from core.study import judged as judges

            with self.assay.source.lock:
                declared = registry.load(project).find(task)
                judges.set_baseline(project, self.assay.source.ledger, declared, [run])

        ask = Ask(f"New baseline of {task}?", said, "Set it")
        self.app.push_screen(ask, when(lambda: self.do(put, f"{task} has a new baseline")))

    def action_page(self) -> None:
        """The review page of the task, as a file."""
        if self._of:
            self.write_page(self._of)

    def copied(self) -> str:
        """The command that judges."""
        return f"assay accept {self._of}" if self._of else ""
