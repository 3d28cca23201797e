"""What can be judged, what cannot and why, and how clauses come to a verdict."""

import itertools
import math
from typing import Any

import pytest

from core.acceptance import effect, judge, needed, recompute
from core.contract import AnyOf, Criterion, Metric
from core.errors import AssayError, Exit
from core.ledger.record import ClauseResult, RunRecord, Verdict
from tests.acceptance.records import LIGHTMAP, METRICS, clause, run, runs

SSIM = Criterion(name="ssim", metric="ssim", gain=0.02)
PSNR = Criterion(name="psnr", metric="psnr", gain=-0.3)
ABSOLUTE = Criterion(name="floor", metric="ssim", at_least=0.9)

BETTER, WORSE = [0.93, 0.94, 0.95], [0.85, 0.86, 0.87]
BASE = [0.90, 0.905, 0.91]


def one(
    criterion: Criterion, candidate: list[Any], reference: list[Any], **kw: Any
) -> ClauseResult:
    return judge(METRICS, [criterion], candidate, {"baseline": reference}, **kw).clauses[0]


# ---- the worked case of seed 003 ----


def lightmap(n: int, device: str) -> Verdict:
    def side(ssim: float, lpips: float, psnr: float) -> list[Any]:
        gpu: dict[str, Any] = {"gpu_ms": 41.0} if device == "cuda" else {}
        wobble = [0.0, 0.001, -0.001][:n]
        return [
            run(
                seed,
                ssim=ssim + w,
                lpips=lpips + w / 2,
                psnr=psnr + 10 * w,
                nonfinite_steps=0,
                device=device,
                absent={"gpu_ms": "needs CUDA"} if device == "cpu" else {},
                **gpu,
            )
            for seed, w in enumerate(wobble)
        ]

    ours, baseline = side(0.915, 0.128, 29.8), side(0.900, 0.150, 30.0)
    return judge(METRICS, LIGHTMAP, ours, {"baseline": baseline})


def test_seed_003_is_open_while_it_is_one_run_without_a_gpu() -> None:
    verdict = lightmap(1, "cpu")
    assert verdict.verdict == "inconclusive"
    assert clause(verdict, "lpips").point == pytest.approx(0.022)  # the point alone would do
    assert clause(verdict, "ssim").point == pytest.approx(0.015)
    assert clause(verdict, "psnr kept").point == pytest.approx(-0.2)
    assert {c.result for c in verdict.clauses if c.name != "stable"} == {"unknown"}
    assert clause(verdict, "real time").reason == "not measured: needs CUDA"


def test_seed_003_with_three_seeds_and_no_gpu_lacks_the_gpu_alone() -> None:
    verdict = lightmap(3, "cpu")
    results = {c.name: c.result for c in verdict.clauses}
    assert results == {
        "ssim": "fail",
        "lpips": "pass",
        "psnr kept": "pass",
        "real time": "unknown",
        "stable": "pass",
    }
    assert verdict.verdict == "inconclusive"


def test_seed_003_passes_with_three_seeds_and_a_gpu() -> None:
    assert lightmap(3, "cuda").verdict == "pass"


# ---- Kleene ----

WANTED = {"pass": 0.5, "fail": -0.5, "unknown": None}


def three_valued(name: str, result: str) -> tuple[Criterion, dict[str, Any]]:
    """An absolute clause on a metric of its own that comes out as told."""
    criterion = Criterion(name=name, metric=name, at_least=0.0)
    value = WANTED[result]
    return criterion, {} if value is None else {name: value}


@pytest.mark.parametrize("table", list(itertools.product(WANTED, repeat=4)), ids="-".join)
def test_all_of_any_of_follows_kleene(table: tuple[str, ...]) -> None:
    # (a or b) and c and (d or d): 81 rows against the order fail < unknown < pass, min and max.
    metrics = [Metric(name=n, unit="1", direction="max", doc="") for n in "abcd"]
    made = [three_valued(n, r) for n, r in zip("abcd", table, strict=True)]
    (a, b, c, d), values = zip(*made, strict=True)
    measured = {
        name: {"value": v, "unit": "1", "direction": "max", "split": "val"}
        for got in values
        for name, v in got.items()
    }
    record = run(metrics=measured)
    criteria = [AnyOf(name="ab", of=(a, b)), c, AnyOf(name="dd", of=(d, d))]
    rank = ["fail", "unknown", "pass"].index
    ra, rb, rc, rd = map(rank, table)
    want = ["fail", "inconclusive", "pass"][min(max(ra, rb), rc, rd)]
    assert judge(metrics, criteria, [record], {}).verdict == want


