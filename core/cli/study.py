"""Commands about studies: study run, study list, study show, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli import study_view as view
from core.cli.answer import Answer, command
from core.cli.review import Board, Mode

if TYPE_CHECKING:
    from core.export.settings import Settings
    from core.project import Project
    from core.study.folder import Folder

study = typer.Typer(help="Run and look at studies: seeds, ablations, grids, searches.")
Ref = Annotated[str, typer.Argument(help="A study: its id, the beginning of one, or its name.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(study, name="study")

    @command(app)
    def report(
        ref: Annotated[str, typer.Argument(help="A study, or a task for its review page.")],
        form: Annotated[view.Form, typer.Option("--format", help="Form of the tables.")] = "table",
        plots: Annotated[
            Path | None, typer.Option(help="Draw pictures, with their data, into this folder.")
        ] = None,
        whole: Annotated[
            bool, typer.Option("--all", help="All metrics, not only the judged ones.")
        ] = False,
        html: Annotated[
            bool, typer.Option("--html", help="One page for people without an account.")
        ] = False,
        markdown: Annotated[
            bool, typer.Option("--markdown", help="A comment for a pull request.")
        ] = False,
        out: Annotated[
            Path | None, typer.Option(help="Where the page goes; default: runs/review/.")
        ] = None,
        where: Annotated[
            str, typer.Option("-w", "--where", help="With a task: only runs that this names.")
        ] = "",
    ) -> Answer:
        """Tables of a study: what was measured, how it differs, what the verdicts say.

        With --html or --markdown it is a review page, of a task too.
        """
        from core import project
        from core.errors import AssayError
        from core.study import folder

        here = project.find()
        if where and not (html or markdown):
            raise AssayError(
                "-w chooses the runs of a task's page",
                f'Ask for the page: `assay report {ref} --html -w "{where}"`',
            )
        if html or markdown:
            return _review(here, ref, html, out, where)
        found = folder.find(here, ref)
        pictures = view.draw(here, found, plots) if plots else []
        drawn = "".join(f"\ndrew {path}" for path in pictures)
        data = {**view.data(here, found), "plots": [str(path) for path in pictures]}
        return Answer(data, view.tables(here, found, form, whole) + drawn)


def _review(here: Project, ref: str, html: bool, out: Path | None, where: str) -> Answer:
    """The review page of a study or a task."""
    from core.ledger import disk
    from core.review import markdown, page, subject

    found = subject.find(here, ref, where)
    if not html and out is None:
        text = markdown.text(found)
        return Answer({"markdown": text}, text.rstrip("\n"))
    body = (page.html(found) if html else markdown.text(found)).encode()
    file = out or here.runs / "review" / f"{found.name}.html"
    disk.replace(file, body)
    return Answer({"file": str(file), "bytes": len(body)}, f"{file}  {len(body) / 1024:.0f} kB")


@command(study, "run")
def run_(
    file: Annotated[str, typer.Argument(help="A study file, or the name of one in studies/.")] = "",
    set_: Annotated[
        list[str] | None, typer.Option("-o", "--set", help="Config value, key=value; repeat.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at the same time; default: the file's.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run also what an equal run has measured already.")
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "-s", "--with", help="A key of the study file, as seeds=[0,1]; without FILE all of it."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run.")] = False,
    wandb: Mode = None,
    tensorboard: Board = None,
    worker: Annotated[
        str, typer.Option(help="Take part in this study, which is running already.")
    ] = "",
) -> Answer:
    """Run a study: every config is checked first, then all runs are made, judged and recorded."""
    from core import config, project
    from core.errors import AssayError
    from core.export import settings
    from core.study import folder, start

    here = project.find()
    if worker:
        from core.study import worker as hand

        found = folder.find(here, worker)
        return Answer({"done": hand.work(here, found)}, f"worked on {found.plan.id}")
    if not (file or change):
        raise AssayError("no study file", "Name one: `assay study run studies/<name>.yaml`")
    overrides = config.parse_overrides(set_ or [])
    exported = settings.of(here, wandb=settings.checked(wandb), tensorboard=tensorboard)
    changes = config.parse_overrides(change or [])
    plan = start.new(here, file, overrides, workers=workers, fresh=fresh, changes=changes)
    if dry_run:
        return Answer(plan, view.planned(plan))
    return _lead(here, folder.create(here, plan), exported)


@command(study, "list")
def list_() -> Answer:
    """List the studies of this clone, newest first."""
    from core import project
    from core.cli.answer import local
    from core.study import folder

    here = project.find()
    rows = [(f.plan, "running" if f.led() else "") for f in folder.every(here)]
    lines = [
        f"{plan.id:32}  {local(plan.created)}  {plan.study.task:12}  {plan.study.kind:8}  {state}"
        for plan, state in rows
    ]
    data = [
        {"id": p.id, "created": p.created, "task": p.study.task, "kind": p.study.kind, "state": s}
        for p, s in rows
    ]
    if odd := folder.unreadable(here):
        lines.append(f"not shown, for their plan.json cannot be read: {', '.join(odd)}")
    return Answer(data, "\n".join(line.rstrip() for line in lines) or "no study was run here")


@command(study)
def show(ref: Ref) -> Answer:
    """Show a study's plan and how far it is."""
    from core import project
    from core.study import folder

    here = project.find()
    found = folder.find(here, ref)
    state = "running" if found.led() else "not running"
    return Answer(
        view.data(here, found), f"{view.planned(found.plan)}\n{state}: {view.progress(here, found)}"
    )


