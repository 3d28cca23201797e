"""Acceptance: a task's criteria, what the judged runs came to, the evidence, and the history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import DataTable, Static

from core import acceptance
from core.errors import AssayError
from core.ledger import query
from core.ledger.record import ClauseResult, RunRecord, Verdict
from core.tui import words
from core.tui.screens.ask import Ask, when
from core.tui.screens.page import Page
from core.tui.source import Source
from core.tui.widgets.rows import Column, Row, Rows
from core.tui.words import NONE, Cell

HISTORY = 400  # runs whose verdicts are looked through
TASKS = (Column("Task", elastic=True), Column("Verdict"))
CRITERIA = (
    Column("Criterion", elastic=True),
    Column("Needed", right=True),
    Column("Baseline", right=True, spare=2),
    Column("Judged", right=True, spare=1),
    Column("Delta [95 %]", right=True),
    Column("Best", right=True, spare=3),
    Column("Result"),
)
VERDICTS = (
    Column("Age", right=True),
    Column("Variant", elastic=True),
    Column("Verdict"),
    Column("n", right=True),
    Column("Commit", spare=1),
)


class Judged(NamedTuple):
    """A verdict, and the newest of its runs."""

    verdict: Verdict
    record: RunRecord


class Found(NamedTuple):
    """What the screen shows."""

    tasks: dict[str, str | None]  # name -> newest verdict
    task: str
    history: list[Judged]  # newest first
    declared: list[tuple[str, str]]  # criterion -> its words
    best: dict[str, str]  # metric -> the best number on record
    baseline: str  # who the yardstick is


class Acceptance(Page):
    """The verdict on one task."""

    MODE = "acceptance"
    HELP = (
        "The criteria of a task against the runs that were judged: what is needed, the baseline, "
        "the judged mean (and of how many seeds), the difference with its one-sided 95 % bounds. "
        "Enter on a criterion shows its evidence. The history lists every verdict; enter goes "
        "back to one. c judges the newest group now and records the verdict, b makes the judged "
        "runs the baseline. Tab goes on to the next panel."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "check", "Check now"),
        Binding("b", "baseline", "Set as baseline"),
        Binding("o", "open", "Open run"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._of: str | None = None
        self._found: Found | None = None
        self._at = 0  # in the history

    def body(self) -> Iterator[Widget]:
        """Tasks and history, criteria and evidence."""
        with Horizontal(id="acceptance"):
            with Vertical(id="left"):
                yield Rows(TASKS, id="tasks").panel("Tasks")
                yield Rows(VERDICTS, id="history", empty="never judged: c").panel("History")
            with Vertical(id="right"):
                yield Rows(CRITERIA, id="criteria", empty="no criteria").panel("Criteria")
                with VerticalScroll(id="evidence", classes="panel") as evidence:
                    evidence.border_title = "Evidence"
                    yield Static(id="why", markup=False)

    def on_mount(self) -> None:
        """The criteria have the keys."""
        self.query_one("#criteria").focus()

    def gather(self, source: Source) -> Found:
        """The task's verdicts and what is compared with them."""
        with source.lock:
            return _found(source, self._of)

    def show(self, found: Found) -> None:
        """Fill the screen."""
        self._found, self._of = found, found.task
        self._at = min(self._at, max(0, len(found.history) - 1))
        self.query_one("#tasks", Rows).show(
            {name: (name, words.verdict(said)) for name, said in found.tasks.items()}
        )
        self.query_one("#tasks", Rows).choose(found.task)
        history = {str(n): _judged(one) for n, one in enumerate(found.history)}
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
            rows = dict(_criteria(verdict, found.best))
            record = found.history[self._at].record
            seeds = len(verdict.candidate)
            said = f"{verdict.verdict} over {seeds} {'seed' if seeds == 1 else 'seeds'}"
            criteria.border_title = f"{found.task}/{record.variant}  {said}"
        else:
            for name, said in found.declared:
                rows[name] = (name, said, "", "", "", "", words.verdict(None))
        criteria.border_subtitle = found.baseline
        criteria.show(rows)
        self._evidence()

    def _clauses(self) -> dict[str, ClauseResult]:
        if self._found is None or not self._found.history:
            return {}
        verdict = self._found.history[self._at].verdict
        return {_key(c): c for c in verdict.clauses}

    def _evidence(self) -> None:
        clause = self._clauses().get(self.query_one("#criteria", Rows).chosen or "")
        why = self.query_one("#why", Static)
        if clause is None:
            said = dict(self._found.declared) if self._found else {}
            why.update(said.get(self.query_one("#criteria", Rows).chosen or "", ""))
            return
        assert self._found is not None  # it has clauses
        judged = self._found.history[self._at]
        why.update(_why(clause, judged, lambda tone: words.colour(self.app.theme_variables, tone)))

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
        self.reload()

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

    def copied(self) -> str:
        """The command that judges."""
        return f"assay accept {self._of}" if self._of else ""