def test_without_criteria_nothing_is_accepted() -> None:
    assert judge(METRICS, [], [run()], {}).verdict == "inconclusive"


def test_two_criteria_of_one_name_are_refused() -> None:
    with pytest.raises(AssayError, match="share a name"):
        judge(METRICS, [SSIM, SSIM], [run()], {})


# ---- what cannot be measured or compared ----


@pytest.mark.parametrize(
    ("references", "said"),
    [
        ({}, "none is recorded"),
        ({"other": runs("ssim", BASE)}, "none is recorded"),
        ({"baseline": runs("ssim", BASE, void=True)}, "its runs are void or unfinished"),
        ({"baseline": runs("ssim", BASE, status="running")}, "its runs are void or unfinished"),
    ],
    ids=["none", "another", "void", "unfinished"],
)
def test_without_a_yardstick_the_clause_is_unknown_and_names_the_command(
    references: dict[str, Any], said: str
) -> None:
    verdict = judge(METRICS, [SSIM], runs("ssim", BETTER), references)
    assert (verdict.verdict, verdict.reference) == ("inconclusive", [])
    reason = verdict.clauses[0].reason
    assert said in reason
    assert "`assay baseline set lightmap <run>`" in reason


def test_a_clause_against_another_yardstick_names_it_in_the_command() -> None:
    criterion = SSIM.model_copy(update={"against": "published"})
    got = one(criterion, runs("ssim", BETTER), runs("ssim", BASE))
    assert got.result == "unknown"
    assert "`assay baseline set lightmap <run> --name published`" in got.reason


def test_void_runs_of_a_yardstick_do_not_count() -> None:
    reference = [*runs("ssim", BASE), run(9, ssim=0.1, void=True)]
    verdict = judge(METRICS, [SSIM], runs("ssim", BETTER), {"baseline": reference})
    assert verdict.clauses[0].reference == BASE
    assert verdict.reference == sorted(r.run for r in reference[:3])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            {"data": [{"name": "train", "digest": "f" * 16, "files": 1, "bytes": 1}]},
            "data train dddddddd v. ffffffff",
        ),
        ({"budget": {"kind": "seconds", "limit": 300}}, "budget 100 steps v. 300 seconds"),
        ({"device": "cuda"}, "device cpu v. cuda"),
        ({"task_version": 2}, "task version lightmap 1 v. lightmap 2"),
        ({"protected": {"evaluator_digest": "a" * 16}}, "evaluator eeeeeeee v. aaaaaaaa"),
        ({}, "the digests of what must be equal differ"),
    ],
    ids=["data", "budget", "device", "version", "evaluator", "unnamed"],
)
def test_what_differs_between_the_sides_is_named(other: dict[str, Any], said: str) -> None:
    got = one(SSIM, runs("ssim", BETTER), runs("ssim", BASE, comparable="x", **other))
    assert got.result == "unknown"
    assert got.reason == f"no comparison with baseline: {said}"


def test_a_yardstick_is_not_compared_with_itself() -> None:
    both = runs("ssim", BASE)
    got = one(SSIM, [*both, run(3, ssim=0.99)], both)
    assert got.result == "unknown"
    assert got.reason == "no comparison with baseline: the candidate's own runs are in it"


def test_an_absolute_clause_needs_no_comparable_yardstick() -> None:
    got = one(ABSOLUTE, runs("ssim", BETTER), runs("ssim", BASE, comparable="x"))
    assert got.result == "pass"


def test_an_absent_metric_is_unknown_with_its_reason() -> None:
    candidate = [*runs("ssim", BETTER), run(3, absent={"ssim": "no images"})]
    assert one(SSIM, candidate, runs("ssim", BASE)).reason == "not measured: no images"
    reference = [run(0, absent={"ssim": "no images"})]
    got = one(SSIM, runs("ssim", BETTER), reference)
    assert got.reason == "no comparison with baseline: not measured: no images"


def test_a_metric_that_a_run_never_mentions_is_unknown() -> None:
    got = one(SSIM, [run()], runs("ssim", BASE))
    assert got.result == "unknown"
    assert "recorded no ssim" in got.reason


