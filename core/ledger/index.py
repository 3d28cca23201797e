"""The cache that makes the ledger quick: every event that this clone knows, folded, in sqlite.

Never the truth. Missing, corrupt, of another schema or over a journal that shrank, it is made anew;
where it cannot be written it lives in memory. It says what one work tree sees (its HEAD decides
which decisions count), so a linked work tree has its own.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from core import locks
from core.ledger import flat, intake, liveness
from core.project import Project

WAIT_S = 120.0  # for another process that fills the same index
CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
UNWRITABLE = {
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
}
T = TypeVar("T")

TABLES = f"""
-- folding 1: raise it when the same events give other rows
PRAGMA cache_size = -65536; -- KiB
{flat.TABLES}
{intake.TABLES}
"""
SCHEMA = zlib.crc32(TABLES.encode()) >> 1  # sqlite's user_version has 31 bits for it


class Index:
    """An open index. What this clone writes is seen at once, branches when asked to look."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._path = _place(project)
        self._looked = False  # at the branches and the work tree
        self._db = self._opened()

    def read(self, use: Callable[[sqlite3.Connection], T], *, look: bool = False) -> T:
        """Take in what is new, then answer from the index, mended where it has to be.

        Args:
            use: Gets the connection.
            look: Look at the branches and the work tree too; the first read always does.
        """
        try:
            return self._read(use, look)
        except intake.JournalShrank:
            self._db = self._opened(anew=True)
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code not in CORRUPT | UNWRITABLE:
                raise
            self._db = self._opened(anew=True) if code in CORRUPT else self._in_memory()
        return self._read(use, look)

    def _read(self, use: Callable[[sqlite3.Connection], T], look: bool) -> T:
        look = look or not self._looked
        if look or intake.journal_grew(self._db, self._project):
            with _transaction(self._db):
                intake.Intake(self._db, self._project).take(branches=look)
            self._looked = True
        return use(self._db)

    def _opened(self, *, anew: bool = False) -> sqlite3.Connection:
        try:
            return self._on_disk(anew)
        except (OSError, sqlite3.OperationalError):  # it cannot be written there
            return self._in_memory()

    def _on_disk(self, anew: bool) -> sqlite3.Connection:
        """The index file; made anew when asked to, or when this version cannot read it."""
        with locks.exclusive(self._path.parent / "locks" / "index"):
            if not anew:
                db = self._connect(str(self._path))
                if _readable(db):
                    return db
                db.close()
            for end in ("", "-wal", "-shm"):
                Path(f"{self._path}{end}").unlink(missing_ok=True)
            return self._filled(self._connect(str(self._path)))

    def _in_memory(self) -> sqlite3.Connection:
        return self._filled(self._connect(":memory:"))

    def _filled(self, db: sqlite3.Connection) -> sqlite3.Connection:
        """Take in everything, without a rollback journal: half an index has no version."""
        db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {TABLES}")
        with _transaction(db):
            intake.Intake(db, self._project).take(branches=True)
        db.executescript(f"PRAGMA user_version = {SCHEMA}; PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        self._looked = True
        return db

    def _connect(self, target: str) -> sqlite3.Connection:
        db = sqlite3.connect(
            target,
            timeout=WAIT_S,
            isolation_level=None,
            check_same_thread=False,  # sqlite takes its own lock
        )
        db.create_function("gone", 1, lambda run: not liveness.alive(self._project, run))
        return db


def _readable(db: sqlite3.Connection) -> bool:
    """Set the connection up; whether it leads to an index of this version."""
    try:
        db.execute("PRAGMA synchronous = NORMAL")  # a cache that is lost is made again
        (version,) = db.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in CORRUPT:
            raise
        return False
    return bool(version == SCHEMA)


def _place(project: Project) -> Path:
    """The index file: in the store, or with git's other files of a linked work tree."""
    for folder in (project.root, *project.root.parents):
        dot = folder / ".git"
        if dot.is_file():
            git_dir = folder / dot.read_text().removeprefix("gitdir:").strip()
            return git_dir / "assay" / "index.db"
        if dot.exists():
            break
    return project.store / "index.db"


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # sqlite itself rolls back when the disk is full
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
