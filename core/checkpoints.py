"""Checkpoints of recorded runs: finding one by name, and giving space back."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from core.errors import AssayError
from core.ledger import Ledger, folder
from core.ledger.record import RunRecord
from core.project import Project


def of(project: Project, ledger: Ledger, ref: str) -> tuple[RunRecord, Path]:
    """The run and the file behind `<run>:best` or `<run>:last` (`<run>` alone means best).

    Raises:
        AssayError: no such run, or its checkpoint is not on this machine.
    """
    name, _, which = ref.rpartition(":") if ref.endswith((":best", ":last")) else (ref, "", "best")
    record = ledger.find(name)
    kept = (folder(project, record.run) or project.run_dir(record.run)) / "checkpoints"
    path = kept / f"{which}.ckpt"
    if which == "best" and not path.exists():
        path = kept / "last.ckpt"
    if not path.exists():
        raise AssayError(
            f"run {record.run} has no {which} checkpoint here ({path})",
            f"Make it again with `assay repro {record.run} --keep`",
            code="no_checkpoint",
        )
    return record, path


class Removal(NamedTuple):
    """A checkpoint that a clean-up takes away; its digest stays in the ledger."""

    run: str
    path: Path
    bytes: int


def surplus(project: Project, runs: list[RunRecord], keep: str) -> list[Removal]:
    """The checkpoint files of ended runs, in this work tree alone, that `keep` does not need.

    `best` keeps the judged file of each run; `best-of-study` that of the best run of each study and
    of every run without one; `none` keeps nothing. What can still be resumed is not touched.
    """
    ended = [r for r in runs if r.status in ("finished", "pruned", "diverged")]
    spared = {r.run for r in ended} if keep == "best" else set()
    if keep == "best-of-study":
        spared = {r.run for r in ended if r.study is None} | _winners(ended)
    out = []
    for record in ended:
        for path in sorted((project.run_dir(record.run) / "checkpoints").glob("*.ckpt")):
            has_best = (path.parent / "best.ckpt").exists()
            judged = path.name == ("best.ckpt" if has_best else "last.ckpt")
            if not (judged and record.run in spared):
                out.append(Removal(record.run, path, path.stat().st_size))
    return out


def _winners(runs: list[RunRecord]) -> set[str]:
    """The run with the best headline metric of each study."""
    best: dict[str, tuple[float, str]] = {}
    for record in runs:
        measured = record.metrics.get(record.primary or "")
        if record.study is None or measured is None or measured.value != measured.value:
            continue
        score = measured.value if measured.direction == "max" else -measured.value
        best[record.study] = max(best.get(record.study, (score, record.run)), (score, record.run))
    return {run for _, run in best.values()}
