"""Commands that run things: run, resume, stop, wait, do."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.answer import Answer, command, say
from core.cli.review import Board, Mode

if TYPE_CHECKING:
    from core.execute import Supervisor
    from core.export.settings import Settings
    from core.ledger.record import RunRecord
    from core.spec import RunSpec

Set = Annotated[
    list[str] | None, typer.Option("-o", "--set", help="Config value, key=value; repeat.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:<n>.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="CPU threads of a run; default: all cores.")
]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    command(app)(run)
    command(app)(resume)
    command(app)(stop)
    command(app)(wait)
    command(app)(clean)
    command(app, "do")(do_)


def run(
    task: str,
    variant: Annotated[
        str | None, typer.Option("--variant", "-v", help="A declared variant.")
    ] = None,
    set_: Set = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="Default: 0, or that of --start-from's run."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.001, help="Training budget in seconds.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training budget in steps.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Training budget in epochs.")] = None,
    total: Annotated[
        float | None, typer.Option(min=0.001, help="Wall-clock limit of the run, seconds.")
    ] = None,
    memory: Annotated[float | None, typer.Option(min=1, help="Memory limit, MiB.")] = None,
    device: Device = "cpu",
    threads: Threads = None,
    start_from: Annotated[
        str | None,
        typer.Option(help="<run>:best or <run>:last: evaluate that checkpoint only."),
    ] = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="The task's own quick config.")] = False,
    here: Annotated[bool, typer.Option("--here", help="In this process, for a debugger.")] = False,
    wandb: Mode = None,
    tensorboard: Board = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run.")] = False,
) -> Answer:
    """Run a task once: train, evaluate, record, judge."""
    from core import checkpoints, config, execute, plan, project, registry
    from core.contract import Budget
    from core.errors import AssayError
    from core.export import settings
    from core.ledger import Ledger
    from core.spec import Limits

    here_is = project.find()
    given: dict[str, Any] = {"variant": variant, "seed": seed or 0}
    if tiny:
        given["layers"] = [config.Layer("tiny", registry.load(here_is).find(task).tiny)]
    if start_from:
        record, path = checkpoints.of(here_is, Ledger(here_is), start_from)
        if record.task != task or variant or tiny:
            raise AssayError(
                f"--start-from takes task, variant and config from {record.task} {record.run}",
                "Name that task, leave out --variant and --tiny, and change config with -o",
            )
        given = plan.like(record) | {"parent": record.run, "start_from": path}
        given["seed"] = record.seed if seed is None else seed
    spec = plan.prepare(
        here_is,
        task,
        **given,
        overrides=config.parse_overrides(set_ or []),
        budget=Budget(seconds=seconds, steps=steps, epochs=epochs),
        limits=Limits(total_s=total, memory_mib=memory),
        device=device,
        threads=threads,
    )
    if dry_run:
        return Answer(
            spec, f"would run {spec.task}/{spec.variant} seed {spec.seed}: {spec.overrides}"
        )
    exported = settings.of(here_is, wandb=settings.checked(wandb), tensorboard=tensorboard)
    return _execute(execute.Supervisor(here_is), spec, exported, inline=here)


def resume(
    ref: Annotated[str, typer.Argument(help="A run or a study.")],
    wandb: Mode = None,
    tensorboard: Board = None,
) -> Answer:
    """Go on with an interrupted run or study, from the last checkpoint."""
    from core import execute, project
    from core.cli.study import resume_study, study_named
    from core.export import scope, settings

    here_is = project.find()
    if study_named(here_is, ref):
        return resume_study(here_is, ref, wandb, tensorboard)
    supervisor = execute.Supervisor(here_is)  # a result that was left behind is adopted first
    record = supervisor.ledger.find(ref)
    home, asked = here_is.run_dir(record.run) / scope.FOLDER, settings.checked(wandb)
    exported = settings.of(here_is, home, wandb=asked, tensorboard=tensorboard)
    return _execute(supervisor, execute.resume(here_is, record), exported)


def stop(ref: Annotated[str, typer.Argument(help="A running run or study.")]) -> Answer:
    """Ask a run or study to stop at the next step; it is recorded as cancelled."""
    from core import control, project, study
    from core.ledger import Ledger

    here_is = project.find()
    if study.named(here_is, ref):
        stopped = study.stop(here_is, ref)
        return Answer({"asked": stopped}, f"asked study {ref} to stop")
    stopped = control.stop(here_is, [Ledger(here_is).find(ref)])
    return Answer({"asked": stopped}, f"asked {', '.join(stopped)} to stop")


def wait(
    ref: Annotated[str, typer.Argument(help="A run or study.")],
    timeout: Annotated[float | None, typer.Option(help="Give up after this many seconds.")] = None,
) -> Answer:
    """Wait until a run or study has ended, and answer with its records."""
    from core import control, project, study
    from core.ledger import Ledger

    here_is = project.find()
    ledger = Ledger(here_is)
    if study.named(here_is, ref):
        records = [ledger.find(run) for run in study.wait(here_is, ref, timeout)]
    else:
        records = control.wait(ledger, [ledger.find(ref).run], timeout)
    return Answer(records, "\n".join(f"{r.run}  {r.status}" for r in records))


def clean(
    keep: Annotated[str, typer.Option(help="best, best-of-study or none.")] = "best",
    where: Annotated[str | None, typer.Option("-w", help="Only runs that match.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the files.")] = False,
) -> Answer:
    """Remove checkpoints that are not needed; their digests stay in the ledger."""
    from core import checkpoints, project
    from core.errors import unknown
    from core.ledger import Ledger

    if keep not in ("best", "best-of-study", "none"):
        raise unknown("retention", keep, ("best", "best-of-study", "none"), where="--keep")
    here_is = project.find()
    files = checkpoints.surplus(here_is, Ledger(here_is).records(where), keep)
    for file in [] if dry_run else files:
        file.path.unlink()
    verb = "would remove" if dry_run else "removed"
    size = sum(f.bytes for f in files) / 2**20
    lines = [str(f.path) for f in files] if dry_run else []
    told_ = f"{verb} {len(files)} checkpoints, {size:.1f} MiB"
    return Answer([f._asdict() for f in files], "\n".join([*lines, told_]))


def do_(
    task: str,
    tool: Annotated[str, typer.Argument(help="A tool that the task declares.")],
    run: Annotated[
        str, typer.Option("--run", help="Use the config and checkpoint of this run.")
    ] = "",
    set_: Set = None,
    device: Device = "cpu",
) -> Answer:
    """Call a tool of a task, with its own options as -o key=value."""
    from core import config, project, tools
    from core.cli.progress import Progress

    show = Progress(f"{task} {tool}")
    given = config.parse_overrides(set_ or [])
    out = tools.call(project.find(), task, tool, run, given, device, watch=show)
    show.end("done")
    return Answer(out, "\n".join(_lines(out)))


def _lines(value: Any, indent: str = "") -> Iterator[str]:
    """What a tool gave, for people: a line a value, mappings by key."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, Mapping | list | tuple) and inner:
                yield f"{indent}{key}:"
                yield from _lines(inner, indent + "  ")
            else:
                yield f"{indent}{key}: {inner}"
    else:
        yield from (f"{indent}{v}" for v in (value if isinstance(value, list | tuple) else [value]))


