"""A group of runs against its yardsticks: every clause, and what they come to together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from core.acceptance.decide import groups, outcome, settle
from core.acceptance.evidence import gather, usable
from core.config import digest_of
from core.contract import AnyOf, Criterion, Metric
from core.errors import AssayError, Exit
from core.ledger.record import RunRecord, Verdict


def judge(
    metrics: Sequence[Metric],
    criteria: Sequence[Criterion | AnyOf],
    candidate: Sequence[RunRecord],
    references: Mapping[str, Sequence[RunRecord]],
    *,
    paired: bool = True,
) -> Verdict:
    """Judge the runs of one group.

    Args:
        metrics: What the task declares.
        criteria: All must hold; no two of one name. Without any, nothing is accepted: inconclusive.
        candidate: Runs that differ by seed alone. Void ones do not count.
        references: Yardsticks by name, as recorded; what of them is void or unfinished is left out.
        paired: Whether equal seeds mean equal luck on both sides.

    Raises:
        AssayError: a seed of the candidate has no finished run, or two criteria share a name.
    """
    names = [one.name for one in criteria]
    if len(set(names)) < len(names):
        raise AssayError(f"two criteria share a name: {', '.join(names)}", "Rename one of them")
    ours = _finished(candidate)
    declared = {m.name: m for m in metrics}
    clauses = [
        gather(clause, declared[clause.metric], ours, references, paired, any_of)
        for any_of, clause in _flat(criteria)
    ]
    compared = {c.against for c in clauses if c.reference}
    dumped = [one.model_dump(mode="json", exclude_none=True) for one in criteria]
    undecided = Verdict(
        verdict="inconclusive",
        clauses=clauses,
        candidate=[r.run for r in ours],
        reference=sorted({r.run for name in compared for r in usable(references[name])}),
        criteria=dumped,
        criteria_digest=digest_of(dumped),
    )
    return recompute(undecided)


def recompute(verdict: Verdict) -> Verdict:
    """The verdict, decided again from nothing but the values that its clauses hold."""
    clauses = [c for members in groups(verdict.clauses).values() for c in settle(members)]
    results = {outcome(members) for members in groups(clauses).values()}
    whole: Literal["pass", "fail", "inconclusive"] = (
        "fail" if "fail" in results else "pass" if results == {"pass"} else "inconclusive"
    )
    return verdict.model_copy(update={"clauses": clauses, "verdict": whole})


def _flat(criteria: Sequence[Criterion | AnyOf]) -> list[tuple[str | None, Criterion]]:
    """Every clause, with the name of the AnyOf that it is a member of."""
    out: list[tuple[str | None, Criterion]] = []
    for one in criteria:
        out += [(one.name, c) for c in one.of] if isinstance(one, AnyOf) else [(None, one)]
    return out


def unfinished(candidate: Sequence[RunRecord]) -> list[RunRecord]:
    """Runs whose seed has no finished run. They are not left out: survivors alone would flatter."""
    done = {r.seed for r in usable(candidate)}
    return [r for r in candidate if not r.void and r.seed not in done]


def _finished(candidate: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs to judge."""
    done, broken = usable(candidate), unfinished(candidate)
    if broken or not done:
        said = ", ".join(f"run {r.run} (seed {r.seed}) is {r.status}" for r in broken)
        raise AssayError(
            f"the candidate is not finished: {said or 'it has no run that counts'}",
            "Wait for it, resume it with `assay resume <run>`, or void it",
            code="not_finished",
            exit_code=Exit.NOT_FINISHED,
        )
    return done
