"""Commands for people who look from outside: wandb follow, sync, build, publish."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli.answer import Answer, command

app = typer.Typer(help="Show studies and runs in W&B and TensorBoard.")
Ref = Annotated[str, typer.Argument(help="A study or a run.")]
Mode = Annotated[
    str | None,
    typer.Option(
        "--wandb", help="auto, offline, online or off; default: the project's setting, else off."
    ),
]
Board = Annotated[
    bool | None,
    typer.Option("--tensorboard/--no-tensorboard", help="Write TensorBoard's files too."),
]


@command(app)
def follow(
    ref: Ref,
    mode: Mode = None,
    tensorboard: Board = None,
    attached: Annotated[
        bool, typer.Option("--attached", hidden=True, help="Go on until stdin ends.")
    ] = False,
) -> Answer:
    """Export a study or a run: what W&B and TensorBoard lack, and what comes while it goes on."""
    import json
    import os

    from core import locks, project
    from core.export import launch, scope, settings
    from core.export.follow import Exporter, nothing
    from core.ledger import disk

    here = project.find()
    found = scope.find(here, ref, attached=attached)
    wanted = settings.of(here, found.folder, wandb=settings.checked(mode), tensorboard=tensorboard)
    if not wanted.on:
        raise nothing()
    lock = locks.take(found.folder / "lock")
    if lock is None:
        raise scope.busy(found.name)
    try:
        os.nice(10)  # runs come first
        settings.keep(found.folder, wanted)
        done = Exporter(here, found, wanted).run()
        disk.replace(found.folder / launch.DONE, json.dumps(done, indent=1).encode())
    finally:
        os.close(lock)
    return Answer(done, "\n".join(launch.lines(done)))


@command(app)
def sync(
    ref: Annotated[str, typer.Argument(help="A study or a run; default: every run.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent.")] = False,
) -> Answer:
    """Send what W&B kept offline. A run that fails is named, and the others are sent."""
    from core import project
    from core.cli.answer import say
    from core.errors import AssayError, Exit
    from core.export import mode, scope
    from core.export import sync as sending
    from core.ledger import Ledger

    here = project.find()
    ledger = Ledger(here)
    todo = sending.unsent(here, ledger, scope.find(here, ref).where() if ref else "true")
    if dry_run or not todo:
        listed = [
            f"{run}  {len(folders)} session{'s' * (len(folders) > 1)}"
            for run, folders in todo.items()
        ]
        return Answer({"unsent": list(todo)}, "\n".join(listed) or "nothing to send")
    if not mode.has_key():
        raise AssayError("W&B has no API key", "Log in with `wandb login`", code="no_key")
    sent = []
    for number, (run, folders) in enumerate(todo.items(), start=1):
        sent.append(sending.send(run, folders, here))
        state = "sent" if sent[-1].ok else f"not sent: {sent[-1].said}"
        say(f"[{number}/{len(todo)}] {run}  {state}")
        if sent[-1].ok:
            ledger.append("note", run, {"kind": "tag", "text": "wandb", "by": "assay"})
    bad = [one for one in sent if not one.ok]
    error = AssayError(
        f"{len(bad)} of {len(sent)} runs were not sent: {bad[0].run}: {bad[0].said}" if bad else "",
        "Run it again: what was sent stays",
        code="not_sent",
        exit_code=Exit.NOT_FINISHED,
    )
    data = [one._asdict() for one in sent]
    return Answer(data, "", error.exit_code, error) if bad else Answer(data)


@command(app)
def build(
    task: Annotated[str, typer.Argument(help="One task; default: all of the registry.")] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 4 when a file is not current.")
    ] = False,
) -> Answer:
    """Write each task's W&B workspace and report as JSON into studies/dashboards/. No network."""
    from core import project, registry
    from core.errors import AssayError, Exit
    from core.export import dashboards

    here = project.find()
    known = registry.load(here)
    stale, files = [], []
    for name in [task] if task else sorted(known.lines):
        content = dashboards.text(here, known.find(name))
        dashboards.check(content, name)
        file = here.root / dashboards.FOLDER / f"{name}.json"
        if not file.exists() or file.read_text() != content:
            stale.append(name)
        files.append(str(file.relative_to(here.root)))
        if not check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    data = {"files": files, "changed": stale}
    if check and stale:
        error = AssayError(
            f"dashboards that are not what their tasks declare: {', '.join(stale)}",
            "Run `assay wandb build` and commit",
            code="stale",
            exit_code=Exit.NOT_ACCEPTED,
        )
        return Answer(data, "", error.exit_code, error)
    return Answer(data, "\n".join(f"{'current' if check else 'wrote'} {f}" for f in files))


@command(app)
def publish(
    task: Annotated[str, typer.Argument(help="The task whose dashboards are sent.")],
    entity: Annotated[
        str, typer.Option(help="W&B's team or user; default: the project's setting.")
    ] = "",
) -> Answer:
    """Send a task's workspace and report to W&B, over what was sent before. Needs a key."""
    from core import project, registry
    from core.errors import AssayError
    from core.export import dashboards, mode, settings

    here = project.find()
    declared = registry.load(here).find(task)
    wanted = settings.of(here)
    team = entity or wanted.entity
    if not team:
        raise AssayError(
            "W&B needs a team or user to publish for",
            "Pass --entity, or write `review: {entity: ...}` in registry.yaml",
            code="no_entity",
        )
    if not mode.has_key():
        raise AssayError("W&B has no API key", "Log in with `wandb login`", code="no_key")
    done = dashboards.publish(here, declared, team, str(wanted.project))
    return Answer(done._asdict(), f"{done.workspace}\n{done.report}")
