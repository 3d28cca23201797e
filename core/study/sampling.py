"""How a search chooses: its space in Optuna's terms, the sampler (and `auto`), the pruner."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.contract import Space
from core.errors import AssayError
from core.study.file import StudyFile

if TYPE_CHECKING:
    import optuna

GP_PARAMS, GP_TRIALS, GP_SECONDS = 15, 200, 5.0  # beyond these a Gaussian process costs too much


def choose(
    asked: str, space: Mapping[str, Space], objectives: int, trials: int, seconds: float | None
) -> str:
    """The sampler that `auto` means here; any other name is itself.

    A space that the trials can exhaust is walked through; few numbers and slow trials are worth a
    Gaussian process; the rest is TPE's. `seconds`: how long a trial takes, None when unknown.

    Raises:
        AssayError: a grid was asked for, but the space has no finite number of points.
    """
    size = math.prod(len(values) if (values := points(s)) else math.inf for s in space.values())
    if asked == "grid" and size == math.inf:
        endless = [key for key, s in space.items() if not points(s)]
        raise AssayError(
            f"no grid over {', '.join(endless)}: the range has no step",
            "Give it `step` or `choices`, or another sampler",
            code="bad_study",
        )
    if asked != "auto":
        return asked
    if size <= trials:
        return "grid"
    few = len(space) <= GP_PARAMS and trials <= GP_TRIALS
    numbers = all(not s.choices for s in space.values())
    slow = seconds is not None and seconds >= GP_SECONDS
    return "gp" if objectives == 1 and few and numbers and slow else "tpe"


def points(space: Space) -> list[Any]:
    """All values of one key, in order; empty when there is no end of them."""
    if space.choices:
        return list(space.choices)
    low, high, step = space.low, space.high, space.step
    assert low is not None  # a space without choices has a range
    assert high is not None
    if step is None:
        whole = isinstance(low, int) and isinstance(high, int)
        return list(range(int(low), int(high) + 1)) if whole and not space.log else []
    count = math.floor((high - low) / step + 1e-9) + 1  # 0.3 is 2.9999999999999996 steps of 0.1
    return [low + i * step for i in range(count)]


def ends(space: Space) -> list[Any]:
    """Values that the config must take if it takes the space: the ends of a range, every choice."""
    return list(space.choices) or [space.low, space.high]


def grid(space: Mapping[str, Space]) -> list[dict[str, Any]]:
    """Every point of an enumerable space."""
    every = itertools.product(*(points(s) for s in space.values()))
    return [dict(zip(space, values, strict=True)) for values in every]


def suggest(trial: optuna.Trial, space: Mapping[str, Space]) -> dict[str, Any]:
    """A trial's value for every key."""
    return {key: _suggest(trial, key, s) for key, s in space.items()}


def _suggest(trial: optuna.Trial, key: str, space: Space) -> Any:
    if space.choices:
        return trial.suggest_categorical(key, space.choices)
    low, high, step = space.low, space.high, space.step
    assert low is not None  # a space without choices has a range
    assert high is not None
    if isinstance(low, int) and isinstance(high, int) and (step is None or isinstance(step, int)):
        return trial.suggest_int(key, low, high, step=step or 1, log=space.log)
    return trial.suggest_float(key, low, high, step=step, log=space.log)


def sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    """The sampler of this name. The points of a grid are queued beforehand: nothing is sampled."""
    from optuna import samplers

    if name == "gp":
        return samplers.GPSampler(seed=seed)
    if name == "tpe":
        return samplers.TPESampler(seed=seed)
    if name == "nsga2":
        return samplers.NSGAIISampler(seed=seed)
    return samplers.RandomSampler(seed=seed)


def pruner(study: StudyFile) -> optuna.pruners.BasePruner:
    """The pruner that the file names."""
    from optuna import pruners

    if study.pruner == "median":
        return pruners.MedianPruner(n_warmup_steps=study.warmup)
    if study.pruner == "hyperband":
        return pruners.HyperbandPruner(min_resource=max(study.warmup, 1))
    return pruners.NopPruner()
