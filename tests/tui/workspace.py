"""A toy project with a history: studies, runs and their folders, made without running anything.

Instants and ids are fixed, so that pictures of the screens are too. Numbers follow a formula.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from core import clock, events, locks, outcome, registry
from core.contract import Budget
from core.identity import Identity
from core.ledger import Ledger
from core.ledger.record import Env, Git
from core.project import Project
from core.spec import RunSpec
from core.study import folder, judged, start, verdicts
from core.study import plan as studies
from core.study.folder import Folder
from core.study.plan import Cell
from tests import toy

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
ABLATION = "task: toy\nkind: ablation\nvariants: [baseline, quick, better]\nseeds: [0, 1, 2]\n"
FLOORS = {"baseline": 0.30, "quick": 0.297, "better": 0.24}  # the error of each arm
SEARCH = "task: toy\nkind: search\ntrials: 12\nsampler: random\nworkers: 2\n"


class Time:
    """A clock that stands still unless it is moved, and ids that count."""

    def __init__(self) -> None:
        self.at = NOW - timedelta(hours=5)
        self._count = itertools.count(1)

    def now(self) -> datetime:
        return self.at

    def ulid(self) -> str:
        count = next(self._count)
        value = int(self.at.timestamp() * 1000) << 80 | count * 0x9E3779B97F4A7C15F39 % 2**80
        return "".join(clock._ALPHABET[value >> shift & 31] for shift in range(125, -5, -5))

    def pass_(self, **amount: float) -> None:
        self.at += timedelta(**amount)


@contextlib.contextmanager
def standing(time: Time) -> Iterator[Time]:
    """The clock is `time` in this process."""
    with (
        mock.patch.object(clock, "now", time.now),
        mock.patch.object(clock, "ulid", time.ulid),
        mock.patch("time.time", side_effect=lambda: time.at.timestamp()),
    ):
        yield time


def build(place: Path) -> Project:
    """The project: a finished ablation, a search half done, and single runs that went wrong."""
    dates = {f"GIT_{who}_DATE": "2026-11-25T06:00:00Z" for who in ("AUTHOR", "COMMITTER")}
    names = {f"GIT_{who}_NAME": "Toy" for who in ("AUTHOR", "COMMITTER")}
    mails = {f"GIT_{who}_EMAIL": "toy@example.org" for who in ("AUTHOR", "COMMITTER")}
    with standing(Time()) as time, mock.patch.dict(os.environ, dates | names | mails):
        project = toy.build(place)
        registry.load(project).find("toy")
        (project.root / "studies").mkdir()
        (project.root / "studies" / "ablation.yaml").write_text(ABLATION)
        (project.root / "studies" / "search.yaml").write_text(SEARCH)
        toy.commit(project.root, "studies")
        ledger = Ledger(project)
        _ablation(project, ledger, time)
        _wrong(project, ledger, time)
        _search(project, ledger, time)
        (project.runs / "plots").mkdir()  # the demo's: no run
        half = project.runs / "01KBXHALFWRITTEN0000000000"
        half.mkdir()
        foreign = project.runs / "01KBXFOREIGN00000000000000"
        foreign.mkdir()
        (foreign / "run.json").write_text('{"schema": 99}')
        damaged = project.store / "studies" / "damaged-ABCDEF"
        damaged.mkdir()
        (damaged / "plan.json").write_text("{")
    return project


def _ablation(project: Project, ledger: Ledger, time: Time) -> None:
    made = folder.create(project, start.new(project, "ablation", {}))
    made.note("session", workers=1)
    for index, cell in enumerate(made.plan.cells):
        spec = studies.spec(project, made.plan, cell)
        luck = 0.004 * ((cell.seed + 2) * len(cell.arm) % 5)
        run(project, ledger, time, spec, FLOORS[cell.arm] + luck)
        made.note("ended", cell=index, run=spec.run, status="finished")
    base = next(r for r in ledger.records() if r.variant == "baseline")
    task = registry.load(project).find("toy")
    judged.set_baseline(project, ledger, task, [base.run], note="the ablation's own")
    verdicts.record(project, ledger, made)


def _wrong(project: Project, ledger: Ledger, time: Time) -> None:
    for status in ("failed", "diverged", "cancelled"):
        spec = studies.plan.prepare(project, "toy", seed=7)
        run(project, ledger, time, spec, 0.3, status=status)


def _search(project: Project, ledger: Ledger, time: Time) -> None:
    made = folder.create(project, start.new(project, "search", {}))
    made.note("session", workers=2)
    for trial in range(7):
        lr, shift = 0.02 * (trial + 1), 0.1 * (trial % 2)
        spec = _trial(project, made, trial, {"lr": lr, "shift": shift})
        status = "pruned" if trial == 3 else "finished"
        run(project, ledger, time, spec, 0.4 - lr + shift, status=status)
        violation = {} if status == "pruned" else {"violation": 0.0 if shift == 0 else 0.4}
        made.note("ended", trial=trial, run=spec.run, status=status, **violation)
    for trial in (7, 8):
        spec = _trial(project, made, trial, {"lr": 0.3, "shift": 0.0})
        run(project, ledger, time, spec, 0.2, status="running", steps=9 + trial)


def _trial(project: Project, made: Folder, number: int, params: Mapping[str, Any]) -> RunSpec:
    cell: Cell = studies.trial_cell(made.plan, number, params)
    return studies.spec(project, made.plan, cell, trial=number)


def run(
    project: Project,
    ledger: Ledger,
    time: Time,
    spec: RunSpec,
    floor: float,
    *,
    status: str = "finished",
    steps: int = 20,
) -> None:
    """A run's folder and ledger lines: its error falls from 1 towards `floor`."""
    identity = _identity(project, spec)
    spec = spec.model_copy(
        update={
            "group": identity.group,
            "comparable": identity.comparable,
            "budget": Budget(steps=20),
            "threads": 1,
        }
    )
    spec.dir.mkdir(parents=True)
    (spec.dir / "run.json").write_text(spec.model_dump_json(indent=1))
    ledger.append("started", spec.run, outcome.started(spec, identity))
    error = floor
    with (spec.dir / events.NAME).open("w") as file, (spec.dir / "log.txt").open("w") as log:
        for step in range(1, steps + 1):
            time.pass_(seconds=3)
            wobble = 0.01 * math.sin(step * (spec.seed + 2))
            error = floor + 0.7 * math.exp(-step / 5) + wobble
            t = time.at.timestamp()
            values = {"loss/l2": error**2, "error": error}
            for one in (
                {"kind": "log", "step": step, "values": values},
                {"kind": "progress", "done": step, "total": 20, "note": ""},
            ):
                file.write(json.dumps({"t": t, **one}) + "\n")
            log.write(f"step {step:3d}  loss {error**2:.4f}  error {error:.4f}\n")
    if status == "running":
        return
    names = {"error": ("1", "min"), "score": ("dB", "max"), "nonfinite_steps": ("steps", "min")}
    numbers = {"error": error, "score": -20 * math.log10(error), "nonfinite_steps": 0.0}
    measured = {
        name: {"value": numbers[name], "unit": unit, "direction": way, "split": "val"}
        for name, (unit, way) in names.items()
    }
    found = {
        "attempt": 1,
        "status": status,
        "reason": {"failed": "ValueError: the toy was told to fail"}.get(status, ""),
        "metrics": measured if status == "finished" else {},
        "absent": {"gpu_ms": "no CUDA"} if status == "finished" else {},
        "timing": {"setup_s": 0.1, "train_s": 3.0 * steps, "eval_s": 0.2},
        "steps": steps,
        "used_s": 3.0 * steps,
        "judged_step": steps,
        "peak_rss_mib": 61.0,
        "cpu_s": 2.0 * steps,
    }
    (spec.dir / "result.json").write_text(json.dumps(found))
    ledger.append("ended", spec.run, outcome.ended(spec, 0, None))
    time.pass_(minutes=2)


