"""Commands about the ledger itself: verify, commit, export, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli.answer import Answer, command

app = typer.Typer(help="Check, commit, export or import the ledger.", no_args_is_help=True)


@command(app)
def verify(
    artifacts: Annotated[
        bool, typer.Option("--artifacts", help="Compare files of runs with their digests too.")
    ] = False,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Decide every verdict again from its values.")
    ] = False,
) -> Answer:
    """Check digests, chains and references; exit 4 when something was changed."""
    from core import acceptance, project
    from core.errors import AssayError, Exit
    from core.ledger.verify import verify as check

    again = acceptance.recompute if recompute else None
    report = check(project.find(), artifacts=artifacts, recompute=again)
    data = {
        "lines": report.lines,
        "runs": report.runs,
        "verdicts": report.verdicts,
        "findings": [finding._asdict() for finding in report.findings],
    }
    total = f"{report.lines} events of {report.runs} runs, {report.verdicts} verdicts"
    found = f"{len(report.breaks)} breaks, {len(report.findings) - len(report.breaks)} open"
    text = "\n".join([*map(str, report.findings), f"{total}: {found}"])
    if not report.breaks:
        return Answer(data, text)
    error = AssayError(
        f"the ledger is not as it was written: {report.breaks[0]}",
        "Compare with git's history, or with the clone that wrote it",
        code="ledger_broken",
        exit_code=Exit.NOT_ACCEPTED,
    )
    return Answer(data, text, error.exit_code, error)


@command(app)
def commit(
    message: Annotated[
        str, typer.Option("--message", "-m", help="Commit message.")
    ] = "Record runs in the ledger",
) -> Answer:
    """Publish what is new and commit the folder ledger/, and nothing else that is staged."""
    from core import project
    from core.ledger import Ledger

    made = Ledger(project.find()).commit(message)
    return Answer({"commit": made}, made or "nothing new to commit")


@command(app)
def export(
    form: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "jsonl",
    where: Annotated[
        str | None, typer.Option("--where", "-w", help="SQL condition, as in `assay ls`.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; default: stdout.")
    ] = None,
) -> Answer:
    """Write records as CSV (one row a run) or as JSON lines (whole records)."""
    import io

    from core import project
    from core.ledger import Ledger, disk, exchange

    text = io.StringIO(newline="")
    number = exchange.export(Ledger(project.find()), form, where, text)
    data = {"records": number, "file": out and str(out)}
    if out is None:
        return Answer(data | {"text": text.getvalue()}, text.getvalue().rstrip("\r\n"))
    with disk.writing(out):
        disk.replace(out, text.getvalue().encode())
    return Answer(data, f"{number} records written to {out}")


@command(app, "import")
def import_(
    file: Annotated[Path, typer.Argument(help="results.tsv of karpathy/autoresearch.")],
    task: Annotated[str, typer.Option("--task", help="The task that its runs belong to.")],
) -> Answer:
    """Record the experiments of a results.tsv; a crash is a failed run without its metric."""
    from core import project
    from core.errors import AssayError
    from core.ledger import Ledger, exchange

    if not file.is_file():
        raise AssayError(f"no file {file}", "Give the path of a results.tsv", code="no_file")
    new = exchange.import_results(Ledger(project.find()), file, task)
    return Answer({"runs": new}, f"{len(new)} runs imported into {task}")
