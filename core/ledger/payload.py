"""What each kind of event may carry: checked when we write one and when we read others'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core import clock
from core.ledger.fold import ENDED, MERGED, STARTED, merge
from core.ledger.lines import ENVELOPE, Flaw

# A record that says nothing, to try an `ended` payload on.
_BARE: dict[str, Any] = {
    "run": "",
    **{"task": "", "task_version": 1, "variant": "", "kind": "run", "attempt": 1, "seed": 0},
    **dict.fromkeys(("study", "trial", "parent", "git")),
    **{"group": "", "comparable": "", "config": {}, "config_digest": "", "overrides": {}},
    "budget": {"kind": "config", "limit": None},
    "timing": {"created": "", "started": ""},
    "resources": {"device": "", "threads": 1},
    "env": {"digest": "", "python": "", "torch": None, "cuda": None, "os": ""},
    "protected": {"evaluator_digest": ""},
}


def check(event: Mapping[str, Any]) -> None:
    """Refuse an event whose payload cannot be part of a record.

    Raises:
        Flaw: a field is missing, unknown or of the wrong type.
    """
    from pydantic import ValidationError

    payload = {k: v for k, v in event.items() if k not in ENVELOPE}
    _instants({"t": event["t"]})
    try:
        _validate(event, payload)
    except ValidationError as error:
        first = error.errors()[0]
        raise Flaw(".".join(map(str, first["loc"])), first["msg"]) from error


def _validate(event: Mapping[str, Any], payload: dict[str, Any]) -> None:
    from core.ledger.record import Decision, Note, RunRecord, Verdict

    match event["e"]:
        case "started":
            _known(payload, STARTED)
            RunRecord.model_validate({**payload, "run": event["run"], "status": "running"})
            _instants(_timing(payload["timing"]))
        case "ended":
            _known(payload, (*ENDED, *MERGED, "attempt"))
            if payload.get("status") == "running":
                raise Flaw("status", "a run that ended is not running")
            whole = {k: merge(_BARE[k], payload[k]) for k in MERGED if k in payload}
            RunRecord.model_validate({**_BARE, **payload, **whole})
            _instants(_timing(payload.get("timing", {})))
        case "verdict":
            Verdict.model_validate(payload)
        case "decision":
            Decision.model_validate({**payload, "at": event["t"]})
        case "note":
            Note.model_validate({**payload, "at": event["t"]})


def _instants(named: Mapping[str, Any]) -> None:
    """Refuse times that nobody can read: the thirteenth month passes every pattern."""
    for name, value in named.items():
        try:
            clock.parse(value)
        except ValueError as error:
            raise Flaw(name, f"{value!r} is no instant in UTC") from error


def _timing(timing: Mapping[str, Any]) -> dict[str, Any]:
    names = ("created", "started", "ended")
    return {f"timing.{n}": timing[n] for n in names if timing.get(n) is not None}


def _known(payload: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in payload:
        if name not in names:
            raise Flaw(name, "no such field")
