"""Before a launch: is all there, what will run, how long will it take."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from core.errors import AssayError
from core.ledger import query
from core.tui import starting, words
from core.tui.source import Source

State = Literal["ok", "warn", "bad"]
GLYPHS: dict[State, words.Cell] = {
    "ok": words.Cell("✓", "success"),
    "warn": words.Cell("!", "warning"),
    "bad": words.Cell("✗", "error"),
}


class Look(NamedTuple):
    """One thing looked at."""

    state: State
    what: str
    found: str


class Result(NamedTuple):
    """All of them, and how many runs it would be."""

    looks: list[Look]
    runs: int

    @property
    def clear(self) -> bool:
        """Whether nothing stands against it."""
        return all(look.state != "bad" for look in self.looks)

    @property
    def said(self) -> str:
        """In one line: what is wrong, else what it will be and what gives to think."""
        wrong = [look for look in self.looks if look.state == "bad"]
        worst = max((look.state for look in self.looks), key=list(GLYPHS).index)
        told = [f"{look.what}: {look.found}" for look in wrong] or [
            look.found if look.state == "ok" else f"{look.what} {look.found}"
            for look in self.looks
            if look.state == "warn" or look.what in ("plan", "time")
        ]
        return f"{GLYPHS[worst].text} {'; '.join(told)}"


def look(source: Source, task: str, command: Sequence[str], overrides: Mapping[str, Any]) -> Result:
    """Look at everything; the plan is made and validated by the command itself, in a dry run."""
    try:
        plan = starting.ask(source.project, [*command, "--dry-run"])
    except AssayError as error:
        return Result([Look("bad", "plan", str(error))], 0)
    study = plan["study"]
    runs = plan["trials"] or len(plan["arms"]) * len(study["seeds"])
    what = f"{runs} {'trials' if plan['trials'] else 'runs'}, {plan['workers']} at a time"
    with source.lock:
        looks = [
            Look("ok", "plan", f"{what}, on {study['device']}"),
            *_inputs(source, task, study, overrides),
            _git(source),
            _disk(source),
            _time(source, task, study, runs, plan["workers"]),
        ]
    return Result(looks, runs)


def _inputs(
    source: Source, task: str, study: Mapping[str, Any], overrides: Mapping[str, Any]
) -> list[Look]:
    """Files and folders that the config reads."""
    from core import inputs, plan, registry
    from core.config import Layer

    found = registry.load(source.project).find(task)
    spec = plan.prepare(
        source.project, task, layers=[Layer("study", study["config"])], overrides=overrides
    )
    try:
        paths = inputs.declared(source.project, found, found.config.model_validate(spec.config))
    except AssayError as error:
        return [Look("bad", "data", str(error))]
    gone = [f"{name}: {p}" for name, p in paths.items() if not p.exists()]
    if gone:
        return [Look("bad", "data", f"not there: {', '.join(gone)}")]
    names = ", ".join(f"{name} ({Path(p).name})" for name, p in paths.items())
    return [Look("ok", "data", names or "the task makes its own")]


def _git(source: Source) -> Look:
    code = source.code()
    if code == "no git":
        return Look("warn", "code", "not in git: results keep no commit")
    kept = "changes are kept in a snapshot" if code.endswith("*") else "clean"
    return Look("ok", "code", f"{code}, {kept}")


def _disk(source: Source) -> Look:
    from core import doctor

    free = shutil.disk_usage(source.project.root).free
    state: State = "ok" if free >= doctor.FEW_DISK else "warn" if free >= doctor.NO_DISK else "bad"
    return Look(state, "disk", f"{words.size(free)} free")


def _time(source: Source, task: str, study: Mapping[str, Any], runs: int, workers: int) -> Look:
    """From the ledger: finished runs under the same budget, else any of the task."""
    from core.study import start

    budget = study["budget"]
    kind = next((k for k in ("seconds", "steps", "epochs") if budget[k]), "config")
    mine = f"task = {query.quote(task)}"
    same = f"{mine} and budget_kind = '{kind}'"
    same += f" and budget_limit = {budget[kind]}" if kind != "config" else ""
    for where, said in ((same, "runs like these"), (mine, f"runs of {task}")):
        seconds = start.usual_s(source.ledger, where)
        if seconds is not None:
            whole = words.duration(seconds * -(-runs // workers))
            return Look(
                "ok", "time", f"about {whole}, at {words.duration(seconds)} a run as {said} took"
            )
    if budget["seconds"]:
        return Look("ok", "time", f"at least {words.duration(budget['seconds'] * runs / workers)}")
    return Look("warn", "time", "unknown: no finished run of the task tells")
