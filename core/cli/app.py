"""All commands in one place; each file registers its own and imports heavy things inside."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from core.cli import accept, compare, ledger, records, review, runs, study, tasks, tui
from core.cli.answer import Answer, answer
from core.errors import AssayError, Exit

app = typer.Typer(
    name="assay",
    help="Run tasks, record every result against its commit, and judge it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (runs, study, records, accept, compare, tasks, tui):
    part.register(app)
app.add_typer(ledger.app, name="ledger")
app.add_typer(review.app, name="wandb")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"assay {version('assay')}")
        raise typer.Exit


@app.callback()
def _options(
    project: Annotated[
        Path | None, typer.Option("--project", "-C", help="Work in this checkout.")
    ] = None,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    if project is not None:
        if not project.is_dir():
            raise AssayError(f"no folder {project}", "Pass the checkout's folder to --project")
        os.chdir(project)


def run() -> None:
    """Entry of the console script. A mistake in the words themselves has its JSON too."""
    as_json = "--json" in sys.argv
    try:
        sys.exit(app(standalone_mode=not as_json))
    except AssayError as error:
        got = Answer(None, exit=error.exit_code, error=error)
    except TyperException as error:
        message = error.format_message()
        got = Answer(None, message, Exit.INPUT, AssayError(message, code="usage"))
    sys.exit(answer(lambda: got, as_json))
