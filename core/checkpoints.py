"""Checkpoints of recorded runs: finding one by name, and giving space back."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from core.errors import AssayError
from core.ledger import Ledger
from core.ledger.record import RunRecord
from core.project import Project


def of(project: Project, ledger: Ledger, ref: str) -> tuple[RunRecord, Path]:
    """The run and the file behind `<run>:best` or `<run>:last` (`<run>` alone means best).

    Raises:
        AssayError: no such run, or its checkpoint is not on this machine.
    """
    name, _, which = ref.rpartition(":") if ref.endswith((":best", ":last")) else (ref, "", "best")
    record = ledger.find(name)
    folder = project.run_dir(record.run) / "checkpoints"
    path = folder / f"{which}.ckpt"
    if which == "best" and not path.exists():
        path = folder / "last.ckpt"
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
    """The checkpoint files that `keep` does not need.

    `best` keeps the judged file of each ended run; `best-of-study` that of the best run of each
    study and of every run without one; `none` keeps nothing.
    """
    ended = [r for r in runs if r.status not in ("running", "lost")]
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
    """The run with the best judged value of the first metric, per study and variant of it."""
    best: dict[str, RunRecord] = {}
    for record in runs:
        if record.study is None or not record.metrics:
            continue
        name, value = next(iter(record.metrics.items()))
        sign = 1 if value.direction == "max" else -1
        now = best.get(record.study)
        if (
            now is None
            or name not in now.metrics
            or sign * value.value > sign * now.metrics[name].value
        ):
            best[record.study] = record
    return {r.run for r in best.values()}
