"""Where the runs of an evaluate-only study start from: `start_from` of its file, made definite."""

from __future__ import annotations

from core import checkpoints
from core.errors import AssayError
from core.ledger import Ledger
from core.project import Project
from core.study import cells, folder
from core.study.file import StudyFile

LAST, BEST = ":last", ":best"


def find(project: Project, ledger: Ledger, study: StudyFile) -> dict[int, str]:
    """For every seed of the study the `<run>:best|last` that its runs evaluate.

    `start_from` names one run for all seeds, or `<study>/<variant>`: the variant's run of the same
    seed, in the newest study of that name.

    Raises:
        AssayError: such a run, or its checkpoint, is not here; the hint says what makes it.
    """
    if study.start_from is None:
        return {}
    given = study.start_from
    which = LAST if given.endswith(LAST) else BEST
    name = given.removesuffix(which)
    origin, _, variant = name.partition("/")
    refs = {
        seed: f"{_run(project, ledger, origin, variant, seed) if variant else name}{which}"
        for seed in study.seeds
    }
    for ref in refs.values():
        checkpoints.of(project, ledger, ref)
    return refs


def _run(project: Project, ledger: Ledger, origin: str, variant: str, seed: int) -> str:
    """The finished run of a variant with this seed in a study that was run here."""
    if folder.named(project, origin):
        states = cells.states(ledger, folder.find(project, origin))
        for state in states:
            if state.cell.arm == variant and state.cell.seed == seed and state.what == "settled":
                record = ledger.find(str(state.run))
                if record.status == "finished":
                    return record.run
    raise AssayError(
        f"start_from: study {origin} has no finished run of '{variant}' with seed {seed} here",
        f"Run `assay study run {origin}` first",
        code="no_start",
    )
