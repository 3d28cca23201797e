"""Searches: constraints, pruning over the pipe, lost trials, confirmation."""

import os
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from core import locks
from core.errors import AssayError
from core.execute import Supervisor
from core.ledger import Ledger, baselines
from core.ledger.record import RunRecord
from core.project import Project
from core.study import constraints, folder, plan, search, start, storage, verdicts
from core.study.folder import Folder
from core.study.storage import Flock
from tests import toy
from tests.study import running
from tests.study.conftest import Write

QUICK = "config: {total_steps: 2}\n"
SEARCH = "kind: search\nsampler: tpe\n"


def states(made: Folder) -> dict[int, str]:
    trials = storage.load(made).trials
    return {t.number: t.state.name for t in trials}


def record_baseline(project: Project, write: Write, seeds: list[int]) -> None:
    running.here(project, write(f"{QUICK}kind: seeds\nseeds: {seeds}"))
    runs = sorted(running.records(project), key=lambda r: r.seed)
    baselines.put(project, "toy", [r.run for r in runs], by="human")


def test_two_workers_make_as_many_trials_as_asked(project: Project, write: Write) -> None:
    given = "objectives: [score]\ntrials: 9\nworkers: 2\nconfirm: {seeds: [0, 1]}"
    done = toy.assay(project.root, "study", "run", write(f"{QUICK}{SEARCH}{given}"))
    assert done.returncode == 0, done.stderr
    assert "finished  score " in done.stderr.splitlines()[1]  # what is searched for stands first
    made = folder.find(project, "s")
    assert states(made) == dict.fromkeys(range(9), "COMPLETE")
    found = {r.trial: r for r in running.records(project) if r.kind == "trial"}
    assert sorted(found) == list(range(9))
    assert {r.seed - n for n, r in found.items() if n is not None} == {1000}
    params = {t.number: t.params for t in storage.load(made).trials}
    assert {n: r.config["lr"] for n, r in found.items()} == {n: p["lr"] for n, p in params.items()}
    assert len({p["lr"] for p in params.values()}) == 9  # no two workers draw the same
    assert {r.seed for r in running.records(project) if r.kind == "confirm"} == {0, 1}


def test_a_grid_tries_every_point_once(project: Project, write: Write) -> None:
    space = "search: {lr: {choices: [0.1, 0.2]}, shift: {low: 0.0, high: 0.2, step: 0.1}}\n"
    made = running.here(project, write(f"{QUICK}kind: search\n{space}trials: 50"))
    tried = {(t.params["lr"], round(t.params["shift"], 6)) for t in storage.load(made).trials}
    assert tried == {(lr, shift) for lr in (0.1, 0.2) for shift in (0.0, 0.1, 0.2)}
    assert len(states(made)) == 6


def test_a_search_without_its_trials_is_named(project: Project, write: Write) -> None:
    made = running.here(project, write(f"{QUICK}{SEARCH}trials: 1"))
    (made.path / "optuna.log").unlink()
    done = toy.assay(project.root, "report", "s")
    assert done.returncode == 2, done.stderr
    assert f"the trials of search {made.plan.id} are not in" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hopeless_trial_is_pruned_over_the_pipe(project: Project, write: Write) -> None:
    space = "search: {lr: {choices: [0.3, 0.31, 0.32, 0.33, 0.34, 0.0001]}}\n"
    made = running.here(project, write(f"kind: search\nsampler: grid\npruner: median\n{space}"))
    assert states(made) == {**dict.fromkeys(range(5), "COMPLETE"), 5: "PRUNED"}
    hopeless = next(r for r in running.records(project) if r.trial == 5)
    assert hopeless.status == "pruned"
    assert hopeless.steps is not None
    assert hopeless.steps < 20
    assert hopeless.metrics == {}


def test_the_best_trial_keeps_the_constraints(project: Project, write: Write) -> None:
    made = running.here(
        project,
        write(
            "kind: search\nsampler: grid\nsearch: {lr: {choices: [0.01, 0.02, 0.1, 0.3]}}\n"
            "criteria: [{name: not too good, metric: error, at_least: 0.2}]"
        ),
    )
    study = storage.load(made)
    ranked = storage.ranking(study)
    assert study.user_attrs["constraints"] == ["not too good"]
    values = {t.params["lr"]: t.values[0] for t in ranked}
    assert values[0.3] < 0.2 < values[0.1] < values[0.02] < values[0.01]
    assert [t.params["lr"] for t in ranked] == [0.1, 0.02, 0.01, 0.3]
    assert study.best_trial.number == ranked[0].number
    margins = {t.params["lr"]: t.constraints["accept.not too good"] for t in ranked}
    for lr, margin in margins.items():
        assert margin == pytest.approx((0.2 - values[lr]) / 0.2)