def _identity(project: Project, spec: RunSpec) -> Identity:
    """What `identify` would say, without looking at packages and files."""
    head = toy.run_git(project.root, "rev-parse", "HEAD")
    tree = toy.run_git(project.root, "rev-parse", "HEAD^{tree}")
    own = "".join(f"{k}{v}" for k, v in sorted(spec.overrides.items()))
    return Identity(
        task_version=1,
        primary="error",
        git=Git(commit=head, head=head, branch="main", dirty=False, code_tree=tree, tree=tree),
        data=[],
        env=Env(digest="0" * 16, python="3.11.7", torch=None, cuda=None, os="Linux"),
        evaluator="e" * 16,
        protocol={},
        config_digest="c" * 16,
        start_from=None,
        group=f"{abs(hash_(spec.variant + own)):016x}",
        comparable="d" * 16,
    )


def hash_(text: str) -> int:
    """A number for a text, the same in every process."""
    return sum(ord(letter) * 31**i for i, letter in enumerate(text)) % 2**63


@contextlib.contextmanager
def alive(project: Project) -> Iterator[None]:
    """The search's parent and its two runs are at work for as long as this lasts."""
    search = next(f for f in folder.every(project) if f.plan.name == "search")
    rows = [p for p in sorted(project.runs.iterdir()) if (p / "events.jsonl").exists()]
    going = [p for p in rows if not (p / "result.json").exists()]
    held = [locks.take(place) for place in (search.path / "parent", *(p / "alive" for p in going))]
    try:
        yield
    finally:
        for fd in filter(None, held):
            os.close(fd)
