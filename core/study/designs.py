"""From variants, switches or a grid to the arms of a study: what is set, under which label."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from core.contract import Task
from core.errors import AssayError, unknown
from core.study.file import Setting, StudyFile


class Arm(BaseModel):
    """One row of a study's table: runs of an arm differ by seed alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    set: dict[str, Any] = {}
    levels: dict[str, bool] = {}  # of a factorial: switch -> on


def arms(study: StudyFile, task: Task[Any]) -> list[Arm]:
    """The arms in the order of the file; the first is the reference unless the file names one.

    Raises:
        AssayError: an unknown variant, two arms of one label, or keys that do not go together.
    """
    if study.kind == "grid":
        _need(bool(study.grid), "a grid needs `grid: {key: [values]}`")
        _need(len(study.variants) <= 1, "a grid starts from one variant at most")
        base = _variants(study, task)[0]
        made = [Arm(label=label, set=base.set | values) for label, values in _grid(study.grid)]
    elif study.switches:
        _need(study.design != "named", "switches need `design: leave_one_out|add_one|factorial`")
        _need(not study.variants, "an ablation has either variants or switches")
        made = list(_DESIGNS[study.design](_switches(study.switches)))
    else:
        _need(study.design == "named", f"design: {study.design} needs switches")
        made = _variants(study, task)
        _need(
            study.kind == "ablation" or len(made) == 1,
            f"a study of kind {study.kind} has one variant; several are an ablation",
        )
    _need(
        study.kind != "single" or len(study.seeds) == 1,
        "a single run has one seed; several are `kind: seeds`",
    )
    labels = [arm.label for arm in made]
    _need(len(set(labels)) == len(labels), f"two arms share a label: {', '.join(labels)}")
    return made


def reference(study: StudyFile, made: list[Arm]) -> str | None:
    """The label that the other arms are compared with; None: the task's recorded baseline.

    Raises:
        AssayError: the file names an arm that there is not.
    """
    if study.reference is not None:
        if study.reference not in [arm.label for arm in made]:
            raise unknown("variant", study.reference, (a.label for a in made), where="reference")
        return study.reference
    return made[0].label if study.kind == "ablation" and len(made) > 1 else None


def varied(study: StudyFile, made: list[Arm], task: Task[Any]) -> set[str]:
    """Config keys whose value differs between runs of the study."""
    searched = (study.search or task.search) if study.kind == "search" else {}
    several = made if len(made) > 1 else []
    return {key for arm in several for key in arm.set} | set(searched)


def _variants(study: StudyFile, task: Task[Any]) -> list[Arm]:
    given: Mapping[str, Setting | None] = (
        study.variants
        if isinstance(study.variants, dict)
        else dict.fromkeys(study.variants or [task.variants[0].name])
    )
    return [
        Arm(label=name, set=dict(task.variant(name).set if inline is None else inline.set))
        for name, inline in given.items()
    ]


def _grid(grid: Mapping[str, list[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for values in itertools.product(*grid.values()):
        point = dict(zip(grid, values, strict=True))
        yield " ".join(f"{key}={value}" for key, value in point.items()), point


Switches = Mapping[str, tuple[dict[str, Any], dict[str, Any]]]  # name -> (off, on)


def _switches(given: Mapping[str, Setting | tuple[Any, Any]]) -> Switches:
    made: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for name, value in given.items():
        if isinstance(value, Setting):
            made[name] = ({}, value.set)
        else:
            made[name] = ({name: value[0]}, {name: value[1]})
    keys = [key for _, on in made.values() for key in on]
    _need(len(set(keys)) == len(keys), f"two switches set one key: {', '.join(keys)}")
    return made


def _arm(label: str, switches: Switches, on: set[str]) -> Arm:
    sides = [switches[name][name in on] for name in switches]
    merged = {key: value for side in sides for key, value in side.items()}
    return Arm(label=label, set=merged, levels={name: name in on for name in switches})


def _leave_one_out(switches: Switches) -> Iterator[Arm]:
    yield _arm("full", switches, set(switches))
    for name in switches:
        yield _arm(f"without {name}", switches, set(switches) - {name})


def _add_one(switches: Switches) -> Iterator[Arm]:
    yield _arm("base", switches, set())
    for name in switches:
        yield _arm(f"with {name}", switches, {name})


def _factorial(switches: Switches) -> Iterator[Arm]:
    for size in range(len(switches) + 1):
        for on in itertools.combinations(switches, size):
            yield _arm(" + ".join(on) or "base", switches, set(on))


_DESIGNS = {"leave_one_out": _leave_one_out, "add_one": _add_one, "factorial": _factorial}


def _need(holds: bool, said: str) -> None:
    if not holds:
        raise AssayError(said, "See docs/studies.md", code="bad_study")
