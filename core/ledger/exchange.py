"""Out to CSV and JSON lines; in from the results.tsv of karpathy/autoresearch."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from core import clock
from core.errors import AssayError, unknown
from core.ledger import flat

if TYPE_CHECKING:
    from core.ledger import Ledger

HEADER = ["commit", "val_bpb", "memory_gb", "status", "description"]
METRIC = {"unit": "bits/byte", "direction": "min", "split": "val"}
NOT_RECORDED = "seed, threads, environment and times were not recorded"
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def export(ledger: Ledger, form: str, where: str | None, out: TextIO) -> int:
    """Write the records that a filter leaves, newest first; how many.

    `jsonl` has whole records. `csv` has one column for each run field, metric and config key; an
    empty cell is unknown.
    """
    if form == "jsonl":
        records = ledger.records(where)
        out.writelines(r.model_dump_json() + "\n" for r in records)
        return len(records)
    if form != "csv":
        raise unknown("format", form, ("csv", "jsonl"))
    columns = [*flat.FIELDS, *ledger.names()]
    rows = ledger.rows(columns, where)
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows(rows)
    return len(rows)


class Row(NamedTuple):
    """One experiment of a results.tsv."""

    line: int
    commit: str
    val_bpb: float | None  # None: it crashed, whatever number stands there
    memory_gb: float | None
    status: str  # keep, discard or crash
    description: str


def results(path: Path) -> Iterator[Row]:
    """The experiments in a results.tsv.

    Raises:
        AssayError: another header, a status that does not exist, or a number that is none.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(rows, [])
        if header != HEADER:
            raise AssayError(
                f"{path} has the columns {', '.join(header) or 'none'}",
                f"Wanted, with tabs between them: {', '.join(HEADER)}",
                code="bad_import",
            )
        for number, cells in enumerate(rows, 2):
            if cells:
                yield _row(f"{path}, line {number}", number, cells)


def _row(where: str, number: int, cells: list[str]) -> Row:
    if len(cells) != len(HEADER):
        said = f"{where} has {len(cells)} columns, not {len(HEADER)}"
        raise AssayError(said, "Correct the line", code="bad_import")
    commit, bpb, memory, status, description = cells
    if status == "crash":
        return Row(number, commit, None, None, status, description)
    if status not in ("keep", "discard"):
        raise unknown("status", status, ("keep", "discard", "crash"), where=where)
    return Row(number, commit, _number(where, bpb), _number(where, memory), status, description)


def _number(where: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AssayError(f"{where}: {text!r} is no number", "Correct it", code="bad_import")
    return value


def import_results(ledger: Ledger, path: Path, task: str) -> list[str]:
    """Record the experiments of a results.tsv as imported runs of a task; the ids of the new ones.

    A crash becomes a failed run without the metric. What was imported before is left alone.
    """
    known = {row["run"] for row in ledger.rows(["run"], "kind = 'imported'")}
    new = []
    for row in list(results(path)):  # all are read before any is recorded
        run = _run_id(task, row)
        if run in known:
            continue
        now = clock.stamp()
        ledger.append("started", run, _started(task, row, now))
        ledger.append("ended", run, _ended(row, now))
        if row.status != "crash":
            decided = {"decision": row.status, "by": "autoresearch", "reason": row.description}
            ledger.append("decision", run, decided)
        text = f"{row.description} ({path.name}, line {row.line}; {NOT_RECORDED})"
        ledger.append("note", run, {"kind": "text", "text": text, "by": "autoresearch"})
        new.append(run)
    return new


def _run_id(task: str, row: Row) -> str:
    """An id that the same line always gets; its time is unknown, so it sorts before all others."""
    number = int.from_bytes(hashlib.sha256(repr((task, row)).encode()).digest()[:10], "big")
    return "0" * 10 + "".join(_BASE32[number >> shift & 31] for shift in range(75, -5, -5))


def _started(task: str, row: Row, now: str) -> dict[str, Any]:
    unknown_env = {"digest": "", "python": "", "torch": None, "cuda": None, "os": ""}
    return {
        **{"task": task, "task_version": 0, "primary": "val_bpb", "variant": "imported"},
        **{"kind": "imported", "study": None, "trial": None, "parent": None, "attempt": 1},
        **{"seed": 0, "group": f"autoresearch-{row.commit}", "comparable": f"autoresearch-{task}"},
        **{"config": {}, "config_digest": "", "overrides": {}},
        "budget": {"kind": "seconds", "limit": None},
        "timing": {"created": now, "started": now},
        "resources": {"device": "", "threads": 0},
        "git": {
            **{"commit": row.commit, "head": None, "branch": None, "dirty": False},
            **{"code_tree": "", "tree": ""},
        },
        "env": unknown_env,
        "protected": {"evaluator_digest": ""},
    }


def _ended(row: Row, now: str) -> dict[str, Any]:
    if row.val_bpb is None:
        crashed: dict[str, Any] = {"status": "failed", "reason": "recorded as a crash"}
        return crashed | {"absent": {"val_bpb": "the run crashed"}, "timing": {"ended": now}}
    memory = row.memory_gb and row.memory_gb * 1024
    return {
        "status": "finished",
        "metrics": {"val_bpb": {"value": row.val_bpb, **METRIC}},
        "resources": {"peak_vram_mib": memory},
        "timing": {"ended": now},
    }
