"""What is new since the last look, from journal, work tree and branches into the index."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.ledger import flat, lines, payload, repository, segments
from core.ledger.fold import concerned, fold, speaks_for_team
from core.ledger.journal import Journal
from core.ledger.repository import Segment
from core.project import Project

TABLES = """
CREATE TABLE event (
    key INTEGER PRIMARY KEY, d BLOB UNIQUE, id TEXT UNIQUE, e TEXT,
    mine, -- 1 when this clone's journal has it
    gated, -- 1 when it counts only from this clone's journal or from HEAD
    line BLOB
);
CREATE INDEX event_gated ON event (key) WHERE gated AND NOT mine;
CREATE TABLE concerns (run TEXT, event INTEGER, PRIMARY KEY (run, event)) WITHOUT ROWID;
CREATE TABLE source (key INTEGER PRIMARY KEY, oid TEXT UNIQUE, name TEXT, branch, head);
CREATE TABLE copy (source INTEGER, event INTEGER, PRIMARY KEY (source, event)) WITHOUT ROWID;
CREATE INDEX copy_event ON copy (event);
CREATE TABLE file (name TEXT PRIMARY KEY, size, mtime, oid); -- work tree, as last read
CREATE TABLE cursor (name TEXT PRIMARY KEY, value); -- bytes read of a journal file; digest of tips
"""

# Events that make a run's record: of a run of this clone nobody else writes the start or the end,
# and what decides for others must stand in HEAD.
SPEAKING = """
SELECT e.key, e.e, e.mine, e.line FROM concerns c JOIN event e ON e.key = c.event
WHERE c.run = ? AND (e.mine OR NOT e.gated OR EXISTS (
    SELECT 1 FROM copy JOIN source s ON s.key = copy.source WHERE copy.event = e.key AND s.head))
