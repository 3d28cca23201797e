"""A search: Optuna asks, a supervised run answers. Any number of workers, each may die.

One lock orders who asks, who tells and who counts. A worker holds a claim on its trial; a trial
that runs and whose claim is free is lost: it is told FAIL, and its run goes on under a new trial.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core import execute, ledger, locks, outcome
from core.errors import AssayError
from core.execute import Decide, Supervisor
from core.identity import identify
from core.ledger.record import RunRecord
from core.spec import RunSpec
from core.study import constraints, plan, sampling, storage
from core.study.folder import Folder
from core.study.storage import RETRY_OF, superseded

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

RETRIES = 2  # of a run that crashes or is lost
AGAIN = ("crashed", "lost", "cancelled")  # how a run ends that may yet finish
ASKED = "asked"  # user attribute of a trial that somebody wants done again however it ended
POLL_S = 0.3
APART = 1009  # between the seeds of two workers' samplers


def work(supervisor: Supervisor, folder: Folder) -> None:
    """Run trials until there are enough, the time is up, or somebody asks to stop."""
    search = Search(supervisor, folder)
    while not supervisor.stopped:
        outcome.adopt(supervisor.project, supervisor.ledger)
        if not folder.pause_file.exists():
            with search.next_trial() as trial:
                if trial is not None:
                    search.run(trial)
                    continue
        if not _left(folder, search.study.get_trials(deepcopy=False)):
            return
        time.sleep(POLL_S)  # others are at the last trials; one of them may yet be lost


def left(folder: Folder) -> int:
    """Trials that have not ended; once the time is up, only those that run."""
    return _left(folder, storage.load(folder).get_trials(deepcopy=False))


def _left(folder: Folder, trials: Sequence[FrozenTrial]) -> int:
    return _to_ask(folder, trials) + len(_running(trials))


def _to_ask(folder: Folder, trials: Sequence[FrozenTrial]) -> int:
    if _expired(folder):
        return 0
    queued = sum(t.state.name == "WAITING" for t in trials)
    made = len(trials) - len(superseded(trials))
    return queued + max(0, folder.plan.trials - made)


def _running(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [t for t in trials if t.state.name == "RUNNING"]


def _expired(folder: Folder) -> bool:
    limit = folder.plan.study.timeout
    begun = [e["t"] for e in folder.journal() if e["kind"] == "session"]
    return limit is not None and bool(begun) and time.time() > begun[-1] + limit


class Search:
    """A worker's view of the search."""

    def __init__(self, supervisor: Supervisor, folder: Folder) -> None:
        self._supervisor = supervisor
        self._project = supervisor.project
        self._folder = folder
        self._place = self._take_place()
        begun = len(storage.load(folder).trials)  # so that a resumed search draws other numbers
        self.study = storage.load(folder, seed=begun + APART * self._place)

    def _take_place(self) -> int:
        """This worker's number among those alive; held until the process ends."""
        number = 0
        while self._folder.claim(f"worker-{number}") is None:
            number += 1
        return number

    @contextmanager
    def next_trial(self) -> Iterator[optuna.Trial | None]:
        """A trial of ours for as long as the context lasts; None when there is none to begin."""
        claim = None
        with self._turn():
            trials = self._reaped()
            trial = self.study.ask() if _to_ask(self._folder, trials) else None
            if trial is not None:
                claim = self._folder.claim(_claim(trial.number))
                sampling.suggest(trial, self._folder.plan.space)
        try:
            yield trial
        finally:
            if claim is not None:
                os.close(claim)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with locks.exclusive(self._folder.path / "claims" / "turn"):
            yield

    def _reaped(self) -> list[FrozenTrial]:
        """All trials, after those whose worker is gone were told FAIL and queued again."""
        trials = self.study.get_trials(deepcopy=False)
        done = superseded(trials)
        for trial in _running(trials):
            if self._alive(trial):
                continue
            if trial.number not in done and not self._queue_again(trial, _retries(trial) + 1):
                run = trial.user_attrs.get("run")
                self._folder.note("ended", trial=trial.number, run=run, status="lost")
            self.study.tell(trial.number, state=_state("FAIL"))
        return self.study.get_trials(deepcopy=False)

    def _alive(self, trial: FrozenTrial) -> bool:
        run = trial.user_attrs.get("run")
        if run and ledger.alive(self._project, run):
            return True
        held = self._folder.claimed(_claim(trial.number))
        return held if held is not None else self._folder.plan.study.storage is not None

    def _queue_again(self, trial: FrozenTrial | optuna.Trial, retries: int) -> bool:
        """Queue the trial once more, unless it was tried too often; whether it was queued."""
        if retries <= RETRIES:
            _enqueue(self.study, trial, retries)
        return retries <= RETRIES

    def run(self, trial: optuna.Trial) -> None:
        """Have the trial's run done, or take it as it ended, and tell the outcome."""
        record = self._before(trial)
        if record is None or record.status in AGAIN or trial.user_attrs.get(ASKED):
            try:
                spec = self._spec(trial, record)
            except AssayError as error:  # values that are right alone and wrong together
                self._fail(trial, str(error))
                self._folder.note("refused", trial=trial.number, why=str(error))
                return
            trial.set_user_attr("run", spec.run)
            record = self._supervisor.run(spec, decide=self._decide(trial))
        with self._turn():
            told = self._settle(trial, record)
        what = {"trial": trial.number, "run": record.run, "status": record.status}
        self._folder.note("ended", **what, **told)

    def _before(self, trial: optuna.Trial) -> RunRecord | None:
        """The run that a retried trial goes on with, when its folder is here."""
        run = trial.user_attrs.get("run")
        if run is None or not (self._project.run_dir(run) / "run.json").exists():
            return None
        return self._supervisor.ledger.find(run)

    def _spec(self, trial: optuna.Trial, before: RunRecord | None) -> RunSpec:
        if before is not None:
            spec = execute.resume(self._project, before)
            if identify(self._project, spec).group == spec.group:
                return spec.model_copy(update={"trial": trial.number})
        cell = plan.trial_cell(self._folder.plan, trial.number, trial.params)
        return plan.spec(self._project, self._folder.plan, cell, trial=trial.number)

    def _decide(self, trial: optuna.Trial) -> Decide | None:
        """What answers a run's reports; None where nothing is pruned."""
        from optuna.exceptions import UpdateFinishedTrialError

        def decide(value: float, step: int) -> bool:
            try:
                trial.report(value, step)
                return trial.should_prune()
            except UpdateFinishedTrialError:  # given up as lost: another goes on with it
                return True

        return None if self._folder.plan.study.pruner == "none" else decide

    def _settle(self, trial: optuna.Trial, record: RunRecord) -> dict[str, Any]:
        """Tell Optuna how the run ended; when it has given the trial up, only a note remains.

        For the journal: `again` when the trial is queued once more, or its `violation` in all.
        """
        if self.study.get_trials(deepcopy=False)[trial.number].state.name != "RUNNING":
            text = f"trial {trial.number} had been given up as lost: this end is not in the search"
            note = {"kind": "text", "text": text, "by": "assay"}
            self._supervisor.ledger.append("note", record.run, note)
        elif record.status == "finished":
            return self._complete(trial, record)
        elif record.status == "pruned":
            self.study.tell(trial, state=_state("PRUNED"))
        else:
            again = False
            if record.status == "cancelled" and self._supervisor.stopped:
                again = self._queue_again(trial, _retries(trial))
            elif record.status in AGAIN and record.status != "cancelled":
                again = self._queue_again(trial, _retries(trial) + 1)
            self._fail(trial, record.reason)
            return {"again": again}
        return {}

    def _complete(self, trial: optuna.Trial, record: RunRecord) -> dict[str, Any]:
        wanted = self._folder.plan.objectives
        values = {m: v for m in wanted if (v := _value(record, m)) is not None}
        if len(values) < len(wanted):
            self._fail(trial, f"no finite {', '.join(set(wanted) - set(values))}")
            return {}
        names = self.study.user_attrs["constraints"]
        project, whole = self._project, self._folder.plan
        margins = constraints.margins(project, self._supervisor.ledger, whole, names, record)
        for name, margin in margins.items():
            trial.set_constraint(f"accept.{name}", margin)
        self.study.tell(trial, list(values.values()))
        return {"violation": sum(max(0.0, margin) for margin in margins.values())}

    def _fail(self, trial: optuna.Trial, why: str) -> None:
        trial.set_user_attr("why", why)
        self.study.tell(trial, state=_state("FAIL"))


