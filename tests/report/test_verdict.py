"""A verdict on paper: what was decided stands beside the numbers that decided it."""

from __future__ import annotations

from core.ledger.record import ClauseResult, Verdict
from core.report import table, verdict


def test_a_clause_is_one_line_with_its_result_and_all_its_numbers() -> None:
    clause = ClauseResult(
        name="perceptual gain kept", metric="psnr", unit="dB", direction="max", rule="gain",
        threshold=-0.3, against="baseline", result="pass", reason="", method="paired t",
        candidate=[21.12, 22.11, 22.42], reference=[20.31, 20.56, 20.42],
        point=1.553, low=1.362, high=1.732,
    )  # fmt: skip
    judged = Verdict(
        verdict="pass", clauses=[clause], candidate=[], reference=[], criteria=[],
        criteria_digest="k",
    )  # fmt: skip
    title, header, line = table.text(verdict.tables(judged, "toy")).splitlines()
    assert title == "toy: pass"
    assert header.split()[:2] == ["clause", "result"]
    for words in ("kept  pass", "20.43 (3)", "21.88 (3)", "+1.55 [+1.36, +1.73] dB", "≥ -0.3 dB"):
        assert words in line
    assert len(line) <= table.WIDTH
