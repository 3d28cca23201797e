"""Commands that set two runs side by side: diff, repro."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.answer import Answer, command

if TYPE_CHECKING:
    from core.compare import Changed, Row
    from core.ledger.record import RunRecord
    from core.project import Project
    from core.report.table import Table


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    for function in (diff, repro):
        command(app)(function)


def diff(
    a: Annotated[str, typer.Argument(help="A run.")],
    b: Annotated[str, typer.Argument(help="Another run.")],
    code: Annotated[
        bool, typer.Option("--code", help="The whole difference of the code, not its summary.")
    ] = False,
) -> Answer:
    """Show what differs between two runs: metrics, config, data, environment, code."""
    from core import compare, project
    from core.ledger import Ledger
    from core.report import table

    here = project.find()
    ledger = Ledger(here)
    one, two = ledger.find(a), ledger.find(b)
    rows = compare.metrics(one, two)
    changed = {
        "config": compare.settings(one, two),
        "facts": compare.facts(one, two),
        "environment": compare.environment(one.env, two.env),
    }
    patch = _patch(here, one, two, whole=code)
    tables = [
        _metrics(rows, "A", "B"),
        *(_changes(k, v, "A", "B") for k, v in changed.items() if v),
    ]
    names = [
        f"{x}  {r.run}  {r.task}/{r.variant} seed {r.seed}" for x, r in (("A", one), ("B", two))
    ]
    text = "\n".join([*names, "", table.text(tables), "", "code", patch])
    data = {"a": one.run, "b": two.run, "metrics": rows, **changed}
    return Answer(data | {"code": patch}, text)


def repro(
    run: Annotated[str, typer.Argument(help="The run to do again.")],
    tolerance: Annotated[
        float | None, typer.Option(help="Relative difference that still counts as equal.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave its worktree in place.")] = False,
) -> Answer:
    """Do a run again from its own commit, and compare every metric."""
    from core import compare, project
    from core import repro as again
    from core.cli.progress import Progress
    from core.cli.runs import told
    from core.execute import Supervisor
    from core.report import table

    supervisor = Supervisor(project.find())
    record = supervisor.ledger.find(run)
    show = Progress(f"repro {record.task}/{record.variant} seed {record.seed}")
    allowed = compare.TOLERANCE if tolerance is None else tolerance
    done = again.repeat(supervisor, record, tolerance=allowed, keep=keep, watch=show)
    show.end(done.record.status)
    supervisor.ledger.publish()
    if done.record.status != "finished":
        return told(supervisor.project, done.record, interrupted=supervisor.stopped)
    data = done._asdict() | {"record": done.record.run, "of": record.run}
    tables = [_metrics(done.metrics, "recorded", "again")]
    if done.environment:
        tables.append(_changes("environment", done.environment, "recorded", "again"))
    text = table.text(tables) + (f"\n\nworktree {done.tree}" if done.tree else "")
    return _judged(record, done.record, done.metrics, data, text)


def _judged(then: RunRecord, now: RunRecord, rows: list[Row], data: Any, text: str) -> Answer:
    """Exit 0 when every metric is equal, 4 when one differs."""
    from core.errors import AssayError, Exit

    bad = [row.metric for row in rows if row.result == "differs"]
    if not bad:
        return Answer(data, text)
    error = AssayError(
        f"run {now.run} repeats {then.run} and differs in {', '.join(bad)}",
        f"See `assay diff {then.run} {now.run}`",
        code="differs",
        exit_code=Exit.NOT_ACCEPTED,
    )
    return Answer(data, text, error.exit_code, error)


def _patch(project: Project, a: RunRecord, b: RunRecord, *, whole: bool) -> str:
    """The difference of the two trees, or why there is none to show."""
    from core import git
    from core.errors import AssayError

    try:
        ends = [git.locate(project, record.git) for record in (a, b)]
    except AssayError as error:
        return f"cannot be compared: {error}"
    return git.diff(project, *ends, stat=not whole) or "no difference"


def _metrics(rows: list[Row], a: str, b: str) -> Table:
    from core.report.table import Table

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.7g}"

    def unit(row: Row) -> str:
        return "" if row.unit == "1" else row.unit

    cells = tuple((r.metric, unit(r), number(r.a), number(r.b), r.result) for r in rows)
    return Table("metrics", ("metric", "unit", a, b, "equal?"), cells)


def _changes(title: str, changed: Changed, a: str, b: str) -> Table:
    from core.report.table import Table

    return Table(title, ("", a, b), tuple((k, str(x), str(y)) for k, (x, y) in changed.items()))
