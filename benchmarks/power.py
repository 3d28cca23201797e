"""How often the rule accepts what is no better, and what is: the table of docs/verdicts.md.

Normal noise of sd 1 between seeds; in a paired row half of its variance is luck that both sides of
a seed share. Every figure is simulated through the rule itself. `python -m benchmarks.power`
writes the table; it takes about two minutes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.acceptance.decide import outcome, settle
from core.acceptance.evidence import PAIRS
from core.ledger.record import ClauseResult

PAGE = Path(__file__).parents[1] / "docs" / "verdicts.md"
MARK = "<!-- power: written by `python -m benchmarks.power` -->"
REPEATS = 40_000  # a share of 5 % is known to 0.1 points (one standard error)
SEEDS = (2, 3, 5, 10)
ANY = 1e-6  # a threshold that asks for no more than some gain


class Case(NamedTuple):
    """What is true, what is asked for, and how the sides are compared; in sd of the noise."""

    method: str  # "paired t" or "Welch t"
    gain: float
    threshold: float
    alternatives: int = 1  # independent members of an AnyOf, each with that gain


ROWS = {
    "no gain; some is asked for": Case("Welch t", 0, ANY),
    "no gain; some is asked for; paired": Case("paired t", 0, ANY),
    "no gain in either of two alternatives": Case("Welch t", 0, ANY, 2),
    "loss of 1 sd; no more than that is allowed": Case("Welch t", -1, -1),
    "gain of 1 sd; some is asked for": Case("Welch t", 1, ANY),
    "gain of 1 sd; some is asked for; paired": Case("paired t", 1, ANY),
    "gain of 2 sd; some is asked for": Case("Welch t", 2, ANY),
    "gain of 2 sd; some is asked for; paired": Case("paired t", 2, ANY),
    "gain of 2 sd; 1 sd is asked for": Case("Welch t", 2, 1),
    "gain of 2 sd; 2 sd are asked for": Case("Welch t", 2, 2),
    "no loss; up to 1 sd is allowed": Case("Welch t", 0, -1),
}


def rates(case: Case, n: int, repeats: int, seed: int = 0) -> dict[str, float]:
    """Shares of pass, fail and unknown over repeated experiments with `n` seeds a side."""
    rng = np.random.default_rng(seed)
    shape = (repeats, case.alternatives, n)
    common = 0.5 if case.method == "paired t" else 0.0  # of the variance
    luck = rng.normal(0, common**0.5, shape)
    theirs = luck + rng.normal(0, (1 - common) ** 0.5, shape)
    ours = luck + rng.normal(case.gain, (1 - common) ** 0.5, shape)
    counts = dict.fromkeys(("pass", "fail", "unknown"), 0)
    for a, b in zip(ours.tolist(), theirs.tolist(), strict=True):
        members = [_clause(case, x, y) for x, y in zip(a, b, strict=True)]
        counts[outcome(settle(members))] += 1
    return {name: count / repeats for name, count in counts.items()}


def _clause(case: Case, candidate: list[float], reference: list[float]) -> ClauseResult:
    return ClauseResult(
        name="clause",
        metric="metric",
        unit="sd",
        direction="max",
        rule="gain",
        threshold=case.threshold,
        against="baseline",
        result="unknown",
        reason="",
        candidate=candidate,
        reference=reference,
        method=case.method,
    )


def measure() -> dict[str, dict[str, float]]:
    """Percent of experiments that pass, per row and number of seeds a side."""
    return {
        name: {
            str(n): round(100 * rates(case, n, REPEATS)["pass"], 1)
            for n in SEEDS
            if case.method == "Welch t" or n >= PAIRS
        }
        for name, case in ROWS.items()
    }


def table(found: dict[str, dict[str, float]]) -> str:
    """The same as markdown."""
    lines = [
        "| truth; clause |" + "".join(f" {n} seeds |" for n in SEEDS),
        "| --- |" + " ---: |" * len(SEEDS),
    ]
    for name, cells in found.items():
        lines.append(f"| {name} |" + "".join(f" {cells.get(str(n), '')} |" for n in SEEDS))
    return "\n".join(lines)


if __name__ == "__main__":
    measured = measure()
    before, _, after = PAGE.read_text().split(MARK)
    PAGE.write_text(f"{before}{MARK}\n{table(measured)}\n{MARK}{after}")
    print(json.dumps(measured))
