"""Filters and sorting: what people write, made into one SELECT over the flat tables.

A filter is an SQL condition. Bare words are names of run fields, metrics or config keys, in that
order; `metric.x` and `config.x` say which. Both kinds of quotes hold text. Nothing but reading is
possible: names are looked up, functions are listed, and sqlite's authorizer refuses the rest.
"""

from __future__ import annotations

import difflib
import re
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from core.errors import AssayError, unknown
from core.ledger import flat

WORDS = {
    *("and", "or", "not", "in", "is", "null", "like", "glob", "between", "escape", "collate"),
    *("nocase", "case", "when", "then", "else", "end", "true", "false"),
}
FUNCTIONS = {
    *("abs", "round", "min", "max", "coalesce", "ifnull", "nullif", "iif"),
    *("lower", "upper", "length", "substr", "instr", "like", "glob"),
    *("date", "strftime", "julianday"),
}
LIMIT_S = 10.0
# Fields that are seen, not stored. A run of ours that nobody keeps alive is lost, in filters too;
# a running run of somebody else is stale, because nobody here can tell.
SEEN = {
    "status": """(CASE WHEN run."status" = 'running' AND run.mine AND gone(run."run")
        THEN 'lost' ELSE run."status" END)""",
    "stale": """(run."status" = 'running' AND NOT run.mine)""",
}
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<quoted>'(?:[^'\0]|'')*'|"(?:[^"\0]|"")*")
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\b)
    |(?P<word>[^\W\d]\w*(?:\.\w+)*)
    |(?P<sign><=|>=|<>|!=|==|\|\||[-+*/%<>=(),])
    |(?P<bad>.)""",
    re.VERBOSE | re.DOTALL,
)


class Column(NamedTuple):
    """A name that a filter may use."""

    sql: str
    table: str  # run, metric or config


class Names:
    """What a name in a filter means."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._columns = flat.columns(db)

    def find(self, name: str) -> Column:
        """The column of a name.

        Raises:
            AssayError: there is none, with the closest one.
        """
        prefix, _, rest = name.partition(".")
        if prefix in ("metric", "config") and (prefix, rest) in self._columns:
            return Column(f"{prefix}.{self._columns[prefix, rest]}", prefix)
        field = rest if prefix == "run" and rest else name
        if field in flat.FIELDS or field in SEEN:
            return Column(SEEN.get(field, f'run."{field}"'), "run")
        for kind in ("metric", "config"):
            if (kind, name) in self._columns:
                return Column(f"{kind}.{self._columns[kind, name]}", kind)
        close = difflib.get_close_matches(
            name, [*flat.FIELDS, *(known for _, known in self._columns)], n=1
        )
        guess = f"Did you mean '{close[0]}'? " if close else ""
        metrics = ", ".join(sorted(n for kind, n in self._columns if kind == "metric"))
        raise AssayError(
            f"no column '{name}'",
            f"{guess}Metrics: {metrics or 'none yet'}; run fields: {', '.join(flat.FIELDS)}; "
            "config keys: see `assay config <task>`. Text stands in quotes",
            code="unknown_column",
        )


