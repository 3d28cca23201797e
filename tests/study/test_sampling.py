"""Which sampler `auto` is, and what a space means."""

import optuna
import pytest

from core.contract import Space
from core.errors import AssayError
from core.study import sampling

RATE = Space(low=1e-4, high=1e-1, log=True)
SIZE = Space(choices=(16, 32))
WHOLE = Space(low=1, high=4)
STEPPED = Space(low=0.1, high=0.4, step=0.1)


@pytest.mark.parametrize(
    ("space", "objectives", "trials", "seconds", "chosen"),
    [
        ({"a": SIZE, "b": SIZE}, 1, 4, None, "grid"),  # can be exhausted
        ({"a": SIZE, "b": SIZE}, 2, 4, None, "grid"),
        ({"a": WHOLE, "b": STEPPED}, 1, 16, None, "grid"),
        ({"a": WHOLE, "b": STEPPED}, 1, 15, None, "tpe"),  # one point too many
        ({"a": WHOLE, "b": STEPPED}, 1, 15, 60.0, "gp"),
        ({"a": RATE}, 1, 50, 5.0, "gp"),  # few numbers, slow trials
        ({"a": RATE}, 1, 50, 4.9, "tpe"),  # quick trials
        ({"a": RATE}, 1, 50, None, "tpe"),  # nobody knows how slow
        ({"a": RATE}, 1, 201, 60.0, "tpe"),  # too many for a Gaussian process
        ({"a": RATE}, 2, 50, 60.0, "tpe"),  # several objectives
        ({"a": RATE, "b": SIZE}, 1, 50, 60.0, "tpe"),  # a choice is no number
        ({f"x{i}": RATE for i in range(15)}, 1, 50, 60.0, "gp"),
        ({f"x{i}": RATE for i in range(16)}, 1, 50, 60.0, "tpe"),
    ],
)
def test_auto(
    space: dict[str, Space], objectives: int, trials: int, seconds: float | None, chosen: str
) -> None:
    assert sampling.choose("auto", space, objectives, trials, seconds) == chosen


@pytest.mark.parametrize("name", ["tpe", "gp", "random", "nsga2"])
def test_a_named_sampler_is_itself(name: str) -> None:
    assert sampling.choose(name, {"a": SIZE}, 1, 50, None) == name
    made = type(sampling.sampler(name, 0)).__name__
    expected = {"tpe": "TPE", "gp": "GP", "random": "Random", "nsga2": "NSGAII"}[name]
    assert made == f"{expected}Sampler"


def test_an_endless_space_has_no_grid() -> None:
    with pytest.raises(AssayError, match="no grid over a"):
        sampling.choose("grid", {"a": RATE, "b": SIZE}, 1, 50, None)


def test_points_of_a_stepped_range_include_its_end() -> None:
    assert sampling.points(STEPPED) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert sampling.points(WHOLE) == [1, 2, 3, 4]
    assert sampling.points(RATE) == []


def test_grid_points_are_what_optuna_would_suggest() -> None:
    space = {"a": STEPPED, "b": WHOLE, "c": SIZE}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for point in sampling.grid(space):
        study.enqueue_trial(point)
        assert sampling.suggest(study.ask(), space) == pytest.approx(point)


def test_whole_numbers_stay_whole_and_choices_choices() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        got = sampling.suggest(study.ask(), {"n": WHOLE, "r": RATE, "s": SIZE})
        assert isinstance(got["n"], int)
        assert 1 <= got["n"] <= 4
        assert 1e-4 <= got["r"] <= 1e-1
        assert got["s"] in (16, 32)
