"""All commands in one place; each file registers its own and imports heavy things inside."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from core.cli import accept, compare, ledger, records, runs, study, tasks

app = typer.Typer(
    name="assay",
    help="Run tasks, record every result against its commit, and judge it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (runs, study, records, accept, compare, tasks):
    part.register(app)
app.add_typer(ledger.app, name="ledger")


@app.callback()
def _options(
    project: Annotated[
        Path | None, typer.Option("--project", "-C", help="Work in this checkout.")
    ] = None,
) -> None:
    if project is not None:
        if not project.is_dir():
            typer.echo(
                f"assay: no folder {project}. Pass the checkout's folder to --project", err=True
            )
            raise typer.Exit(2)
        os.chdir(project)


def run() -> None:
    """Entry of the console script."""
    sys.exit(app())
