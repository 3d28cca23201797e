"""How every command answers: text for people on stdout, or with `--json` one object for agents.

`{"ok", "data", "error": {"code", "message", "hint"}, "schema": "assay.cli/1"}` on stdout, and then
people's text and progress go to stderr.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TextIO

import typer

from core.errors import AssayError, Exit

SCHEMA = "assay.cli/1"
FULL = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM)


class Answer(NamedTuple):
    """What a command gives back."""

    data: Any  # JSON-able, or a pydantic model, or a list of them
    text: str = ""  # for people; no trailing newline
    exit: Exit = Exit.OK
    error: AssayError | None = None  # a result that is also a failure (verdict, run) keeps its data


def command(app: typer.Typer, name: str | None = None, **kwargs: Any) -> Callable[..., Any]:
    """Register a function that returns an Answer, and give it `--json`."""

    def register(function: Callable[..., Answer]) -> Callable[..., Answer]:
        @functools.wraps(function)
        def run(*args: Any, as_json: bool = False, **options: Any) -> None:
            raise typer.Exit(answer(functools.partial(function, *args, **options), as_json))

        option = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]
        given = inspect.signature(function, eval_str=True)
        extra = inspect.Parameter(
            "as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=option
        )
        run.__signature__ = given.replace(  # type: ignore[attr-defined]
            parameters=[*given.parameters.values(), extra], return_annotation=None
        )
        run.__annotations__ = {p.name: p.annotation for p in run.__signature__.parameters.values()}  # type: ignore[attr-defined]
        app.command(name, **kwargs)(run)
        return function

    return register


def answer(function: Callable[[], Answer], as_json: bool) -> int:
    """Call, print, give the exit code. An AssayError is one line; a bug keeps its traceback."""
    try:
        with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
            got = function()
    except AssayError as error:
        got = Answer(None, exit=error.exit_code, error=error)
    except OSError as error:
        if error.errno not in (*FULL, *FORBIDDEN):
            raise
        got = Answer(None, exit=Exit.INPUT, error=_disk(error))
    except KeyboardInterrupt:
        got = Answer(
            None, exit=Exit.INTERRUPTED, error=AssayError("interrupted", code="interrupted")
        )
    if got.text:
        say(got.text, sys.stderr if as_json else sys.stdout)
    if got.error and not as_json:
        say(f"assay: {got.error}", sys.stderr)
    if as_json:
        say(envelope(got), sys.stdout)
    return int(got.exit)


def _disk(error: OSError) -> AssayError:
    """A full or closed disk in one line: nothing is wrong with our code."""
    verb = "write to" if error.errno in FULL else "read or write"
    place = error.filename or "the disk"
    return AssayError(
        f"cannot {verb} {place}: {error.strerror}",
        "Make it writable, or make room there",
        code="disk",
    )


def envelope(got: Answer) -> str:
    """The one JSON object of a command."""
    error = got.error and {
        "code": got.error.code,
        "message": got.error.message,
        "hint": got.error.hint,
    }
    whole = {"ok": got.error is None, "data": got.data, "error": error, "schema": SCHEMA}
    return json.dumps(whole, default=plain, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """JSON form of pydantic models, paths and sets."""
    if hasattr(value, "model_dump"):
        return json.loads(value.model_dump_json())  # a NaN becomes "NaN" on this way alone
    return sorted(value) if isinstance(value, (set, frozenset)) else str(value)


def say(text: str, to: TextIO | None = None) -> None:
    """Print a line; a reader that went away (`| head`) is no error."""
    try:
        print(text, file=to or sys.stdout, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), (to or sys.stdout).fileno())


def local(stamp: str | None) -> str:
    """A UTC stamp in the reader's own time zone, to the minute."""
    from core.clock import parse

    return parse(stamp).astimezone().strftime("%Y-%m-%d %H:%M") if stamp else ""
