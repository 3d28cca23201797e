"""Lists of runs: each exactly once, whoever dies, reused where that is allowed."""

import json
from collections import Counter

import pytest

from core import study
from core.cli import study_view
from core.errors import AssayError, Exit
from core.ledger import Ledger
from core.project import Project
from core.study import cells, folder, verdicts
from tests import toy
from tests.study import running
from tests.study.conftest import Write

SLOW = "config: {total_steps: 20, step_s: 0.02}\n"
FOUR = "kind: ablation\nvariants: [baseline, quick]\nseeds: [0, 1]\nworkers: 2\n"
EACH_ONCE = {(arm, seed): 1 for arm in ("baseline", "quick") for seed in (0, 1)}
SLOWER = "config: {total_steps: 60, step_s: 0.02}\n"
QUICK = "config: {total_steps: 2}\n"


def finished(project: Project) -> Counter[tuple[str, int]]:
    return Counter((r.variant, r.seed) for r in running.records(project) if r.status == "finished")


def test_two_workers_finish_twelve_runs_exactly_once(project: Project, write: Write) -> None:
    name = write(
        QUICK + "kind: ablation\nseeds: [0, 1, 2]\nworkers: 2\n"
        "variants: {baseline: , quick: , better: , slow: {set: {lr: 0.02}}}\n"
    )
    done = toy.assay(project.root, "study", "run", name, "--json")
    assert done.returncode == 0, done.stderr
    arms = ["baseline", "quick", "better", "slow"]
    assert finished(project) == {(arm, seed): 1 for arm in arms for seed in (0, 1, 2)}
    assert len(running.records(project)) == 12
    data = json.loads(done.stdout)["data"]
    assert [len(runs) for runs in data["arms"].values()] == [3, 3, 3, 3]
    assert set(data["verdicts"]) == set(arms[1:])
    assert "[12/12]" in done.stderr
    assert list((project.ledger / "segments").rglob("*.jsonl"))
    judged = {r.variant: r.verdict for r in running.records(project)}
    assert judged["slow"]
    assert judged["slow"].verdict == "fail"
    assert judged["baseline"] is None  # the reference is not judged against itself


def test_a_killed_workers_run_goes_on_with_another(project: Project, write: Write) -> None:
    with running.parent(project, "study", "run", write(FOUR + SLOW)) as parent:
        running.until(lambda: len(running.running(project)) == 2)
        running.kill(running.workers(parent)[0])
        assert parent.wait(running.PATIENCE_S) == 0
    assert finished(project) == EACH_ONCE
    assert Counter(r.attempt for r in running.records(project)) == {1: 3, 2: 1}


def test_killed_parent_then_resume_repeats_nothing(project: Project, write: Write) -> None:
    with running.parent(project, "study", "run", write(FOUR + SLOW)) as parent:
        running.until(lambda: finished(project) and len(running.running(project)) == 2)
        workers = running.workers(parent)
        running.kill(parent)
        running.until(lambda: not any(w.is_running() for w in workers))  # they see it and stop
    before = {r.run for r in running.records(project) if r.status == "finished"}
    assert 1 <= len(before) < 4
    assert toy.assay(project.root, "resume", "s").returncode == 0
    assert finished(project) == EACH_ONCE
    assert {r.run: r.attempt for r in running.records(project) if r.run in before} == dict.fromkeys(
        before, 1
    )


def test_stop_cancels_and_resume_goes_on(project: Project, write: Write) -> None:
    with running.parent(project, "study", "run", write(FOUR + SLOWER)) as parent:
        running.until(lambda: len(running.running(project)) == 2)
        assert len(study.stop(project, "s")) == 2
        assert parent.wait(running.PATIENCE_S) == Exit.INTERRUPTED
    made = folder.find(project, "s")
    stands = Counter(s.what for s in cells.states(Ledger(project), made))
    assert stands == {"stopped": 2, "open": 2}
    cancelled = {r.run for r in running.records(project) if r.status == "cancelled"}
    assert len(cancelled) == 2
    assert toy.assay(project.root, "stop", "s").returncode == Exit.INPUT  # nothing to stop
    assert toy.assay(project.root, "resume", "s").returncode == 0
    assert finished(project) == EACH_ONCE
    assert {r.attempt for r in running.records(project) if r.run in cancelled} == {2}


def test_equal_runs_are_reused_unless_fresh(project: Project, write: Write) -> None:
    name = write(QUICK + "kind: ablation\nvariants: [baseline, quick]\nseeds: [0, 1]")
    first = running.here(project, name)
    second = running.here(project, name)
    assert len(running.records(project)) == 4
    ledger = Ledger(project)
    assert cells.records(ledger, second) == cells.records(ledger, first)
    assert [e["kind"] for e in second.journal()] == ["session"] + 4 * ["reused"]
    running.here(project, name, fresh=True)
    assert len(running.records(project)) == 8