@command(study)
def pause(ref: Ref) -> Answer:
    """Let no further run of a study begin; `assay resume` goes on. Runs under way end as ever."""
    from core import project
    from core import study as studies

    found = studies.pause(project.find(), ref)
    return Answer({"paused": found.plan.id}, f"paused {found.plan.id}")


@command(study)
def requeue(run: Annotated[str, typer.Argument(help="A run that did not finish.")]) -> Answer:
    """Have a study's run done again from its checkpoint: now, or when the study is resumed."""
    from core import project
    from core import study as studies

    here = project.find()
    found = studies.find(here, studies.requeue(here, run))
    then = "" if found.led() else f"; go on with `assay resume {found.plan.id}`"
    return Answer({"study": found.plan.id, "running": found.led()}, f"queued {run} again{then}")


def study_named(project: Project, ref: str) -> bool:
    """Whether `ref` means a study."""
    from core.study import folder

    return folder.named(project, ref)


def resume_study(
    project: Project, ref: str, mode: str | None = None, tensorboard: bool | None = None
) -> Answer:
    """Go on with a study: what finished stays, what was interrupted goes on from its checkpoint."""
    from core import study as studies
    from core.export import scope, settings

    if studies.unpause(project, ref):
        return Answer({"study": ref, "unpaused": True}, f"study {ref} goes on")
    found = studies.find(project, ref)
    asked = settings.checked(mode)
    kept = settings.of(project, found.path / scope.FOLDER, wandb=asked, tensorboard=tensorboard)
    return _lead(project, found, kept)


def _lead(project: Project, folder: Folder, exported: Settings) -> Answer:
    """Have the study done, judge it, publish, and report."""
    from core import registry
    from core.cli.progress import Board
    from core.errors import AssayError, Exit
    from core.export import launch, scope
    from core.ledger import Ledger
    from core.study import lead, verdicts

    ledger = Ledger(project)
    task = registry.load(project).find(folder.plan.study.task)
    names = [*folder.plan.objectives, task.primary, *(m.name for m in task.metrics)]
    board = Board(ledger, list(dict.fromkeys(names)))
    board.say(f"study {folder.plan.id}: {view.progress(project, folder)}")
    id_, home = folder.plan.id, folder.path / scope.FOLDER
    with launch.beside(project, id_, home, exported, board.say):
        try:
            whole = lead.run(project, folder, board)
            if folder.cells:
                verdicts.record(project, ledger, folder)
        finally:
            board.close()
            ledger.publish()
    more = f"Pictures: assay report {folder.plan.id} --plots DIR"
    text = f"{view.tables(project, folder)}\n\n{more}"
    if whole:
        return Answer(view.data(project, folder), text)
    error = AssayError(
        f"study {folder.plan.id} stopped: {view.progress(project, folder)}",
        f"Go on with `assay resume {folder.plan.id}`",
        code="interrupted",
        exit_code=Exit.INTERRUPTED,
    )
    return Answer(view.data(project, folder), text, error.exit_code, error)
