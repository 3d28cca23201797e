"""`assay ledger verify`: lines and chains, then what they name, files of runs, verdicts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.ledger import baselines, chain, liveness, repository
from core.ledger.chain import Finding, Place
from core.project import Project

if TYPE_CHECKING:
    from core.ledger.record import Verdict


@dataclass
class Report:
    """What was looked at, and what was found."""

    lines: int = 0
    runs: int = 0
    verdicts: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def breaks(self) -> list[Finding]:
        """Findings that speak of damage."""
        return [f for f in self.findings if f.kind == "break"]


@dataclass
class _Named:
    """What the events name, to be looked up when all are read."""

    runs: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)
    verdicts: dict[str, tuple[str, int, dict[str, Any]]] = field(default_factory=dict)
    ends: dict[str, dict[str, Any]] = field(default_factory=dict)  # run -> its last `ended`
    commits: dict[str, str] = field(default_factory=dict)  # commit -> a run
    wanted: list[tuple[str, int, str, str]] = field(default_factory=list)  # place, line, field, id

    def see(self, place: Place, number: int, event: dict[str, Any]) -> None:
        self.events.add(event["id"])
        run = event["run"]
        match event["e"]:
            case "started":
                self.runs.add(run)
                if event["git"] and event["git"]["commit"]:
                    self.commits[event["git"]["commit"]] = run
                if event["parent"]:
                    self.wanted.append((place.name, number, "parent", event["parent"]))
            case "ended":
                last = self.ends.get(run, event)
                self.ends[run] = max(last, event, key=lambda e: (e["t"], e["id"]))
            case "verdict":
                self.verdicts[event["id"]] = (place.name, number, event)
                for name in ("candidate", "reference"):
                    self.wanted += [(place.name, number, name, one) for one in event[name]]
            case "decision" if event.get("verdict"):
                self.wanted.append((place.name, number, "verdict", event["verdict"]))


def verify(
    project: Project,
    *,
    artifacts: bool = False,
    recompute: Callable[[Verdict], Verdict] | None = None,
) -> Report:
    """Check the whole ledger of this clone.

    Args:
        project: The checkout.
        artifacts: Also compare the files of runs with their recorded digests.
        recompute: Decides a verdict again from the values that it holds; each must come out alike.
    """
    named = _Named()
    report = Report(findings=chain.check(project, named.see))
    report.lines, report.runs = len(named.events), len(named.runs)
    report.verdicts = len(named.verdicts)
    report.findings += _references(project, named)
    if project.git_dir and named.commits:
        report.findings += [
            Finding(
                "open", f"run {named.commits[c]}", None, "git.commit", f"{c} is not in this clone"
            )
            for c in sorted(repository.missing(project.root, named.commits))
        ]
    if artifacts:
        for run, end in sorted(named.ends.items()):
            report.findings += _artifacts(project, run, end.get("artifacts", []))
    if recompute:
        for place, number, event in named.verdicts.values():
            report.findings += _verdict(place, number, event, recompute)
    return report


def _references(project: Project, named: _Named) -> Iterator[Finding]:
    known = named.runs | named.events
    for place, number, name, one in named.wanted:
        if one not in known:
            yield Finding("open", place, number, name, f"{one} is not in this clone")
    for task, sticks in baselines.load(project).items():
        for name, stick in sticks.items():
            for run in stick.runs:
                if run not in known:
                    place = str(baselines.file(project))
                    said = f"run {run} is not in this clone"
                    yield Finding("open", place, None, f"{task}.{name}", said)


def _artifacts(project: Project, run: str, recorded: list[dict[str, Any]]) -> Iterator[Finding]:
    folder = liveness.folder(project, run)
    for one in recorded if folder else []:
        assert folder is not None
        path = folder / one["path"]
        if not path.is_file():
            said = f"{one['path']} is not there any more"
            yield Finding("open", f"run {run}", None, "artifacts", said)
        elif _sha256(path) != one["sha256"]:
            said = f"{one['path']} is not the file that was recorded"
            yield Finding("break", f"run {run}", None, "artifacts", said)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verdict(
    place: str, number: int, event: dict[str, Any], recompute: Callable[[Verdict], Verdict]
) -> Iterator[Finding]:
    from core.ledger.fold import VERDICT
    from core.ledger.record import Verdict

    held = Verdict.model_validate({k: event[k] for k in VERDICT})
    again = recompute(held)
    results = {c.name: c.result for c in again.clauses}
    for old in held.clauses:
        if old.result != results.get(old.name):
            said = f"{old.result} is recorded, its values give {results.get(old.name)}"
            yield Finding("break", place, number, f"clauses.{old.name}.result", said)
    if held.verdict != again.verdict:
        said = f"{held.verdict} is recorded, its values give {again.verdict}"
        yield Finding("break", place, number, "verdict", said)