def test_void_runs_are_not_reused(project: Project, write: Write) -> None:
    name = write(QUICK + "kind: seeds")
    running.here(project, name)
    old = running.records(project)[0].run
    Ledger(project).append("note", old, {"kind": "void", "text": "wrong data", "by": "human"})
    running.here(project, name)
    assert len(running.records(project)) == 2


def test_a_failing_variant_is_recorded_and_not_judged(project: Project, write: Write) -> None:
    name = write("kind: ablation\nvariants: {baseline: , bad: {set: {misbehave: raise}}}")
    made = running.here(project, name)
    results = verdicts.of(project, Ledger(project), made)
    bad = results.arms[1]
    assert (bad.label, bad.verdict, bad.runs[0].status) == ("bad", None, "failed")
    assert "the toy was told to fail" in bad.why
    running.again(project, made)  # a failure is an answer: nothing runs again
    assert {r.attempt for r in running.records(project)} == {1}


def test_a_crash_is_tried_three_times(project: Project, write: Write) -> None:
    made = running.here(project, write("kind: single\nconfig: {misbehave: exit}"))
    (record,) = running.records(project)
    assert (record.status, record.attempt) == ("crashed", 3)
    assert [s.what for s in cells.states(Ledger(project), made)] == ["settled"]


def test_a_study_has_one_parent(project: Project, write: Write) -> None:
    made = running.here(project, write(QUICK + "kind: seeds"))
    with made.lead():
        with pytest.raises(AssayError, match="is running") as caught, made.lead():
            pass
        assert caught.value.exit_code == Exit.BUSY
    assert not made.led()


def test_arms_are_judged_against_the_recorded_baseline_without_a_reference(
    project: Project, write: Write
) -> None:
    name = write(QUICK + "kind: seeds\nseeds: [0, 1, 2]")
    running.here(project, name)
    runs = [r.run for r in running.records(project)]
    toy.assay(project.root, "baseline", "set", "toy", runs[0], check=True)
    name = write(QUICK + "kind: seeds\nvariants: [better]\nseeds: [0, 1, 2]")
    results = verdicts.of(project, Ledger(project), running.here(project, name))
    assert results.reference is None
    (arm,) = results.arms
    assert arm.verdict
    gain = next(c for c in arm.verdict.clauses if c.name == "error")
    assert gain.point == pytest.approx(0.1)
    assert gain.method == "paired t"


def test_studies_are_found_by_name_and_beginning(project: Project, write: Write) -> None:
    name = write(QUICK + "kind: seeds")
    first, second = running.here(project, name), running.here(project, name)
    assert folder.find(project, "s") == folder.find(project, "@last") == second
    assert folder.find(project, first.plan.id[:-1]) == first
    with pytest.raises(AssayError, match="several studies begin with 's-'"):
        folder.find(project, "s-")
    with pytest.raises(AssayError, match="no study 'x'"):
        folder.find(project, "x")
    assert folder.named(project, "s")
    assert not folder.named(project, "01K")


@pytest.mark.parametrize(
    ("arm", "unjudged"), [("quick", ["quick"]), ("baseline", ["baseline", "quick"])]
)
def test_runs_of_two_codes_are_not_judged_as_one(
    project: Project, write: Write, monkeypatch: pytest.MonkeyPatch, arm: str, unjudged: list[str]
) -> None:
    lines = "kind: ablation\nvariants: [baseline, quick]\nreference: baseline\nseeds: [0, 1]"
    made = running.here(project, write(QUICK + lines))
    ledger = Ledger(project)
    assert verdicts.of(project, ledger, made).arms[1].verdict
    runs = cells.records(ledger, made)
    old = runs[arm][1]
    assert old.git
    git = old.git.model_copy(update={"code_tree": "0" * 40})
    runs[arm][1] = old.model_copy(update={"group": "0" * 16, "git": git})
    monkeypatch.setattr(cells, "records", lambda *_: runs)
    arms = verdicts.of(project, ledger, made).arms
    assert [a.label for a in arms if "the code changed between its runs" in a.why] == unjudged
    assert not any(a.verdict for a in arms)
    shown = " ".join(study_view.tables(project, made).split())
    assert "run the study again with --fresh" in shown


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"id": "other-ABCDEF", "of": "tomorrow"}'])
def test_a_plan_that_cannot_be_read_is_left_out_and_named(
    project: Project, write: Write, content: bytes
) -> None:
    made = running.here(project, write(QUICK + "kind: seeds"))
    odd = made.path.parent / "other-ABCDEF" / "plan.json"
    odd.parent.mkdir()
    odd.write_bytes(content)
    assert folder.every(project) == [made]
    assert folder.find(project, "s") == made
    assert not folder.named(project, running.records(project)[0].run)
    shown = toy.assay(project.root, "study", "list").stdout.splitlines()
    assert shown[0].startswith(made.plan.id)
    assert shown[1:] == ["not shown, for their plan.json cannot be read: other-ABCDEF"]