def _found(source: Source, wanted: str | None) -> Found:
    from core import datasheet, registry
    from core.ledger import baselines

    tasks = {row.name: row.verdict for row in source.tasks()}
    if not tasks:
        raise AssayError("no task is registered", "Add one with `assay new <name>`")
    task = wanted if wanted in tasks else max(tasks, key=lambda name: tasks[name] is not None)
    declared: list[tuple[str, str]] = []
    best: dict[str, str] = {}
    found = registry.load(source.project).find(task)
    for criterion in found.criteria:
        declared.append((criterion.name, datasheet.criterion(found, criterion)))
    known = set(source.ledger.names())
    mine = f"task = {query.quote(task)} and status = 'finished' and not void"
    for metric in found.metrics:
        name = f"metric.{metric.name}"
        if name in known:
            way = "desc" if metric.direction == "max" else "asc"
            rows = source.ledger.rows([name], f"{mine} and {name} is not null", f"{name} {way}", 1)
            if rows:
                best[metric.name] = words.number(rows[0][name], metric.unit)
    where = f"task = {query.quote(task)} and verdict is not null and not void"
    history: dict[str | None, Judged] = {}
    for record in source.ledger.records(where, limit=HISTORY):
        if record.verdict:
            history.setdefault(record.verdict.id, Judged(record.verdict, record))
    stick = baselines.load(source.project).get(task, {}).get(baselines.DEFAULT)
    said = f"baseline: {len(stick.runs)} runs, set by {stick.by}" if stick else "no baseline is set"
    return Found(tasks, task, list(history.values()), declared, best, said)


def _key(clause: ClauseResult) -> str:
    return f"{clause.any_of}/{clause.name}" if clause.any_of else clause.name


def _criteria(verdict: Verdict, best: dict[str, str]) -> Iterator[tuple[str, Row]]:
    for name, members in acceptance.groups(verdict.clauses).items():
        nested = members[0].any_of is not None
        if nested:
            result = words.verdict(acceptance.outcome(members))
            yield name, (f"{name} (one of)", "", "", "", "", "", result)
        for c in members:
            delta = acceptance.effect(c) if c.rule in ("gain", "ratio") else ""
            delta = delta.removesuffix(f" {c.unit}")  # it stands beside what is needed
            yield (
                _key(c),
                (
                    f"{'· ' * nested}{c.name}",
                    acceptance.needed(c),
                    _mean(c.reference),
                    _mean(c.candidate),
                    delta or NONE,
                    best.get(c.metric, NONE),
                    words.verdict(c.result),
                ),
            )


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.4g}" if values else NONE


def _judged(one: Judged) -> Row:
    git = one.record.git
    return (
        words.age(one.record.timing.created),
        one.record.variant,
        words.verdict(one.verdict.verdict),
        str(len(one.verdict.candidate)),
        Cell(((git.head if git else None) or "")[:7], "text-muted"),
    )


def _why(clause: ClauseResult, judged: Judged, tone: Callable[[str], str]) -> Text:
    """All that a clause's result rests on."""
    result = words.verdict(clause.result)
    faint = tone("text-muted")
    lines = [
        Text.assemble(
            (result.text, tone(result.tone)), f"  {clause.metric} {acceptance.needed(clause)}"
        ),
        Text(clause.reason),
    ]
    for name, values in (("judged", clause.candidate), ("baseline", clause.reference)):
        if values:
            lines.append(
                Text.assemble((f"{name:10}", faint), "  ".join(f"{v:.5g}" for v in values))
            )
    facts: dict[str, Any] = {
        "method": clause.method,
        "noise sd": f"{clause.noise_sd:.3g}" if clause.noise_sd is not None else "",
        "detectable": f"{clause.detectable:.3g} with 80 % power" if clause.detectable else "",
        "against": clause.against if clause.rule in ("gain", "ratio") else "",
        "runs": " ".join(run[-6:] for run in judged.verdict.candidate),
    }
    lines += [Text.assemble((f"{k:10}", faint), v) for k, v in facts.items() if v]
    return Text("\n").join(lines)
