"""Records as flat rows, for filters and lists: three sqlite tables joined on `key`.

`run` has a column for each of FIELDS, `metric` one for each metric name, `config` one for each
dotted leaf. Names are data, so columns are numbered and the table `name` says which is whose.
NULL is unknown.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

PLAIN = (
    *("run", "task", "task_version", "variant", "kind", "study", "trial", "parent", "attempt"),
    *("seed", "group", "comparable", "status", "void", "reason", "primary", "config_digest"),
    *("steps", "nonfinite_steps"),
)
# Column -> part of the record and name in it.
NESTED = {
    "verdict": ("verdict", "verdict"),
    "decision": ("decision", "decision"),
    "budget_kind": ("budget", "kind"),
    "budget_limit": ("budget", "limit"),
    "used_s": ("budget", "used_s"),
    **{n: ("timing", n) for n in ("created", "started", "ended", "setup_s", "train_s", "eval_s")},
    **{n: ("resources", n) for n in ("device", "device_name", "threads", "cpu_s")},
    **{n: ("resources", n) for n in ("peak_rss_mib", "peak_vram_mib")},
    **{n: ("git", n) for n in ("commit", "head", "branch", "dirty", "code_tree")},
    **{n: ("env", n) for n in ("python", "torch")},
}
FIELDS = (*PLAIN, *NESTED)
MOST = 1900  # columns of a table; sqlite allows 2,000

TABLES = f"""
CREATE TABLE run (
    key INTEGER PRIMARY KEY, {", ".join(f'"{name}"' for name in FIELDS)},
    mine -- 1 when this clone's journal started it
);
CREATE UNIQUE INDEX run_id ON run (run);
CREATE INDEX run_group ON run ("group");
CREATE TABLE metric (key INTEGER PRIMARY KEY);
CREATE TABLE config (key INTEGER PRIMARY KEY);
CREATE TABLE name (kind TEXT, name TEXT, col TEXT, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE declared (task TEXT, name TEXT, direction TEXT, unit TEXT, PRIMARY KEY (task, name));
"""


class Tables:
    """Writes rows; makes a column when a name appears. Lives inside one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._columns = columns(db)
        self._declared: set[tuple[str, ...]] = set()

    def put(self, record: Mapping[str, Any], mine: bool) -> None:
        """Add or replace the row of a run."""
        found = self._db.execute("SELECT key FROM run WHERE run = ?", (record["run"],)).fetchone()
        values = [record.get(name) for name in PLAIN]
        values += [(record.get(part) or {}).get(name) for part, name in NESTED.values()]
        key = self._db.execute(
            f"INSERT OR REPLACE INTO run VALUES (?, ?{', ?' * len(values)})",
            (found and found[0], *map(cell, values), mine),
        ).lastrowid
        metrics = record.get("metrics", {})
        numbers = dict.fromkeys(record.get("absent", {})) | {
            name: _number(m["value"]) for name, m in metrics.items()
        }
        self._wide("metric", key, numbers)
        self._wide("config", key, dict(leaves(record["config"], record.get("origins", {}))))
        for name, m in metrics.items():
            self._declare(record["task"], name, m["direction"], m["unit"])

    def _wide(self, kind: str, key: int | None, values: Mapping[str, Any]) -> None:
        named = {self._column(kind, name): cell(value) for name, value in values.items()}
        named.pop(None, None)
        places = "".join(f",{column}" for column in named)
        self._db.execute(
            f"INSERT OR REPLACE INTO {kind} (key{places}) VALUES (?{',?' * len(named)})",
            (key, *named.values()),
        )

    def _column(self, kind: str, name: str) -> str | None:
        """The column of a name; None when the table is full, and then filters do not know it."""
        if (kind, name) not in self._columns:
            number = sum(1 for k, _ in self._columns if k == kind)
            if number >= MOST:
                return None
            column = f"{kind[0]}{number}"
            self._db.execute(f"ALTER TABLE {kind} ADD COLUMN {column}")
            if kind == "metric":
                self._db.execute(f"CREATE INDEX metric_{column} ON metric ({column})")
            self._db.execute("INSERT INTO name VALUES (?, ?, ?)", (kind, name, column))
            self._columns[kind, name] = column
        return self._columns[kind, name]

    def _declare(self, *declaration: str) -> None:
        if declaration not in self._declared:
            self._declared.add(declaration)
            self._db.execute("INSERT OR REPLACE INTO declared VALUES (?, ?, ?, ?)", declaration)


def columns(db: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Column of every (`metric` or `config`, name)."""
    return {(kind, name): col for kind, name, col in db.execute("SELECT kind, name, col FROM name")}


def leaves(node: Mapping[str, Any], stop: Mapping[str, Any], prefix: str = "") -> Iterator[Any]:
    """Dotted leaves of a nested config; a map whose own key is in `stop` is one leaf."""
    for name, value in node.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value and key not in stop:
            yield from leaves(value, stop, f"{key}.")
        else:
            yield key, value


def cell(value: Any) -> Any:
    """A JSON value as sqlite takes it: lists and maps as JSON text, huge integers as text."""
    kind = type(value)  # this is called for every cell of an index that is made anew
    if kind is list or kind is dict:
        return json.dumps(value, sort_keys=True)
    if kind is int and not -(2**63) <= value < 2**63:
        return str(value)
    return value


def _number(value: float | str) -> float | None:
    """A metric's value; None for NaN, which no filter matches and which sorts last."""
    number = float(value)
    return None if math.isnan(number) else number
