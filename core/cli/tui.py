"""The command that opens the terminal face."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli.answer import Answer, command


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    command(app)(tui)


def tui(
    web: Annotated[
        bool, typer.Option("--web", help="Serve it to a browser of this machine instead.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Of --web; this machine only can reach it.")
    ] = 8017,
) -> Answer:
    """Open the screens: launch, watch, stop and judge studies, and read the ledger."""
    import gc
    import os
    import sys

    from core import project
    from core.errors import AssayError

    here = project.find()
    if web:
        from core.tui import web as browser

        browser.serve(here, port)
        return Answer({"port": port})
    served = "TEXTUAL_DRIVER" in os.environ  # by textual-serve, over pipes
    if not served and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise AssayError(
            "the screens need a terminal, and this is none",
            "Use `assay ls`, `assay study list`, or `assay tui --web`",
            code="no_terminal",
        )
    gc.disable()  # while all is imported; the app switches it on when its first frame stands
    from core.tui.app import Assay

    Assay(here).run()
    return Answer(None)