def test_without_a_feasible_trial_the_least_violating_stands_first(
    project: Project, write: Write
) -> None:
    made = running.here(
        project,
        write(
            f"{QUICK}kind: search\nsearch: {{lr: {{choices: [0.01, 0.1]}}}}\n"
            "criteria: [{name: perfect, metric: error, at_most: 0.001}]\nconfirm: {seeds: [0]}"
        ),
    )
    study = storage.load(made)
    with pytest.raises(ValueError, match="No feasible"):
        _ = study.best_trial
    assert [t.params["lr"] for t in storage.ranking(study)] == [0.1, 0.01]
    assert start.winners(project, made) == []
    assert "No accepted trial" in toy.assay(project.root, "report", "s").stdout


def test_clauses_that_nobody_can_know_here_are_left_out(project: Project, write: Write) -> None:
    made = running.here(project, write(f"{QUICK}{SEARCH}trials: 1"))
    study = storage.load(made)
    assert study.user_attrs["constraints"] == ["stable"]
    assert set(study.user_attrs["left_out"]) == {"error", "score", "real time"}
    assert study.user_attrs["left_out"]["real time"] == "not measured: no CUDA"
    assert "baseline set toy" in study.user_attrs["left_out"]["error"]
    assert "real time (not measured: no CUDA)" in toy.assay(project.root, "report", "s").stdout


def test_a_recorded_baseline_makes_gains_constraints(project: Project, write: Write) -> None:
    record_baseline(project, write, [0, 1, 2])
    name = write(f"{QUICK}{SEARCH}trials: 1")
    known = constraints.known(project, Ledger(project), plan.make(project, name))
    assert known.names == ["better", "stable"]
    assert set(known.left_out) == {"real time"}


def test_a_baseline_of_another_budget_makes_none(project: Project, write: Write) -> None:
    record_baseline(project, write, [0, 1, 2])
    name = write(f"{QUICK}{SEARCH}trials: 1\nbudget: {{steps: 1}}")
    known = constraints.known(project, Ledger(project), plan.make(project, name))
    assert known.names == ["stable"]
    assert "budget" in known.left_out["error"]


def test_a_criterion_that_one_trial_did_not_measure_is_violated(
    project: Project, write: Write
) -> None:
    criteria = "criteria: [{name: fine, metric: error, at_most: 9}]"
    name = write(
        f"{QUICK}kind: single\nvariants: {{a: {{set: {{misbehave: absent}}}}}}\n{criteria}"
    )
    made = running.here(project, name)
    (record,) = running.records(project)
    margins = constraints.margins(project, Ledger(project), made.plan, ["fine"], record)
    assert margins == {"fine": 1e6}


def test_winners_are_confirmed_on_the_baselines_seeds(project: Project, write: Write) -> None:
    record_baseline(project, write, [5, 6, 7])
    kept = "criteria: [{name: error, metric: error, gain: -9}]\n"
    name = write(f"{QUICK}{SEARCH}{kept}trials: 3\nconfirm: {{top: 1}}")
    made = running.here(project, name)
    confirmed = [r for r in running.records(project) if r.kind == "confirm"]
    assert sorted(r.seed for r in confirmed) == [5, 6, 7]
    best = storage.ranking(storage.load(made))[0]
    assert {r.variant for r in confirmed} == {f"trial {best.number}"}
    assert {r.config["lr"] for r in confirmed} == {best.params["lr"]}
    verdict = verdicts.of(project, Ledger(project), made).arms[0].verdict
    assert verdict is not None
    assert set(verdict.candidate) == {r.run for r in confirmed}  # not the trial that was selected
    assert {c.method for c in verdict.clauses if c.name == "error"} == {"paired t"}


def test_confirming_needs_a_baseline_before_anything_runs(project: Project, write: Write) -> None:
    with pytest.raises(AssayError, match="toy has no baseline"):
        start.new(project, write(f"{SEARCH}confirm: {{top: 1}}"), {})


def test_a_killed_workers_trial_fails_and_its_run_goes_on(project: Project, write: Write) -> None:
    slow = "config: {total_steps: 20, step_s: 0.02}\n"
    name = write(f"{slow}{SEARCH}trials: 3\nworkers: 2")
    with running.parent(project, "study", "run", name) as parent:
        running.until(lambda: len(running.running(project)) == 2)
        running.kill(running.workers(parent)[0])
        assert parent.wait(running.PATIENCE_S) == 0
    trials = storage.load(folder.find(project, "s")).trials
    lost = [t for t in trials if t.state.name == "FAIL"]
    again = [t for t in trials if "retry_of" in t.user_attrs]
    assert [t.user_attrs["retry_of"] for t in again] == [t.number for t in lost]
    assert len(lost) == 1
    assert again[0].params == lost[0].params
    assert again[0].user_attrs["run"] == lost[0].user_attrs["run"]
    assert sum(t.state.name == "COMPLETE" for t in trials) == 3
    record = Ledger(project).find(lost[0].user_attrs["run"])
    assert (record.status, record.attempt, record.trial) == ("finished", 2, again[0].number)


