"""A study's folder in this clone's store: plan, journal, locks. Its runs are in the ledger."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import events, locks
from core.errors import AssayError, Exit, unknown
from core.ledger import disk
from core.project import Project
from core.study.plan import Cell, Plan


@dataclass(frozen=True)
class Folder:
    """Where a study keeps what it must not forget."""

    path: Path

    @functools.cached_property
    def plan(self) -> Plan:
        """The study, resolved."""
        return Plan.model_validate_json((self.path / "plan.json").read_text())

    @property
    def unreadable(self) -> bool:
        """Whether the plan is damaged, or written by another version."""
        try:
            return not self.plan
        except (OSError, ValueError):  # pydantic's errors and bad UTF-8 are ValueErrors
            return True

    @property
    def confirming(self) -> list[Cell]:
        """The runs that confirm a search's winners; empty until the search is over."""
        file = self.path / "confirm.json"
        return (
            [Cell.model_validate(c) for c in json.loads(file.read_text())] if file.exists() else []
        )

    def confirm(self, cells: list[Cell]) -> None:
        """Say which runs confirm the search."""
        text = json.dumps([c.model_dump(mode="json") for c in cells], indent=1)
        disk.replace(self.path / "confirm.json", text.encode())

    @property
    def cells(self) -> list[Cell]:
        """The runs that the study asks for besides its trials."""
        return self.plan.cells or self.confirming

    def note(self, kind: str, **fields: Any) -> None:
        """Add a line to the journal: session, reused, ended."""
        writer = events.Writer(self.path / "journal.jsonl")
        writer.event(kind, **fields)
        writer.close()

    def journal(self) -> list[dict[str, Any]]:
        """What happened so far, over all sessions."""
        return list(self.tail().new())

    def tail(self) -> events.Tail:
        """A reader of the journal that gives what is new."""
        return events.Tail(self.path / "journal.jsonl")

    def claim(self, name: str) -> int | None:
        """A descriptor that holds this claim for as long as it is open; None: somebody has it."""
        return locks.take(self.path / "claims" / name)

    def claimed(self, name: str) -> bool | None:
        """Whether somebody alive holds the claim; None: it was never made on this machine."""
        file = self.path / "claims" / name
        return locks.held(file) if file.exists() else None

    @property
    def stop_file(self) -> Path:
        """Its presence asks all workers to stop."""
        return self.path / "stop"

    @property
    def pause_file(self) -> Path:
        """While it is there, no worker begins another run."""
        return self.path / "pause"

    def led(self) -> bool:
        """Whether a parent watches over the study: it is running."""
        return locks.held(self.path / "parent")

    @contextlib.contextmanager
    def lead(self) -> Iterator[None]:
        """Be the one parent of the study.

        Raises:
            AssayError: it runs already (exit 75).
        """
        fd = locks.take_soon(self.path / "parent")
        if fd is None:
            raise AssayError(
                f"study {self.path.name} is running",
                f"Wait for it with `assay wait {self.path.name}`",
                code="busy",
                exit_code=Exit.BUSY,
            )
        try:
            self.stop_file.unlink(missing_ok=True)
            self.pause_file.unlink(missing_ok=True)
            yield
        finally:
            os.close(fd)


def create(project: Project, plan: Plan) -> Folder:
    """Make the folder of a new study."""
    folder = Folder(_all(project) / plan.id)
    disk.replace(folder.path / "plan.json", plan.model_dump_json(indent=1).encode())
    return folder


def every(project: Project) -> list[Folder]:
    """The studies of this clone whose plan can be read, newest first."""
    found = [f for f in folders(project) if not f.unreadable]
    return sorted(found, key=lambda f: f.plan.created, reverse=True)


def unreadable(project: Project) -> list[str]:
    """The names of the folders whose plan is damaged, or written by another version."""
    return sorted(f.path.name for f in folders(project) if f.unreadable)


def find(project: Project, ref: str) -> Folder:
    """The study of this id, beginning of an id, or name (the newest of it); `@last` is the newest.

    Raises:
        AssayError: there is none, or several ids begin so.
    """
    studies = every(project)
    if ref == "@last" and studies:
        return studies[0]
    named = [f for f in studies if f.plan.name == ref]
    ids = named[:1] or [f for f in studies if f.plan.id.startswith(ref)]
    if not ids:
        raise unknown("study", ref, (f.plan.id for f in studies), where="this clone")
    if len(ids) > 1:
        some = ", ".join(f.plan.id for f in ids[:3])
        raise AssayError(f"several studies begin with '{ref}': {some}", "Give more letters")
    return ids[0]


def named(project: Project, ref: str) -> bool:
    """Whether `ref` means a study (and not a run)."""
    ids = [f.path.name for f in folders(project)]  # <name>-<6 letters>
    return bool(ref) and any(ref == i.rpartition("-")[0] or i.startswith(ref) for i in ids)


def folders(project: Project) -> list[Folder]:
    """All studies of this clone, readable or not."""
    return [Folder(p.parent) for p in _all(project).glob("*/plan.json")]


def _all(project: Project) -> Path:
    return project.store / "studies"
