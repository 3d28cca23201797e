"""Events of a run into its record: a plain dict in the shape of `RunRecord`, whatever the order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

STARTED = (
    *("task", "task_version", "primary", "variant", "kind", "study", "trial", "parent"),
    *("start_from", "attempt", "seed", "group", "comparable", "config", "config_digest"),
    *("overrides", "origins", "budget", "timing", "resources", "git", "env", "data", "protected"),
)
ENDED = (
    *("status", "reason", "error", "metrics", "absent", "series", "artifacts", "steps"),
    *("nonfinite_steps", "log_tail", "links"),
)
MERGED = ("timing", "resources", "budget")  # `ended` completes what `started` said
VERDICT = ("verdict", "clauses", "candidate", "reference", "criteria", "criteria_digest")


def concerned(event: Mapping[str, Any]) -> list[str]:
    """The runs that an event is about: a verdict judges several."""
    named = event.get("candidate", []) if event["e"] == "verdict" else []
    return list(dict.fromkeys([event["run"], *named]))


def speaks_for_team(event: Mapping[str, Any]) -> bool:
    """Whether an event decides for others, so that a branch nobody reviewed may not bring it."""
    return event["e"] == "decision" or (event["e"] == "note" and event.get("kind") == "void")


def fold(events: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The record of one run; None when no `started` event is among them.

    Doubles and order do not matter. The highest attempt counts; in it a real end wins over `lost`,
    the later over the earlier. The last verdict and the last decision speak.
    """
    ordered = sorted({e["id"]: e for e in events}.values(), key=lambda e: (e["t"], e["id"]))
    starts = [e for e in ordered if e["e"] == "started"]
    if not starts:
        return None
    start = max(reversed(starts), key=lambda e: e["attempt"])
    record = {"schema_version": 1, "run": start["run"], "status": "running"}
    record |= {k: start[k] for k in STARTED if k in start}
    end = _end(ordered, start["attempt"])
    if end:
        record |= {k: end[k] for k in ENDED if k in end}
        record |= {k: merge(start[k], end.get(k, {})) for k in MERGED}
    record["timing"] = record["timing"] | {"created": starts[0]["timing"]["created"]}
    return record | _said(ordered)


def _end(ordered: list[Mapping[str, Any]], attempt: int) -> Mapping[str, Any] | None:
    """The `ended` event of an attempt; one that names none belongs to the last start before it."""
    current, best = 0, None
    for event in ordered:
        if event["e"] == "started":
            current = event["attempt"]
        elif event["e"] != "ended" or event.get("attempt", current) != attempt:
            continue
        elif best is None or event["status"] != "lost" or best["status"] == "lost":
            best = event
    return best


def _said(ordered: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Verdict, decision, notes and the void mark."""
    out: dict[str, Any] = {"notes": [], "void": False}
    for event in ordered:
        if event["e"] == "verdict":
            out["verdict"] = {k: event[k] for k in VERDICT} | {"id": event["id"]}
        elif event["e"] == "decision":
            kept = {k: event.get(k) for k in ("decision", "by", "reason", "verdict")}
            out["decision"] = kept | {"at": event["t"]}
        elif event["e"] == "note":
            kept = {k: event[k] for k in ("kind", "text", "by")}
            out["notes"].append(kept | {"at": event["t"]})
            out["void"] = out["void"] or event["kind"] == "void"
    return out


def merge(first: Any, then: Any) -> Any:
    """What `started` said, completed and overruled by `ended`."""
    return {**first, **then} if isinstance(then, Mapping) else then