def test_a_killed_search_goes_on(project: Project, write: Write) -> None:
    slow = "config: {total_steps: 15, step_s: 0.02}\n"
    with running.parent(project, "study", "run", write(f"{slow}{SEARCH}trials: 3")) as parent:
        running.until(lambda: len(running.records(project)) == 2 and running.running(project))
        workers = running.workers(parent)
        for process in (parent, *workers):
            running.kill(process)
    assert toy.assay(project.root, "resume", "s").returncode == 0
    ends = list(states(folder.find(project, "s")).values())
    assert (ends.count("COMPLETE"), ends.count("FAIL"), len(ends)) == (3, 1, 4)
    assert len(running.records(project)) == 3


def test_a_trial_is_given_up_after_two_retries(project: Project, write: Write) -> None:
    name = write(f"{SEARCH}trials: 2\nconfig: {{misbehave: exit}}")
    made = running.here(project, name)
    assert set(states(made).values()) == {"FAIL"}
    assert len(states(made)) == 2 * 3
    assert {(r.status, r.attempt) for r in running.records(project)} == {("crashed", 3)}


def test_a_late_end_is_a_note(
    project: Project, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = folder.create(project, start.new(project, write(f"{QUICK}{SEARCH}trials: 1"), {}))
    start.begin_search(project, made)
    right = Supervisor.run

    def outlived(*args: Any, **kwargs: Any) -> RunRecord:
        record = right(*args, **kwargs)
        storage.load(made).tell(0, state=optuna.trial.TrialState.FAIL)  # a reaper elsewhere did
        return record

    monkeypatch.setattr(Supervisor, "run", outlived)
    search.work(Supervisor(project), made)
    (record,) = running.records(project)
    assert record.status == "finished"
    assert [n.text for n in record.notes] == [
        "trial 0 had been given up as lost: this end is not in the search"
    ]


def test_values_that_are_wrong_together_fail_one_trial(
    project: Project, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = folder.create(project, start.new(project, write(f"{QUICK}{SEARCH}trials: 2"), {}))
    right = plan.spec

    def picky(*args: object, **kwargs: object) -> object:
        if kwargs.get("trial") == 0:
            raise AssayError("a patch is larger than the image")
        return right(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(plan, "spec", picky)
    running.again(project, made)
    assert states(made) == {0: "FAIL", 1: "COMPLETE"}
    assert storage.load(made).trials[0].user_attrs["why"] == "a patch is larger than the image"


def test_several_objectives_are_weighed(project: Project, write: Write) -> None:
    text = f"{QUICK}kind: search\nsampler: nsga2\nobjectives: [error, nonfinite_steps]\ntrials: 4"
    made = running.here(project, write(text))
    study = storage.load(made)
    assert [d.name for d in study.directions] == ["MINIMIZE", "MINIMIZE"]
    front = {t.number for t in study.best_trials}
    assert storage.ranking(study)[0].number in front


def test_when_the_time_is_up_no_trial_begins(project: Project, write: Write) -> None:
    made = folder.create(
        project, start.new(project, write(f"{QUICK}{SEARCH}trials: 500\ntimeout: 0.001"), {})
    )
    made.note("session")
    time.sleep(0.01)
    start.begin_search(project, made)
    assert search.left(made) == 0


def test_slow_runs_of_the_past_make_auto_a_gaussian_process(
    project: Project, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = write("kind: search\nsearch: {lr: {low: 0.1, high: 0.3}}")
    assert start.new(project, name, {}).sampler == "tpe"
    record_baseline(project, write, [0])
    write("kind: search\nsearch: {lr: {low: 0.1, high: 0.3}}")
    assert start.new(project, name, {}).sampler == "tpe"
    monkeypatch.setattr("core.study.sampling.GP_SECONDS", 0.0)
    assert start.new(project, name, {}).sampler == "gp"


def test_the_journals_lock_is_one_that_dies_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = Flock(path)
    lock.acquire()
    assert locks.held(path)
    lock.release()
    assert not locks.held(path)


def test_a_storage_by_url_works_as_the_journal_does(project: Project, write: Write) -> None:
    made = start.new(project, write(f"{QUICK}{SEARCH}trials: 3"), {})
    # PostgreSQL is what a file may name; without a server SQLite stands in, behind the same class.
    url = os.environ.get("ASSAY_TEST_POSTGRES", f"sqlite:///{project.root / 'optuna.db'}")
    place = folder.create(project, made)
    study = made.study.model_copy(update={"storage": url})
    vars(place)["plan"] = made.model_copy(update={"study": study})  # as if it had been read
    running.again(project, place)
    assert states(place) == dict.fromkeys(range(3), "COMPLETE")
    assert not (place.path / "optuna.log").exists()
