"""The ledger of a checkout: events appended by this clone, and the records of every run it knows.

Light to import: pydantic comes with the first record.
"""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import locks
from core.errors import AssayError
from core.ledger import board, disk, flat, intake, lookup, query, repository, segments
from core.ledger.index import Index
from core.ledger.journal import Journal
from core.ledger.liveness import alive, folder
from core.project import Project

if TYPE_CHECKING:
    from core.ledger.record import RunRecord

__all__ = ["Ledger", "alive", "folder"]


class Ledger:
    """Append, publish, read. What this clone appends shows at once, branches after `refresh`."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._journal = Journal(project.store)

    @functools.cached_property
    def _index(self) -> Index:
        return Index(self.project)

    def append(self, kind: str, run: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Record an event of a run and give it as written; it is on the disk then.

        Raises:
            Flaw: the payload cannot be part of a record; nothing is written.
            AssayError: the ledger cannot be written.
        """
        return self._journal.append(kind, run, payload)

    def publish(self) -> Path | None:
        """Write events that no branch and no segment has into `ledger/`; the last file written."""
        with (
            disk.writing(self.project.ledger),
            locks.exclusive(self.project.store / "locks" / "publish"),
        ):
            known = self._index.read(intake.on_branches, look=True)
            if self.project.git_dir:
                known |= repository.tracked(self.project.root)
            new = self._index.read(intake.unpublished)
            series = segments.series_of(self.project, self._journal.writer())
            return segments.publish(self.project, series, new, known)

    def commit(self, message: str) -> str | None:
        """Publish, and commit `ledger/` alone; the commit, or None when there is nothing new.

        Raises:
            AssayError: there is no repository, or git refuses (a merge in progress, a hook).
        """
        if self.project.git_dir is None:
            raise AssayError(f"{self.project.root} is not in git", "Run `git init` there")
        self.publish()
        if not self.project.ledger.exists():
            return None
        return repository.commit(self.project.root, message)

    def refresh(self) -> None:
        """Look at all branches and at the work tree's segments again; 3 ms when none moved."""
        self._index.read(lambda _: None, look=True)

    def records(
        self,
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[RunRecord]:
        """Whole records, newest first; `where` and `sort` as in core.ledger.query.select.

        Raises:
            AssayError: an unknown name, or a filter that is not valid.
        """

        def found(db: sqlite3.Connection) -> list[RunRecord]:
            rows = query.select(db, ["run", "status"], where, sort, limit, offset)
            return [_record(db, run, status) for run, status in rows]

        return self._index.read(found)

    def rows(
        self,
        columns: Sequence[str],
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """The light form: named columns (run fields, metrics, config keys) as sqlite keeps them.

        Unknown is None, booleans are 0 and 1, lists and maps are JSON text.

        Raises:
            AssayError: an unknown name, or a filter that is not valid.
        """
        found = self._index.read(lambda db: query.select(db, columns, where, sort, limit, offset))
        return [dict(zip(columns, row, strict=True)) for row in found]

    def board(
        self,
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Rows as `assay ls` shows them; see core.ledger.board.rows."""
        return self._index.read(lambda db: board.rows(db, self.project, where, sort, limit, offset))

    def count(self, where: str | None = None) -> int:
        """How many runs match a filter."""
        return self._index.read(lambda db: query.count(db, where))

    def mark(self) -> tuple[int, ...]:
        """Differs from before when this clone recorded something; a few file stats."""
        return tuple(path.stat().st_size for path in self._journal.files())

    def names(self) -> list[str]:
        """Every `metric.x` and `config.x` that `rows` and filters know."""
        return sorted(f"{kind}.{name}" for kind, name in self._index.read(flat.columns))

    def find(self, ref: str) -> RunRecord:
        """The run that a reference means.

        The beginning of an id, @last, @best:<metric>, @best:<task>:<metric>, or the first run of
        @baseline or @baseline:<task>.

        Raises:
            AssayError: it means none, or more than one.
        """
        run = self._index.read(lambda db: lookup.resolve(db, self.project, ref))
        return self.records(f"run = {query.quote(run)}")[0]

    def group(self, group: str) -> list[RunRecord]:
        """The runs of a group, which differ by seed alone; newest first."""
        return self.records(f"group = {query.quote(group)}")

    def events(self, run: str) -> list[dict[str, Any]]:
        """Every event about a run, in order; also decisions that do not count here."""

        def lines_of(db: sqlite3.Connection) -> list[bytes]:
            rows = db.execute(
                "SELECT line FROM concerns JOIN event ON event.key = concerns.event WHERE run = ?",
                (run,),
            )
            return [line for (line,) in rows]

        events = [json.loads(line) for line in self._index.read(lines_of)]
        return sorted(events, key=lambda e: (e["t"], e["id"]))


def _record(db: sqlite3.Connection, run: str, status: str) -> RunRecord:
    """The record of a run that has a row; its status as of now."""
    from core.ledger.record import RunRecord

    record, _ = intake.folded(db, run)
    assert record is not None  # only a run that started has a row
    return RunRecord.model_validate(record | {"status": status})