def test_a_number_from_a_cpu_does_not_answer_a_clause_that_needs_cuda() -> None:
    criterion = Criterion(name="rt", metric="gpu_ms", below=60, needs="cuda")
    assert one(criterion, [run(gpu_ms=1.0)], []).reason == "not measured: no CUDA"
    assert one(criterion, [run(gpu_ms=1.0, device="cuda")], []).result == "pass"


def test_a_metric_recorded_in_another_unit_is_unknown() -> None:
    stale = run(psnr=30.0)
    measured = stale.metrics["psnr"].model_copy(update={"unit": "1"})
    stale = stale.model_copy(update={"metrics": {"psnr": measured}})
    got = one(PSNR, [stale], runs("psnr", [30.0, 30.1]))
    assert got.result == "unknown"
    assert "in 1 (max), the task declares dB (max)" in got.reason


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("reference", [runs("ssim", BASE), []], ids=["yardstick", "none"])
def test_a_candidate_that_is_not_finite_fails(odd: float, reference: list[Any]) -> None:
    for criterion in (SSIM, ABSOLUTE):
        got = one(criterion, runs("ssim", [0.99, odd, 0.99]), reference)
        assert (got.result, got.point) == ("fail", None)
        assert got.reason == f"ssim is {odd} in 1 of 3 runs"


def test_a_yardstick_that_is_not_finite_is_unknown() -> None:
    got = one(SSIM, runs("ssim", BETTER), runs("ssim", [0.9, math.nan, 0.9]))
    assert (got.result, got.point, got.noise_sd) == ("unknown", None, None)
    assert got.reason == "no comparison with baseline: its ssim is nan (3)"


def test_opposite_infinities_of_one_seed_are_not_finite_either() -> None:
    both = [run(0, ssim=math.inf), run(0, ssim=-math.inf)]
    assert one(SSIM, both, runs("ssim", BASE)).result == "fail"
    assert one(SSIM, runs("ssim", BASE), both).result == "unknown"


def test_a_ratio_over_zero_is_unknown() -> None:
    criterion = Criterion(name="r", metric="ssim", ratio=0.05)
    got = one(criterion, runs("ssim", BETTER), runs("ssim", [0.0, 0.0, 0.0]))
    assert (got.result, got.point) == ("unknown", None)
    assert got.reason == "no comparison with baseline: its ssim is 0 (3)"


@pytest.mark.parametrize("status", ["running", "crashed", "diverged"])
def test_a_seed_without_a_finished_run_is_an_error_and_not_left_out(status: str) -> None:
    with pytest.raises(AssayError, match=f"seed 3\\) is {status}") as caught:
        judge(METRICS, [ABSOLUTE], [*runs("ssim", BETTER), run(3, status=status)], {})
    assert caught.value.exit_code == Exit.NOT_FINISHED


def test_a_broken_run_whose_seed_was_repeated_or_voided_is_no_error() -> None:
    extra = [run(0, status="crashed"), run(7, status="crashed", void=True)]
    verdict = judge(METRICS, [ABSOLUTE], [*runs("ssim", BETTER), *extra], {})
    assert (verdict.verdict, len(verdict.candidate)) == ("pass", 3)


def test_a_candidate_without_a_valid_run_is_an_error() -> None:
    with pytest.raises(AssayError, match="no run that counts"):
        judge(METRICS, [ABSOLUTE], [run(ssim=1.0, void=True)], {})


# ---- seeds ----


def test_the_runs_of_one_seed_count_once() -> None:
    candidate = [run(0, ssim=0.90), run(0, ssim=0.92), run(1, ssim=0.95)]
    got = one(SSIM, candidate, runs("ssim", BASE))
    assert got.candidate == pytest.approx([0.91, 0.95])


def test_three_common_seeds_are_compared_in_pairs_and_others_left_out() -> None:
    reference = [*reversed(runs("ssim", BASE)), run(8, ssim=0.1)]
    got = one(SSIM, [*runs("ssim", BETTER), run(9, ssim=0.1)], reference)
    assert (got.method, got.candidate, got.reference) == ("paired t", BETTER, BASE)


def test_two_common_seeds_are_too_few_for_pairs() -> None:
    got = one(SSIM, runs("ssim", BETTER), runs("ssim", BASE[:2]))
    assert (got.method, len(got.candidate), len(got.reference)) == ("Welch t", 3, 2)


