"""What holds for every criterion and every number."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.acceptance import VIOLATED, judge, margins, recompute, selftest
from core.contract import AnyOf, Criterion
from core.errors import AssayError
from core.ledger.record import RunRecord, Verdict
from tests.acceptance.records import LIGHTMAP, METRICS, run, runs

Rows = list[tuple[int, float, float]]  # seed, ssim, lpips
Asked = list[Criterion | AnyOf]

value = st.floats(-100, 100, width=32)
threshold = st.sampled_from([-0.3, 0.0, 0.02, 1.0, 60.0]) | st.floats(-50, 50, width=16)
metric = st.sampled_from(["ssim", "lpips"])
rule = st.sampled_from(["at_least", "at_most", "below", "gain", "ratio"])
criterion = st.builds(
    lambda m, r, t: Criterion(name="c", metric=m, **{r: t}), metric, rule, threshold
)


def reached(c: Criterion, candidate: float, reference: float) -> bool:
    """Whether exact arithmetic says that the point satisfies the clause, tolerance included."""
    ours, theirs, t = map(Fraction, (candidate, reference, c.threshold))
    room = Fraction(1, 10**9) * max(abs(t), Fraction(1))
    better = theirs - ours if c.metric == "lpips" else ours - theirs
    return {
        "at_least": lambda: ours >= t - room,
        "at_most": lambda: ours <= t + room,
        "below": lambda: ours < t - room,
        "gain": lambda: better >= t - room,
        "ratio": lambda: better / abs(theirs) >= t - room,
    }[c.rule]()


@given(criterion, value, value)
def test_a_margin_is_at_most_zero_exactly_when_the_point_satisfies(
    c: Criterion, candidate: float, reference: float
) -> None:
    ours, theirs = runs(c.metric, [candidate]), runs(c.metric, [reference])
    found = margins(judge(METRICS, [c], ours, {"baseline": theirs}))
    if c.rule == "ratio" and reference == 0:
        assert (found.margins, list(found.left_out)) == ({}, ["c"])
        return
    assert abs(found.margins["c"]) <= VIOLATED
    assert (found.margins["c"] <= 0) == reached(c, candidate, reference)


@given(criterion, st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_not_finite_has_the_largest_margin(c: Criterion, odd: float) -> None:
    found = margins(judge(METRICS, [c], runs(c.metric, [odd]), {"baseline": runs(c.metric, [1.0])}))
    assert found.margins == {"c": VIOLATED}


def test_margins_are_in_thresholds_and_alternatives_give_the_least() -> None:
    ours = [run(0, ssim=0.90, lpips=0.128, psnr=29.4, nonfinite_steps=3)]
    base = [run(0, ssim=0.90, lpips=0.150, psnr=30.0)]
    found = margins(judge(METRICS, LIGHTMAP, ours, {"baseline": base}))
    assert {k: round(v, 6) for k, v in found.margins.items()} == {
        "perceptual": -0.1,  # lpips: 0.022 of 0.02; ssim alone would be 1
        "psnr kept": 1.0,  # 0.6 dB lost of 0.3
        "stable": 3.0,  # a threshold of 0 has no scale: steps
    }
    assert list(found.left_out) == ["real time"]


def test_clauses_without_a_yardstick_are_left_out_and_named() -> None:
    found = margins(judge(METRICS, LIGHTMAP, [run(ssim=0.9, lpips=0.1, psnr=30.0)], {}))
    assert found.margins == {}
    assert set(found.left_out) == {"ssim", "lpips", "psnr kept", "real time", "stable"}
    assert "assay baseline set" in found.left_out["ssim"]


# ---- verdicts ----

relative = st.builds(
    lambda m, r, t: Criterion(name=f"{m} {r}", metric=m, **{r: t}),
    metric,
    st.sampled_from(["gain", "ratio"]),
    threshold,
)
bound = st.builds(
    lambda t: Criterion(name="floor", metric="ssim", at_least=t), threshold
) | st.builds(
    lambda r, t: Criterion(name="ceiling", metric="lpips", **{r: t}),
    st.sampled_from(["at_most", "below"]),
    threshold,
)
clause = relative | bound
either = st.builds(
    lambda of: AnyOf(name="either", of=tuple(of)), st.lists(clause, min_size=2, max_size=3)
)
criteria = st.lists(clause | either, min_size=1, max_size=3, unique_by=lambda c: c.name)
side = st.lists(st.tuples(st.integers(0, 3), value, value), min_size=1, max_size=5)


def records(rows: Rows) -> list[RunRecord]:
    return [run(seed, ssim=a, lpips=b) for seed, a, b in rows]


@given(criteria, side, side, st.booleans())
def test_recomputing_changes_nothing(asked: Asked, ours: Rows, theirs: Rows, paired: bool) -> None:
    verdict = judge(METRICS, asked, records(ours), {"baseline": records(theirs)}, paired=paired)
    assert recompute(Verdict.model_validate_json(verdict.model_dump_json())) == verdict


@given(criteria, side, side, st.data(), st.booleans())
def test_improving_a_candidate_never_turns_pass_into_fail(
    asked: Asked, ours: Rows, theirs: Rows, data: st.DataObject, paired: bool
) -> None:
    step = st.floats(0, 100, width=32)
    better = [(seed, a + data.draw(step), b - data.draw(step)) for seed, a, b in ours]
    before, after = (
        judge(METRICS, asked, records(rows), {"baseline": records(theirs)}, paired=paired)
        for rows in (ours, better)
    )
    for was, now in zip(before.clauses, after.clauses, strict=True):
        assert (was.result, now.result) != ("pass", "fail")
    assert (before.verdict, after.verdict) != ("pass", "fail")


@given(clause, side, side)
def test_a_clause_passes_only_when_its_point_satisfies_and_fails_only_when_it_does_not(
    c: Criterion, ours: Rows, theirs: Rows
) -> None:
    verdict = judge(METRICS, [c], records(ours), {"baseline": records(theirs)})
    margin = margins(verdict).margins.get(c.name)
    if verdict.verdict != "inconclusive":
        assert margin is not None
        assert (margin <= 0) == (verdict.verdict == "pass")


@given(
    criteria, *[st.lists(st.tuples(st.integers(0, 3), st.floats(), st.floats()), min_size=1)] * 2
)
def test_any_numbers_can_be_judged_and_recomputed(asked: Asked, ours: Rows, theirs: Rows) -> None:
    verdict = judge(METRICS, asked, records(ours), {"baseline": records(theirs)})
    text = verdict.model_dump_json()
    assert recompute(Verdict.model_validate_json(text)).model_dump_json() == text
    assert all(abs(m) <= VIOLATED for m in margins(verdict).margins.values())


# ---- negative controls ----


def test_the_controls_do_not_pass_criteria_that_ask_for_a_gain() -> None:
    base = [
        run(s, ssim=0.9 + s / 100, lpips=0.15, psnr=30.0 + s, nonfinite_steps=0) for s in range(3)
    ]
    found = selftest(METRICS, LIGHTMAP, {"baseline": base})
    assert {name: v.verdict for name, v in found.items()} == {
        "no effect": "fail",
        "worse by one noise sd": "fail",
    }


def test_criteria_that_cannot_fail_are_found() -> None:
    lax = [Criterion(name="psnr", metric="psnr", gain=-3)]
    base = runs("psnr", [30.0, 31.0, 32.0])
    found = selftest(METRICS, lax, {"baseline": base})
    assert {v.verdict for v in found.values()} == {"pass"}


def test_worse_means_worse_by_the_sd_in_the_metrics_direction() -> None:
    base = [run(s, ssim=v, lpips=v) for s, v in enumerate([0.5, 0.6, 0.7])]
    asked = [Criterion(name=m, metric=m, gain=0.01) for m in ("ssim", "lpips")]
    worse = selftest(METRICS, asked, {"baseline": base})["worse by one noise sd"]
    assert [c.point for c in worse.clauses] == pytest.approx([-0.1, -0.1])


def test_a_given_control_is_judged_too() -> None:
    base = runs("ssim", [0.90, 0.91, 0.92])
    constant = runs("ssim", [0.99, 0.99, 0.99])
    asked = [Criterion(name="ssim", metric="ssim", gain=0.02)]
    assert selftest(METRICS, asked, {"baseline": base}, constant)["given control"].verdict == "pass"


def test_a_selftest_without_a_yardstick_is_an_error() -> None:
    with pytest.raises(AssayError, match="not finished"):
        selftest(METRICS, LIGHTMAP, {})
