"""References and yardsticks: what people type, and what the team agreed on."""

from __future__ import annotations

import pytest

from core import clock
from core.errors import AssayError
from core.ledger import Ledger, baselines
from core.project import Project
from tests.ledger.conftest import ended, record, started


def test_a_unique_beginning_of_an_id_is_enough(ledger: Ledger) -> None:
    runs = [record(ledger) for _ in range(3)]
    for run in runs:
        short = next(row["short"] for row in ledger.board() if row["run"] == run)
        assert ledger.find(short).run == run
        assert ledger.find(short.lower()).run == run
        with pytest.raises(AssayError, match="several runs begin with"):
            ledger.find(short[:7])


@pytest.mark.parametrize("ref", ["", "ZZZ", "@worst", "@best", "@best:ssim", "@last", "@baseline"])
def test_a_reference_to_nothing_is_one_clear_line(ledger: Ledger, ref: str) -> None:
    with pytest.raises(AssayError) as caught:
        ledger.find(ref)
    assert caught.value.code == "unknown_run"
    assert "\n" not in str(caught.value)


def test_last_is_the_newest(ledger: Ledger) -> None:
    runs = [record(ledger) for _ in range(3)]
    assert ledger.find("@last").run == runs[-1]


def test_best_is_the_better_end_of_finished_runs_that_count(ledger: Ledger) -> None:
    runs = {ssim: record(ledger, ssim=ssim) for ssim in (0.5, 0.9, 0.8)}
    ledger.append("note", runs[0.9], {"kind": "void", "text": "wrong data", "by": "human"})
    assert ledger.find("@best:ssim").run == runs[0.8]
    low = clock.ulid()
    ledger.append("started", low, started())
    ledger.append("ended", low, ended(lpips=0.1))
    assert ledger.find("@best:lpips").run == low


def test_best_of_a_metric_that_two_tasks_measure_asks_which(ledger: Ledger) -> None:
    ours = record(ledger, ssim=0.5)
    record(ledger, ssim=0.9, task="other")
    with pytest.raises(AssayError, match="Write @best:lightmap:ssim"):
        ledger.find("@best:ssim")
    assert ledger.find("@best:lightmap:ssim").run == ours


def test_baseline_is_the_first_run_of_the_yardstick(ledger: Ledger, home: Project) -> None:
    runs = [record(ledger, seed=seed) for seed in range(3)]
    baselines.put(home, "lightmap", runs, by="human")
    assert ledger.find("@baseline").run == ledger.find("@baseline:lightmap").run == runs[0]
    baselines.put(home, "other", runs, by="human")
    with pytest.raises(AssayError, match="baseline of lightmap, other"):
        ledger.find("@baseline")


def test_a_group_is_its_runs_newest_first(ledger: Ledger) -> None:
    runs = [record(ledger, seed=seed, group="it's") for seed in range(3)]
    record(ledger, group="other")
    assert [r.run for r in ledger.group("it's")] == runs[::-1]


def test_a_yardstick_comes_back_as_it_was_set(home: Project) -> None:
    assert baselines.load(home) == {}
    ids = [clock.ulid() for _ in range(2)]
    made = baselines.put(home, "lightmap", ids, by="CI", name="on", note="größer: 1e3 # x")
    assert baselines.get(home, "lightmap", "on") == made
    assert (made.runs, made.by, made.note) == (tuple(ids), "CI", "größer: 1e3 # x")


def test_the_file_of_yardsticks_is_made_for_review(home: Project) -> None:
    for task, name in (("b", "two"), ("a", "z"), ("b", "one")):
        baselines.put(home, task, ["01RUN"], by="human", name=name)
    rows = baselines.file(home).read_text().splitlines()
    assert [r for r in rows if not r.startswith("    ")] == ["a:", "  z:", "b:", "  one:", "  two:"]
    before = rows[:]
    baselines.put(home, "b", ["01NEW"], by="human", name="two")
    after = baselines.file(home).read_text().splitlines()
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 2  # run and time


def test_a_removed_yardstick_is_gone_and_its_name_is_unknown(home: Project) -> None:
    made = baselines.put(home, "lightmap", ["01RUN"], by="human")
    assert baselines.remove(home, "lightmap") == made
    assert baselines.load(home) == {}
    with pytest.raises(AssayError, match="no baseline 'baseline'"):
        baselines.remove(home, "lightmap")


def test_a_yardstick_without_runs_is_refused(home: Project) -> None:
    with pytest.raises(AssayError, match="at least one run"):
        baselines.put(home, "lightmap", [], by="human")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1", "a is not a mapping"),
        ("a: {b: 1}", "a.b is not a mapping"),
        ("a: {b: {runs: [x], set: s}}", "a.b has the keys note, runs, set"),
        ("a: {b: {runs: x, set: s, by: me}}", "a.b.runs is not a list of run ids"),
        ("a: {b: {runs: [], set: s, by: me}}", "a.b.runs is not a list of run ids"),
        ("a: {b: {runs: [7], set: s, by: me}}", "a.b.runs is not a list of run ids"),
        ("a: {b: {runs: [x], set: s, by: me, bye: 1}}", "a.b has the keys"),
        ("- a", "holds list, not a mapping"),
        ("a: [", "line"),
    ],
)
def test_a_damaged_file_of_yardsticks_names_the_entry(home: Project, text: str, said: str) -> None:
    baselines.file(home).parent.mkdir()
    baselines.file(home).write_text(text)
    with pytest.raises(AssayError, match=said) as caught:
        baselines.load(home)
    assert "baselines.yaml" in str(caught.value)
