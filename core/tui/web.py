"""The same app in a browser of this machine: textual-serve, on loopback alone."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path

import core
from core.errors import AssayError
from core.project import Project

HOST = "127.0.0.1"
PAGES = Path(__file__).parent / "pages"  # our page: textual-serve's asks Google for a font


def serve(project: Project, port: int) -> None:
    """Serve until Ctrl-C; every page that is opened has a process of its own.

    Raises:
        AssayError: textual-serve is not installed, or the port is taken.
    """
    if importlib.util.find_spec("textual_serve") is None:
        raise AssayError(
            "assay tui --web needs the package textual-serve",
            "pip install 'assay[web]'",
            code="no_web",
        )
    from textual_serve.server import Server

    tree = Path(core.__file__).parent.parent
    inner = shlex.join([sys.executable, "-m", "core.cli", "-C", str(project.root), "tui"])
    command = f"cd {shlex.quote(str(tree))} && exec {inner}"
    words = f"sh -c {shlex.quote(command)}"
    try:
        Server(words, host=HOST, port=port, title="assay", templates_path=PAGES).serve()
    except OSError as error:
        raise AssayError(
            f"cannot serve on {HOST}:{port}: {error.strerror or error}",
            "Name another --port",
            code="port",
        ) from error