def requeue(folder: Folder, run: str) -> int:
    """Queue a trial that did not finish once more, at anybody's wish; its number.

    Raises:
        AssayError: it is no trial of this search, or it runs or is queued already.
    """
    with locks.exclusive(folder.path / "claims" / "turn"):
        study = storage.load(folder)
        trials = study.get_trials(deepcopy=False)
        mine = [t for t in trials if t.user_attrs.get("run") == run]
        if not mine or not mine[-1].state.is_finished() or mine[-1].number in superseded(trials):
            raise AssayError(
                f"run {run} waits or runs already in study {folder.plan.id}"
                if mine
                else f"run {run} is no trial of study {folder.plan.id}",
                f"See `assay study show {folder.plan.id}`",
                code="not_requeued",
            )
        _enqueue(study, mine[-1], 0, **{ASKED: True})
        return mine[-1].number


def _enqueue(
    study: optuna.Study, trial: FrozenTrial | optuna.Trial, retries: int, **more: bool
) -> None:
    """Queue the trial's parameters; whoever asks next goes on with its run."""
    run = trial.user_attrs.get("run")
    attrs = {RETRY_OF: trial.number, "retries": retries, "run": run, **more}
    study.enqueue_trial(trial.params, user_attrs=attrs)


def _retries(trial: FrozenTrial | optuna.Trial) -> int:
    return int(trial.user_attrs.get("retries", 0))


def _claim(number: int) -> str:
    return f"trial-{number:05d}"


def _state(name: str) -> optuna.trial.TrialState:
    from optuna.trial import TrialState

    return TrialState[name]


def _value(record: RunRecord, metric: str) -> float | None:
    """The metric when it was measured and is finite: a search cannot rank anything else."""
    measured = record.metrics.get(metric)
    return measured.value if measured and math.isfinite(measured.value) else None