"""


class JournalShrank(Exception):
    """The journal lost bytes that were read: the index says more than the truth."""


class Intake:
    """One update of the index, inside its transaction."""

    def __init__(self, db: sqlite3.Connection, project: Project) -> None:
        self._db = db
        self._project = project
        self._tables = flat.Tables(db)

    def take(self, *, branches: bool) -> None:
        """Read on in the journal, and look at work tree and branches if asked to.

        Raises:
            JournalShrank: the index must be made anew.
        """
        files = Journal(self._project.store).files()
        read = self._db.execute("SELECT name FROM cursor WHERE name != 'tips'").fetchall()
        if {name for (name,) in read} - {path.name for path in files}:
            raise JournalShrank
        for path in files:
            self._journal(path)
        if branches:
            self._published()

    def _journal(self, path: Path) -> None:
        row = self._db.execute("SELECT value FROM cursor WHERE name = ?", (path.name,)).fetchone()
        at = row[0] if row else 0
        with path.open("rb") as file:
            if at:
                file.seek(at - 1)
                if file.read(1) != b"\n":
                    raise JournalShrank
            for data in lines.chunks(file):
                self._events(data, None)
                at += len(data)
        self._db.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (path.name, at))

    def _published(self) -> None:
        """Bring the known segments in line with the work tree and the branches."""
        commits = repository.tips(self._project.root) if self._project.git_dir else {}
        in_tree = self._work_tree(len(next(iter(commits), "")) or 40)
        view = self._branches(commits)
        for oid, name in in_tree.items():
            # Without git there is no HEAD, and the folder is what the team agreed on.
            view.setdefault(oid, Segment(name, branch=False, head=self._project.git_dir is None))
        rows = self._db.execute("SELECT oid, name, branch, head FROM source")
        old = {oid: Segment(name, bool(b), bool(h)) for oid, name, b, h in rows}
        if view == old:
            return
        self._set_sources(old, view)
        new = [oid for oid in view if oid not in old]
        for oid, data in self._bytes(new, in_tree):
            (key,) = self._db.execute("SELECT key FROM source WHERE oid = ?", (oid,)).fetchone()
            self._events(data, key)
        if {o for o, s in old.items() if s.head} != {o for o, s in view.items() if s.head}:
            self._fold_gated()

    def _work_tree(self, hexdigits: int) -> dict[str, str]:
        """Name of each segment file by its blob id; unchanged files are not read again."""
        rows = self._db.execute("SELECT name, size, mtime, oid FROM file")
        known = {name: (size, mtime, oid) for name, size, mtime, oid in rows}
        found: dict[str, tuple[int, int, str]] = {}
        for name, path in segments.files(self._project):
            with contextlib.suppress(FileNotFoundError):  # a checkout goes on beside us
                stat = path.stat()
                size, mtime, oid = known.get(name, (None, None, ""))
                if (size, mtime) != (stat.st_size, stat.st_mtime_ns):
                    oid = repository.blob_id(path.read_bytes(), hexdigits)
                found[name] = stat.st_size, stat.st_mtime_ns, oid
        if found != known:
            self._db.execute("DELETE FROM file")
            self._db.executemany(
                "INSERT INTO file VALUES (?, ?, ?, ?)", [(n, *one) for n, one in found.items()]
            )
        return {oid: name for name, (_, _, oid) in found.items()}

    def _branches(self, commits: dict[str, bool]) -> dict[str, Segment]:
        """Segments on the branches; as they were when no tip has moved."""
        tips = hashlib.sha256(repr(sorted(commits.items())).encode()).hexdigest()
        row = self._db.execute("SELECT value FROM cursor WHERE name = 'tips'").fetchone()
        if row == (tips,):
            rows = self._db.execute("SELECT oid, name, head FROM source WHERE branch")
            return {oid: Segment(name, True, bool(head)) for oid, name, head in rows}
        self._db.execute("INSERT OR REPLACE INTO cursor VALUES ('tips', ?)", (tips,))
        return repository.segments(self._project.root, commits)

    def _set_sources(self, old: dict[str, Segment], view: dict[str, Segment]) -> None:
        gone = [(oid,) for oid in old if oid not in view]
        self._db.executemany(
            "DELETE FROM copy WHERE source = (SELECT key FROM source WHERE oid = ?)", gone
        )
        self._db.executemany("DELETE FROM source WHERE oid = ?", gone)
        self._db.executemany(
            "INSERT INTO source (oid, name, branch, head) VALUES (?, ?, ?, ?) ON CONFLICT (oid) "
            "DO UPDATE SET name = excluded.name, branch = excluded.branch, head = excluded.head",
            [(oid, *segment) for oid, segment in view.items()],
        )

    def _bytes(self, oids: list[str], in_tree: dict[str, str]) -> Iterator[tuple[str, bytes]]:
        for oid in oids:
            if oid in in_tree:
                path = self._project.ledger / "segments" / in_tree[oid]
                with contextlib.suppress(FileNotFoundError):  # a checkout goes on beside us
                    yield oid, path.read_bytes()
        yield from repository.contents(self._project.root, [o for o in oids if o not in in_tree])

    def _events(self, data: bytes, source: int | None) -> None:
        """Take the events of whole lines and fold their runs; without a source they are our own."""
        fresh: dict[int, dict[str, Any]] = {}
        keys = [self._event(raw, source is None, fresh) for raw in lines.whole(data)]
        if source is not None:
            copies = [(source, key) for key in keys if key is not None]
            self._db.executemany("INSERT OR IGNORE INTO copy VALUES (?, ?)", copies)
        for run in sorted({run for event in fresh.values() for run in concerned(event)}):
            self._fold(run, fresh)

    def _event(self, raw: bytes, own: bool, fresh: dict[int, dict[str, Any]]) -> int | None:
        """The key of a line's event, None when it does not count. What is news goes to `fresh`."""
        digest = lines.digest(raw)
        if digest is None:
            return None
        d = bytes.fromhex(digest)
        known = self._db.execute("SELECT key, mine FROM event WHERE d = ?", (d,)).fetchone()
        if known and (known[1] or not own):
            return int(known[0])
        try:
            event = lines.read(raw)
            if not own:
                payload.check(event)
        except lines.Flaw:
            return None
        key = int(known[0]) if known else self._add(event, d, raw, own)
        if known:  # published by somebody between our look at the journal and at the work tree
            self._db.execute("UPDATE event SET mine = 1 WHERE key = ?", (key,))
        if key is not None:
            fresh[key] = event
        return key

    def _add(self, event: dict[str, Any], d: bytes, raw: bytes, own: bool) -> int | None:
        added = self._db.execute(
            "INSERT OR IGNORE INTO event (d, id, e, mine, gated, line) VALUES (?, ?, ?, ?, ?, ?)",
            (d, event["id"], event["e"], own, speaks_for_team(event), raw),
        )
        if not added.rowcount:  # a second event under an id that is taken
            return None
        for run in concerned(event):
            self._db.execute("INSERT INTO concerns VALUES (?, ?)", (run, added.lastrowid))
        return added.lastrowid

    def _fold(self, run: str, fresh: Mapping[int, dict[str, Any]]) -> None:
        record, mine = folded(self._db, run, fresh)
        if record:
            self._tables.put(record, mine)

    def _fold_gated(self) -> None:
        """HEAD moved: other decisions count now."""
        gated = self._db.execute(
            "SELECT DISTINCT c.run FROM event e JOIN concerns c ON c.event = e.key "
            "WHERE e.gated AND NOT e.mine"
        )
        for (run,) in gated.fetchall():
            self._fold(run, {})


def folded(
    db: sqlite3.Connection, run: str, parsed: Mapping[int, dict[str, Any]] | None = None
) -> tuple[dict[str, Any] | None, bool]:
    """The record of a run, None before it started; and whether this clone started it.

    `parsed`: events by key that need not be parsed again.
    """
    rows = db.execute(SPEAKING, (run,)).fetchall()
    mine = any(own for _, kind, own, _ in rows if kind == "started")
    events = (
        (parsed or {}).get(key) or json.loads(line)
        for key, kind, own, line in rows
        if own or not mine or kind not in ("started", "ended")
    )
    return fold(events), mine


def journal_grew(db: sqlite3.Connection, project: Project) -> bool:
    """Whether a file of the journal has another size than when it was read."""
    sizes = {path.name: path.stat().st_size for path in Journal(project.store).files()}
    read = dict(db.execute("SELECT name, value FROM cursor WHERE name != 'tips'"))
    return sizes != read


def unpublished(db: sqlite3.Connection) -> list[bytes]:
    """Lines of our journal, in order, that are neither on a branch nor in the work tree."""
    rows = db.execute(
        "SELECT line FROM event WHERE mine AND NOT EXISTS "
        "(SELECT 1 FROM copy WHERE copy.event = event.key) ORDER BY key"
    )
    return [line for (line,) in rows]


def on_branches(db: sqlite3.Connection) -> set[str]:
    """Names of the segments that some branch has."""
    return {name for (name,) in db.execute("SELECT name FROM source WHERE branch")}