def test_unpaired_seeds_are_never_compared_in_pairs() -> None:
    assert one(SSIM, runs("ssim", BETTER), runs("ssim", BASE), paired=False).method == "Welch t"


# ---- thresholds ----


@pytest.mark.parametrize(
    ("rule", "inside", "outside"),
    [
        ({"gain": 0.02}, 0.82, 0.8199),
        ({"ratio": 0.025}, 0.82, 0.8199),
        ({"gain": -0.02}, 0.78, 0.7799),
        ({"at_least": 0.82}, 0.82 - 1e-12, 0.8199),
        ({"at_most": 0.82}, 0.82 + 1e-12, 0.8201),
        ({"below": 0.82}, 0.8199, 0.82 - 1e-12),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
def test_thresholds_have_one_tolerance(
    rule: dict[str, float], inside: float, outside: float
) -> None:
    # 0.82 - 0.80 is 0.0199999999999999 in binary.
    criterion = Criterion(name="c", metric="ssim", **rule)
    for value, want in [(inside, "pass"), (outside, "fail")]:
        got = one(criterion, runs("ssim", [value] * 3), runs("ssim", [0.80] * 3))
        assert got.result == want, value


def test_a_gain_of_at_most_a_rounding_is_not_a_gain() -> None:
    criterion = Criterion(name="c", metric="ssim", gain=1e-12)
    assert one(criterion, runs("ssim", BASE), runs("ssim", BASE)).result != "pass"


def test_a_positive_gain_passes_when_the_point_suffices_and_chance_does_not() -> None:
    # Mean gain 0.025 +- 0.0103 (sd 0.009, t = 4.8): clear of 0, not clear of 0.02.
    base = [0.80, 0.80, 0.80]
    got = one(SSIM, runs("ssim", [0.816, 0.825, 0.834]), runs("ssim", base))
    assert got.low is not None
    assert 0 < got.low < 0.02
    assert got.result == "pass"


def test_a_loss_within_limits_passes_only_when_the_bound_is_within_them() -> None:
    base = [30.0, 30.0, 30.0]
    near = one(PSNR, runs("psnr", [29.6, 29.8, 30.0]), runs("psnr", base))
    clear = one(PSNR, runs("psnr", [29.78, 29.8, 29.82]), runs("psnr", base))
    assert (near.result, clear.result) == ("unknown", "pass")
    assert near.point == pytest.approx(clear.point)


def test_a_lower_is_better_metric_gains_by_falling() -> None:
    criterion = Criterion(name="lpips", metric="lpips", gain=0.02)
    got = one(criterion, runs("lpips", [0.12, 0.121, 0.122]), runs("lpips", [0.15, 0.15, 0.15]))
    assert got.point == pytest.approx(0.029)
    assert got.result == "pass"


def test_a_ratio_is_an_improvement_in_shares_whatever_the_sign_of_the_values() -> None:
    criterion = Criterion(name="c", metric="psnr", ratio=0.1)
    got = one(criterion, runs("psnr", [-8.0, -8.1, -7.9]), runs("psnr", [-10.0, -10.1, -9.9]))
    assert got.point == pytest.approx(0.2)
    assert got.result == "pass"


def test_an_absolute_clause_of_several_seeds_wants_the_bound_inside() -> None:
    sure = one(ABSOLUTE, runs("ssim", [0.92, 0.921, 0.922]), [])
    open_ = one(ABSOLUTE, runs("ssim", [0.86, 0.92, 0.98]), [])
    gone = one(ABSOLUTE, runs("ssim", [0.85, 0.851, 0.852]), [])
    assert [c.result for c in (sure, open_, gone)] == ["pass", "unknown", "fail"]
    assert {c.method for c in (sure, open_, gone)} == {"t"}


def test_one_run_settles_an_absolute_clause_by_its_value_and_says_so() -> None:
    got = one(ABSOLUTE, [run(ssim=0.91)], [])
    assert (got.result, got.low, got.detectable) == ("pass", None, None)
    assert got.reason == "ssim 0.91, needed ≥ 0.9 (one run)"


def test_counts_that_do_not_spread_are_exact() -> None:
    criterion = Criterion(name="stable", metric="nonfinite_steps", at_most=0)
    assert one(criterion, runs("nonfinite_steps", [0, 0, 0]), []).result == "pass"
    assert one(criterion, runs("nonfinite_steps", [1, 1, 1]), []).result == "fail"


# ---- words ----


def test_a_reason_is_one_sentence_with_numbers_and_units() -> None:
    got = one(PSNR, runs("psnr", [29.78, 29.8, 29.82]), runs("psnr", [30.0, 30.0, 30.0]))
    assert got.reason == (
        "psnr gain -0.200 [-0.234, -0.166] dB over baseline, needed ≥ -0.3 dB (paired t, n = 3)"
    )
    assert (effect(got), needed(got)) == ("-0.200 [-0.234, -0.166] dB", "≥ -0.3 dB")


def test_an_open_clause_says_what_would_close_it() -> None:
    alone = one(SSIM, [run(ssim=0.95)], [run(ssim=0.90)])
    noisy = one(SSIM, runs("ssim", [0.80, 0.95, 1.1]), runs("ssim", BASE), paired=False)
    assert alone.reason.endswith(
        "needed ≥ +0.02 (Welch t, n = 1 v. 1); "
        "one value shows no spread, so at least 2 seeds a side are needed"
    )
    assert noisy.reason.endswith("(Welch t, n = 3 v. 3); the spread between seeds leaves it open")


def test_a_member_that_is_clear_enough_only_alone_is_left_open_by_holm() -> None:
    # t = 3.5 at n = 3, p = 0.036: under 0.05, over 0.05 / 2.
    ours = [
        run(s, ssim=v, lpips=w)
        for s, (v, w) in enumerate([(0.925, 0.2), (0.95, 0.4), (0.975, 0.3)])
    ]
    base = [run(s, ssim=0.9, lpips=0.3) for s in range(3)]
    lpips = Criterion(name="lpips", metric="lpips", gain=0.02)
    either = judge(METRICS, [AnyOf(name="any", of=(SSIM, lpips))], ours, {"baseline": base})
    assert one(SSIM, ours, base).result == "pass"
    assert (clause(either, "ssim").result, clause(either, "lpips").result) == ("unknown", "unknown")
    assert clause(either, "ssim").reason.endswith(
        "as one of several chances it must be clearer (Holm)"
    )


def test_an_alternative_that_cannot_be_measured_costs_the_others_nothing() -> None:
    ours = [
        run(s, ssim=v, absent={"lpips": "no weights"}) for s, v in enumerate([0.925, 0.95, 0.975])
    ]
    base = runs("ssim", [0.9, 0.9, 0.9])
    lpips = Criterion(name="lpips", metric="lpips", gain=0.02)
    either = judge(METRICS, [AnyOf(name="any", of=(SSIM, lpips))], ours, {"baseline": base})
    assert either.verdict == "pass"


# ---- recomputing ----


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_verdict_is_recomputed_from_its_own_json(n: int, device: str) -> None:
    verdict = lightmap(n, device)
    assert recompute(verdict) == verdict
    again = Verdict.model_validate_json(verdict.model_dump_json())
    assert recompute(again) == verdict


def test_a_nan_survives_recomputing() -> None:
    verdict = judge(METRICS, [SSIM], runs("ssim", [0.9, math.nan]), {})
    again = recompute(Verdict.model_validate_json(verdict.model_dump_json()))
    assert again.model_dump_json() == verdict.model_dump_json()


def test_a_forged_result_does_not_survive_recomputing() -> None:
    honest = judge(METRICS, [SSIM], runs("ssim", WORSE), {"baseline": runs("ssim", BASE)})
    forged = honest.model_copy(
        update={
            "verdict": "pass",
            "clauses": [honest.clauses[0].model_copy(update={"result": "pass", "low": 0.5})],
        }
    )
    assert recompute(forged) == honest


def test_the_same_mix_of_conditions_on_both_sides_is_named() -> None:
    def mix() -> list[RunRecord]:
        digests = ("a" * 16, "b" * 16)
        return [
            run(seed, ssim=0.5, protected={"evaluator_digest": d}, comparable=d)
            for seed, d in enumerate(digests)
        ]

    asked = [Criterion(name="ssim", metric="ssim", gain=0.02)]
    got = clause(judge(METRICS, asked, mix(), {"baseline": mix()}), "ssim")
    assert got.result == "unknown"
    assert got.reason.endswith("evaluator aaaaaaaa and bbbbbbbb within the candidate")
