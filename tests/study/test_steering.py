"""Steering a study that runs: pause, stop one run, have one done again; and how far it is."""

import time

import pytest

from core import control, study
from core.errors import AssayError
from core.ledger import Ledger
from core.project import Project
from core.study import folder, storage, summary
from core.study.folder import Folder
from tests import toy
from tests.study import running
from tests.study.conftest import Write

LONG = "config: {total_steps: 400, step_s: 0.02}\n"
THREE = "kind: seeds\nseeds: [0, 1, 2]\n"
SEARCH = "kind: search\ntrials: 2\nsampler: random\n"


def newest(project: Project) -> Folder:
    running.until(lambda: folder.every(project))
    return folder.every(project)[0]


def test_a_paused_study_begins_nothing_until_it_goes_on(project: Project, write: Write) -> None:
    quick = "config: {total_steps: 30, step_s: 0.02}\n"
    with running.parent(project, "study", "run", write(THREE + quick)) as parent:
        found = newest(project)
        running.until(lambda: len(running.records(project)) == 1)
        assert toy.assay(project.root, "study", "pause", found.plan.id).returncode == 0
        running.until(lambda: running.records(project)[0].status == "finished")
        time.sleep(1.0)  # a worker looks three times a second
        assert len(running.records(project)) == 1
        assert summary.of(project, Ledger(project), found).state == "paused"
        assert "goes on" in toy.assay(project.root, "resume", found.plan.id).stdout
        assert parent.wait(running.PATIENCE_S) == 0
    done = summary.of(project, Ledger(project), found)
    assert (done.state, done.ended, done.total, done.failed) == ("finished", 3, 3, 0)


def test_a_stop_ends_a_paused_study(project: Project, write: Write) -> None:
    with running.parent(project, "study", "run", write(THREE + LONG)) as parent:
        running.until(lambda: len(running.running(project)) == 1)
        study.pause(project, "s")
        study.stop(project, "s")
        assert parent.wait(running.PATIENCE_S) == 130


def test_only_a_running_study_is_paused(project: Project, write: Write) -> None:
    running.here(project, write("kind: single\nconfig: {total_steps: 2}"))
    with pytest.raises(AssayError, match="not running"):
        study.pause(project, "s")


def test_a_stopped_run_is_done_again_when_asked_for(project: Project, write: Write) -> None:
    with running.parent(project, "study", "run", write("kind: single\n" + LONG)) as parent:
        running.until(lambda: len(running.running(project)) == 1)
        run = running.running(project)[0]
        control.stop(project, running.records(project))
        assert parent.wait(running.PATIENCE_S) == 130  # stays undone: somebody stopped it
    assert study.requeue(project, run) == newest(project).plan.id
    done = toy.assay(project.root, "resume", "s", "--json")
    assert done.returncode == 0, done.stderr
    (record,) = running.records(project)
    assert (record.run, record.status, record.attempt) == (run, "finished", 2)


def test_a_failed_run_is_settled_until_somebody_asks(project: Project, write: Write) -> None:
    name = write("kind: seeds\nseeds: [0, 1]\nconfig: {misbehave: raise}")
    found = running.here(project, name)
    runs = running.records(project)
    assert {r.status for r in runs} == {"failed"}
    before = summary.of(project, Ledger(project), found)
    assert (before.ended, before.failed) == (2, 2)
    study.requeue(project, runs[0].run)
    assert summary.of(project, Ledger(project), found).ended == 1
    running.again(project, found)
    assert {r.run: r.attempt for r in running.records(project)} == {runs[0].run: 2, runs[1].run: 1}


def test_a_trial_is_queued_again_and_takes_no_place_of_another(
    project: Project, write: Write
) -> None:
    found = running.here(project, write(SEARCH + "config: {misbehave: raise}"))
    run = running.records(project)[0].run
    study.requeue(project, run)
    with pytest.raises(AssayError, match="waits or runs already"):
        study.requeue(project, run)
    running.again(project, found)
    assert len(storage.load(found).trials) == 3
    assert {r.run: r.attempt for r in running.records(project)}[run] == 2
    assert len(running.records(project)) == 2


def test_what_finished_or_is_of_no_study_is_not_done_again(project: Project, write: Write) -> None:
    running.here(project, write("kind: single\nconfig: {total_steps: 2}"))
    with pytest.raises(AssayError, match="is finished: nothing to do again"):
        study.requeue(project, "@last")
    toy.assay(project.root, "run", "toy", "-o", "misbehave=raise")
    with pytest.raises(AssayError, match="is of no study"):
        study.requeue(project, "@last")


def test_a_search_is_told_in_one_line_without_optuna(project: Project, write: Write) -> None:
    criteria = "criteria: [{name: small, metric: error, at_most: 0.5}]\nconfig: {lr: 0.3}\n"
    space = "search: {shift: {choices: [0.0, 0.5]}}\nsampler: grid\ntrials: 9\nkind: search\n"
    found = running.here(project, write(space + criteria))
    told = summary.of(project, Ledger(project), found)
    ranked = storage.ranking(storage.load(found))  # what Optuna says
    good = [t for t in ranked if storage.violation(t) == 0]
    assert told.state == "finished"
    assert (told.ended, told.total, told.failed) == (2, 2, 0)
    assert told.accepted == len(good) == 1
    assert told.best is not None
    assert told.best.value == ranked[0].values[0]
    assert told.best.run == ranked[0].user_attrs["run"]