def select(
    db: sqlite3.Connection,
    columns: Sequence[str],
    where: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[tuple[Any, ...]]:
    """Rows of the named columns, newest first.

    Args:
        db: The index.
        columns: Names as in a filter.
        where: The filter.
        sort: A name; a metric has its better end first. `name asc` or `name desc` decides itself.
            Unknown values come last.
        limit: At most so many rows.
        offset: Leave out so many first.

    Raises:
        AssayError: an unknown name, a filter that is not valid or takes too long.
    """
    names = Names(db)
    used = [names.find(name) for name in columns]
    condition, more = _condition(where or "true", names)
    order, sorted_by = _order(db, sort, names)
    tables = {c.table for c in (*used, *more, sorted_by)}
    sql = (
        f"SELECT {', '.join(c.sql for c in used)} FROM {_join(tables, sorted_by.table)} "
        f"WHERE ({condition}) ORDER BY {order} LIMIT ? OFFSET ?"
    )
    return _run(db, sql, (-1 if limit is None else limit, offset), where or "")


def count(db: sqlite3.Connection, where: str | None = None) -> int:
    """How many rows a filter leaves; see `select`."""
    condition, used = _condition(where or "true", Names(db))
    tables = {c.table for c in used}
    sql = f"SELECT count(*) FROM {_join(tables, 'run')} WHERE ({condition})"
    return int(_run(db, sql, (), where or "")[0][0])


def quote(text: str) -> str:
    """A text as a filter writes it."""
    return "'" + text.replace("'", "''") + "'"


def direction(db: sqlite3.Connection, metric: str) -> str:
    """`max` or `min`, as the tasks that measured this metric declare it; `max` if none did.

    Raises:
        AssayError: two tasks disagree.
    """
    rows = db.execute("SELECT DISTINCT direction FROM declared WHERE name = ?", (metric,))
    found = [d for (d,) in rows]
    if len(found) > 1:
        raise AssayError(
            f"metric '{metric}' is better high in one task and better low in another",
            f"Write '{metric} asc' or '{metric} desc'",
            code="ambiguous_direction",
        )
    return str(found[0]) if found else "max"


def _join(tables: set[str], first: str) -> str:
    """The tables, the sorted one outermost: its index gives the first rows without the others."""
    rest = sorted(({"run"} | tables) - {first})
    return first + "".join(f" CROSS JOIN {t} ON {t}.key = {first}.key" for t in rest)


def _order(db: sqlite3.Connection, sort: str | None, names: Names) -> tuple[str, Column]:
    name, *way = (sort or "run desc").split() or [""]
    column = names.find(name)
    if len(way) > 1 or (way and way[0].lower() not in ("asc", "desc")):
        raise AssayError(f"cannot sort by '{sort}'", "Write a name, or `name asc`, `name desc`")
    if way:
        end = way[0].upper()
    elif column.table == "metric":
        end = "DESC" if direction(db, name.removeprefix("metric.")) == "max" else "ASC"
    else:
        end = "ASC"
    return f'{column.sql} {end} NULLS LAST, run."run" DESC', column


def _condition(where: str, names: Names) -> tuple[str, list[Column]]:
    """The filter in sqlite's words, and the columns that it uses."""
    out: list[str] = []
    used: list[Column] = []
    tokens = [m for m in _TOKEN.finditer(where) if m.lastgroup != "space"]
    for at, token in enumerate(tokens):
        text = token.group()
        called = at + 1 < len(tokens) and tokens[at + 1].group() == "("
        if token.lastgroup == "bad":
            raise AssayError(
                f"the filter {where!r} holds {text!r}, which it may not", code="bad_filter"
            )
        if token.lastgroup == "quoted":
            text = quote(text[1:-1].replace(text[0] * 2, text[0]))
        elif token.lastgroup == "word" and text.lower() not in WORDS:
            if not called:
                used.append(names.find(text))
                text = used[-1].sql
            elif text.lower() not in FUNCTIONS:
                raise unknown("function", text, FUNCTIONS, where="filters")
        out.append(text)
    return " ".join(out), used  # spaces between all signs, so that none begins a comment


def _run(db: sqlite3.Connection, sql: str, values: tuple[Any, ...], where: str) -> list[Any]:
    deadline = time.monotonic() + LIMIT_S
    db.set_authorizer(_may)
    db.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        return db.execute(sql, values).fetchall()
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code not in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_INTERRUPT):
            raise
        took = code == sqlite3.SQLITE_INTERRUPT
        raise AssayError(
            f"the filter {where!r} takes longer than {LIMIT_S:g} s"
            if took
            else f"the filter {where!r} is not valid: {error}",
            "Write it as in `task = 'lightmap' and ssim > 0.9 and seed in (0, 1)`",
            code="bad_filter",
        ) from error
    finally:
        db.set_authorizer(None)
        db.set_progress_handler(None, 0)


def _may(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Whether sqlite may do what a filter makes it do: select, read the flat tables, call."""
    allowed = (
        action == sqlite3.SQLITE_SELECT
        or (action == sqlite3.SQLITE_READ and first in ("run", "metric", "config"))
        or (action == sqlite3.SQLITE_FUNCTION and (second in FUNCTIONS or second in ("gone", "count")))
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
