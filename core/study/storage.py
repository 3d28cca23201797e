"""The Optuna study behind a search: made once by the parent, opened by every worker."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core import locks, registry
from core.contract import Metric
from core.errors import AssayError
from core.project import Project
from core.study import sampling
from core.study.folder import Folder

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_WAY: dict[str, Literal["maximize", "minimize"]] = {"max": "maximize", "min": "minimize"}
RETRY_OF = "retry_of"  # user attribute of a trial that goes on with a lost one


def create(project: Project, folder: Folder) -> None:
    """Make storage and study if they are not there: workers racing for it would break each other.

    The points of a grid are queued, each once.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plan = folder.plan
    task = registry.load(project).find(plan.study.task)
    study = optuna.create_study(
        study_name=plan.id,
        storage=_open(folder, fresh=True),
        directions=[_WAY[task.metric(name).direction] for name in plan.objectives],
        load_if_exists=True,
    )
    if plan.sampler == "grid" and not study.trials:
        for point in sampling.grid(plan.space):
            study.enqueue_trial(point)


def load(folder: Folder, seed: int = 0) -> optuna.Study:
    """The study, with its sampler and pruner.

    Raises:
        AssayError: its trials are not where they were kept.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.load_study(
            study_name=folder.plan.id,
            storage=_open(folder),
            sampler=sampling.sampler(folder.plan.sampler, seed),
            pruner=sampling.pruner(folder.plan.study),
        )
    except KeyError as error:
        place = folder.plan.study.storage or folder.path / "optuna.log"
        raise AssayError(
            f"the trials of search {folder.plan.id} are not in {place}",
            "Bring that file or database back, or start the search anew",
            code="no_trials",
        ) from error


def _open(folder: Folder, fresh: bool = False) -> optuna.storages.BaseStorage:
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    url = folder.plan.study.storage
    if url:
        return RDBStorage(url, skip_table_creation=not fresh)
    path = folder.path / "optuna.log"
    lock: Any = Flock(path.with_suffix(".lock"))  # Optuna's base class of locks is not public
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


class Flock:
    """Optuna's journal lock as an flock: it dies with its holder, a lock file of Optuna's stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._fd = locks.take(self._path, wait=True)
        return True

    def release(self) -> None:
        """Let go."""
        assert self._fd is not None  # acquired before
        os.close(self._fd)


def superseded(trials: Sequence[FrozenTrial]) -> set[int]:
    """Numbers of trials that another goes on with."""
    return {t.user_attrs[RETRY_OF] for t in trials if RETRY_OF in t.user_attrs}


def ranking(study: optuna.Study) -> list[FrozenTrial]:
    """Complete trials, best first: the feasible by value, then the rest by how far they fail.

    With several objectives the Pareto front stands before the other feasible ones.
    """
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    front = {t.number for t in study.best_trials} if len(study.directions) > 1 else set()
    sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1

    def key(trial: FrozenTrial) -> tuple[float, bool, float]:
        return violation(trial), trial.number not in front, sign * trial.values[0]

    return sorted(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)), key=key)


def violation(trial: FrozenTrial) -> float:
    """How far a trial is from satisfying its constraints, in thresholds; 0 when it does."""
    return sum(max(0.0, v) for v in trial.constraints.values())


def objectives(project: Project, folder: Folder) -> list[Metric]:
    """What the search optimises."""
    task = registry.load(project).find(folder.plan.study.task)
    return [task.metric(name) for name in folder.plan.objectives]