def _execute(
    supervisor: Supervisor, spec: RunSpec, exported: Settings, *, inline: bool = False
) -> Answer:
    """Run, judge the group, publish, and say how it went."""
    from core import judging, registry
    from core.cli.progress import Progress
    from core.export import launch, scope

    project = supervisor.project
    show = Progress(f"{spec.task}/{spec.variant} seed {spec.seed}")
    home = spec.dir / scope.FOLDER
    with launch.beside(project, spec.run, home, exported, lambda line: say(line, sys.stderr)):
        record = supervisor.run(spec, watch=show, here=inline)
        show.end(record.status)
        if record.status == "finished":
            task = registry.load(project).find(spec.task)
            judging.after_run(project, supervisor.ledger, task, record.group)
            record = supervisor.ledger.find(record.run)
        supervisor.ledger.publish()
    return told(project, record, interrupted=supervisor.stopped)


def told(project: Any, record: RunRecord, *, interrupted: bool = False) -> Answer:
    """A run's record as an answer: exit 0 finished, 5 not finished, 130 stopped by somebody."""
    from core.cli.records import describe
    from core.errors import AssayError, Exit

    text = describe(project, record)
    if record.status == "finished":
        return Answer(record, text)
    code = Exit.INTERRUPTED if interrupted else Exit.NOT_FINISHED
    error = AssayError(
        f"run {record.run} ended as {record.status}: {record.reason}",
        f"Resume it with `assay resume {record.run}`",
        code=record.status,
        exit_code=code,
    )
    return Answer(record, text, code, error)
