"""Commands that set two runs side by side: diff, repro."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.answer import Answer, command

if TYPE_CHECKING:
    from core.ledger.record import RunRecord
    from core.project import Project
    from core.repro import Row


def register(app: typer.Typer) -> None:
    """Add this file's commands."""

    @command(app)
    def diff(
        a: Annotated[str, typer.Argument(help="A run.")],
        b: Annotated[str, typer.Argument(help="Another run.")],
        code: Annotated[bool, typer.Option("--code", help="The whole code difference.")] = False,
    ) -> Answer:
        """Show what differs between two runs: config, data, environment, code, metrics."""
        from core import project
        from core.ledger import Ledger

        here = project.find()
        ledger = Ledger(here)
        return _difference(here, ledger.find(a), ledger.find(b), whole=code)

    @command(app)
    def repro(
        run: Annotated[str, typer.Argument(help="The run to do again.")],
        keep: Annotated[bool, typer.Option("--keep", help="Leave its worktree in place.")] = False,
    ) -> Answer:
        """Do a run again from its own commit, and compare every metric."""
        from core import project
        from core import repro as again
        from core.cli.progress import Progress
        from core.cli.runs import told
        from core.errors import AssayError, Exit
        from core.execute import Supervisor

        supervisor = Supervisor(project.find())
        record = supervisor.ledger.find(run)
        show = Progress()
        show.start(f"repro {record.task}/{record.variant} seed {record.seed}")
        done = again.repeat(supervisor, record, keep=keep, watch=show)
        show.end(done.record.status)
        supervisor.ledger.publish()
        if done.record.status != "finished":
            return told(supervisor.project, done.record, interrupted=supervisor.stopped)
        data = {
            "run": done.record.run,
            "of": record.run,
            "environment": done.environment,
            "tree": done.tree,
            "metrics": [row._asdict() for row in done.rows],
        }
        text = "\n".join([*_table(done.rows), *(f"environment: {e}" for e in done.environment)])
        bad = [row.metric for row in done.rows if row.result in ("differs", "absent")]
        if not bad:
            return Answer(data, text)
        error = AssayError(
            f"the repeat differs in {', '.join(bad)}",
            f"See `assay diff {record.run} {done.record.run}`",
            code="differs",
            exit_code=Exit.NOT_ACCEPTED,
        )
        return Answer(data, text, Exit.NOT_ACCEPTED, error)


def _difference(project: Project, a: RunRecord, b: RunRecord, *, whole: bool) -> Answer:
    from core import config, git
    from core.repro import compare

    def flat(values: dict[str, Any]) -> dict[str, Any]:
        return dict(config.flatten(values, ()))

    settings = _changed(flat(a.config), flat(b.config))
    facts = _changed(_facts(a), _facts(b))
    rows = compare(a, b)
    commits = [r.git.commit if r.git else None for r in (a, b)]
    if None in commits:
        patch = "one of them has no commit"
    elif commits[0] == commits[1]:
        patch = "the same tree"
    else:
        patch = (
            git.diff(project, str(commits[0]), str(commits[1]), stat=not whole) or "the same tree"
        )
    parts = {
        "config": _pairs(settings),
        "facts": _pairs(facts),
        "metrics": _table(rows),
        "code": [patch],
    }
    text = [f"{a.run}  {b.run}"]
    for title, lines in parts.items():
        text += ["", title, *(f"  {line}" for part in lines for line in part.splitlines())]
    data = {
        "config": settings,
        "facts": facts,
        "code": patch,
        "metrics": [r._asdict() for r in rows],
    }
    return Answer(data, "\n".join(text))


def _facts(record: RunRecord) -> dict[str, Any]:
    """What a run stood on besides its config."""
    data = {f"data {d.name}": d.digest for d in record.data}
    env = {f"env {k}": v for k, v in record.env.model_dump().items()}
    return {
        "task version": record.task_version,
        "seed": record.seed,
        "budget": f"{record.budget.kind} {record.budget.limit or ''}".strip(),
        "device": record.resources.device,
        "threads": record.resources.threads,
        "evaluator": record.protected.evaluator_digest,
        **data,
        **env,
    }


def _changed(a: dict[str, Any], b: dict[str, Any]) -> dict[str, list[Any]]:
    return {k: [a.get(k), b.get(k)] for k in sorted({*a, *b}) if a.get(k) != b.get(k)}


def _pairs(changed: dict[str, list[Any]]) -> list[str]:
    width = max(map(len, changed), default=0)
    return [f"{k:{width}}  {x} -> {y}" for k, (x, y) in changed.items()] or ["no difference"]


def _table(rows: list[Row]) -> list[str]:
    width = max((len(r.metric) for r in rows), default=0)

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.6g}"

    return [
        f"{r.metric:{width}}  {number(r.then):>12}  {number(r.now):>12}  {r.result}" for r in rows
    ]
