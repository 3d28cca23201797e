"""Commands that show and annotate what is on record: ls, show, log, note, decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.answer import Answer, command

if TYPE_CHECKING:
    from core.ledger.record import RunRecord
    from core.project import Project

Ref = Annotated[
    str,
    typer.Argument(
        help="Beginning of a run's id, @last, @best:<metric>, @baseline or @baseline:<task>."
    ),
]
By = Annotated[str, typer.Option(help="human, agent or CI.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    for function in (ls, show, log, note, decide):
        command(app)(function)


def ls(
    where: Annotated[
        str | None,
        typer.Option("--where", "-w", help='SQL condition, e.g. "ssim > 0.9 and seed in (0, 1)".'),
    ] = None,
    sort: Annotated[
        str | None, typer.Option(help="A name; a metric has its better end first.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many runs.")] = 30,
    task: Annotated[str | None, typer.Option(help="This task's runs only.")] = None,
) -> Answer:
    """List runs, newest first. Blank is unknown.

    gain is the improvement of value over the mean of the task's baseline, n is how many seeds of
    the run's group finished, and * marks a commit with changes that were not committed.
    """
    from core import project, registry
    from core.cli import listing
    from core.ledger import Ledger, query

    both = [f"({where})"] if where else []
    both += [f"task = {query.quote(task)}"] if task else []
    here = project.find()
    ledger = Ledger(here)
    if task and not ledger.board(f"task = {query.quote(task)}", limit=1):
        registry.load(here).line(task)  # a task without runs is no mistake, an unknown one is
    rows = ledger.board(" and ".join(both) or None, sort, limit)
    return Answer(rows, listing.table(rows))


def show(ref: Ref) -> Answer:
    """Show one run: outcome, numbers, verdict, code, files, and how to go on."""
    from core import project
    from core.ledger import Ledger

    here = project.find()
    record = Ledger(here).find(ref)
    return Answer(record, describe(here, record))


def describe(project: Project, record: RunRecord) -> str:
    """A record for people, on about one screen."""
    from core.cli import page

    return page.text(project, record)


def log(
    ref: Ref,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run ends.")
    ] = False,
    series: Annotated[
        str | None, typer.Option(help="A logged scalar in place of the text.")
    ] = None,
) -> Answer:
    """Print a run's log, or one of its logged series as step and value."""
    from core import events, project
    from core.cli import logs
    from core.errors import AssayError, unknown
    from core.ledger import Ledger, folder

    here = project.find()
    run = Ledger(here).find(ref).run
    found = folder(here, run)
    if found is None:
        raise AssayError(
            f"the folder of run {run} is not on this machine",
            f"`assay show {run}` has the last lines of its log",
            code="no_run_folder",
        )
    if series:
        known = events.series(found / events.NAME)
        if series not in known:
            raise unknown("series", series, known, where=f"run {run}")
        rows = known[series]
        return Answer(rows, "\n".join(f"{step:8d} {'' if v is None else v}" for step, v in rows))
    if follow:
        logs.follow(here, run, found / "log.txt")
        return Answer({"run": run, "file": str(found / "log.txt")})
    text = logs.whole(found / "log.txt")
    data = {"run": run, "file": str(found / "log.txt"), "text": text}
    return Answer(data, text.rstrip("\n") or logs.empty(events.series(found / events.NAME)))


def note(
    ref: Ref,
    text: Annotated[str, typer.Argument(help="What to remember.")],
    tag: Annotated[bool, typer.Option("--tag", help="TEXT is a tag.")] = False,
    void: Annotated[
        bool, typer.Option("--void", help="The run does not count; TEXT says why.")
    ] = False,
    by: By = "human",
) -> Answer:
    """Add a remark or a tag to a run, or declare it void. Nothing is ever deleted."""
    from core import project
    from core.errors import AssayError
    from core.ledger import Ledger

    if tag and void:
        raise AssayError("--tag and --void are two different notes", "Give one of them")
    ledger = Ledger(project.find())
    run = ledger.find(ref).run
    kind = "void" if void else "tag" if tag else "text"
    event = ledger.append("note", run, {"kind": kind, "text": text, "by": by})
    return Answer(event, f"{run}: {kind} noted")


def decide(
    ref: Ref,
    decision: Annotated[str, typer.Argument(help="keep or discard.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for those who read it later.")],
    by: By = "human",
) -> Answer:
    """Decide to keep or discard a run. The last decision counts; all stay on record."""
    from core import project
    from core.errors import unknown
    from core.ledger import Ledger

    if decision not in ("keep", "discard"):
        raise unknown("decision", decision, ("keep", "discard"))
    ledger = Ledger(project.find())
    record = ledger.find(ref)
    judged = record.verdict.id if record.verdict else None
    payload = {"decision": decision, "by": by, "reason": why, "verdict": judged}
    event = ledger.append("decision", record.run, payload)
    return Answer(event, f"{record.run}: {decision}")
