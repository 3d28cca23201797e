"""Tables of a search: its best trials, and which parameters mattered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.contract import Metric
from core.report.numbers import NONE, column, exact
from core.report.table import Table

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

SHOWN = 10
ENOUGH = 20  # complete trials from which an importance says something
PREFIX = "accept."  # of the constraints that stand for clauses


@dataclass(frozen=True)
class Search:
    """What a search found."""

    title: str
    study: optuna.Study
    ranked: Sequence[FrozenTrial]  # complete trials, best first
    objectives: Sequence[Metric]
    notes: Sequence[str] = ()


def tables(search: Search) -> list[Table]:
    """The trials worth looking at, and the importance of the parameters when it can be told."""
    made = [_trials(search, SHOWN), _importance(search)]
    return [t for t in made if t.rows]


def tidy(search: Search) -> list[Table]:
    """One row a complete trial, numbers in full."""
    return [_trials(search, None)]


def _trials(search: Search, most: int | None) -> Table:
    shown = search.ranked[:most]
    params = sorted({key for trial in shown for key in trial.params})
    rows = [
        (
            str(trial.number),
            *(_plain(v) if most else exact(v) for v in trial.values),
            wanting(trial),
            *(_plain(trial.params.get(key, "")) for key in params),
        )
        for trial in shown
    ]
    states = Counter(t.state.name.lower() for t in search.study.get_trials(deepcopy=False))
    said = ", ".join(f"{count} {state}" for state, count in states.items())
    columns = ("trial", *map(column, search.objectives), "constraints", *params)
    notes = [*search.notes]
    if shown and not feasible(shown[0]):
        notes.append("No accepted trial: these violate the constraints least.")
    return Table(f"{search.title}: best trials ({said})", columns, tuple(rows), tuple(notes))


def feasible(trial: FrozenTrial) -> bool:
    """Whether no constraint is violated."""
    return all(v <= 0 for v in trial.constraints.values())


def wanting(trial: FrozenTrial) -> str:
    """The violated constraints with their margins; `met` when all hold, – when there are none."""
    short = {k.removeprefix(PREFIX): v for k, v in trial.constraints.items() if v > 0}
    said = ", ".join(f"{name} {v:+.2g}" for name, v in short.items())
    return said or ("met" if trial.constraints else NONE)


def importance(study: optuna.Study) -> dict[str, float]:
    """Share of each parameter in what sets good trials apart (PED-ANOVA); empty for few trials."""
    import optuna
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < ENOUGH:
        return {}
    return optuna.importance.get_param_importances(study)


def _importance(search: Search) -> Table:
    shares = importance(search.study)
    rows = tuple((name, f"{share:.2f}") for name, share in shares.items())
    title = f"Importance for {', '.join(m.name for m in search.objectives)} (PED-ANOVA)"
    return Table(title, ("parameter", "share"), rows)


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
