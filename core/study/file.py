"""A study file: what to run, said once, with strict keys. The format in words: docs/studies.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator

from core import strict_yaml
from core.contract import AnyOf, Budget, Criterion, Space
from core.errors import AssayError, unknown
from core.project import Project
from core.spec import Limits

FOLDER = "studies"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Setting(_Strict):
    """A variant or the `on` side of a switch, written in the study file itself."""

    set: dict[str, Any]


class Confirm(_Strict):
    """Which trials of a search are run again, and on which seeds, before anybody believes them."""

    top: int = Field(1, ge=1)
    seeds: Literal["baseline"] | tuple[int, ...] = "baseline"


class StudyFile(_Strict):
    """The content of `studies/<name>.yaml`. A key that a kind does not use is refused."""

    task: str
    kind: Literal["single", "seeds", "ablation", "grid", "search"]
    about: str = ""
    config: dict[str, Any] = {}
    variants: tuple[str, ...] | dict[str, Setting | None] = ()  # None: the declared one
    switches: dict[str, Setting | tuple[Any, Any]] = {}  # dotted key -> [off, on], name -> {set}
    design: Literal["named", "leave_one_out", "add_one", "factorial"] = "named"
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    reference: str | None = None  # the variant that the others are compared with
    contrasts: dict[str, tuple[str, str]] = {}  # question -> a variant, the one it is held against
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    start_from: str | None = None  # <run> or <study>/<variant>, :best or :last: evaluate only
    budget: Budget = Budget()
    limits: Limits = Limits()
    device: str = "cpu"
    threads: int | None = Field(None, ge=1)  # of a run; None: the cores, shared by the workers
    workers: int = Field(1, ge=1)
    criteria: tuple[SerializeAsAny[AnyOf | Criterion], ...] | None = None  # None: the task's
    search: dict[str, Space] = {}  # {}: the task's
    objectives: tuple[str, ...] = ()  # (): the task's primary metric
    sampler: Literal["auto", "tpe", "gp", "random", "grid", "nsga2"] = "auto"
    pruner: Literal["none", "median", "hyperband"] = "none"
    warmup: int = Field(0, ge=0)  # steps of a trial before the median pruner may end it
    trials: int = Field(20, ge=1)
    timeout: float | None = Field(None, gt=0)  # seconds after which no trial begins
    storage: str | None = Field(None, pattern="^postgresql")  # a URL; None: a file of this clone
    confirm: Confirm | None = None

    @field_validator("seeds", "variants")
    @classmethod
    def _nothing_twice(cls, given: Any) -> Any:
        if len(set(given)) < len(given):
            raise ValueError("an entry stands twice")
        return given


OWN: Mapping[str, set[str]] = {  # keys that not every kind uses
    "single": {"seeds", "start_from"},
    "seeds": {"seeds", "start_from"},
    "ablation": {"seeds", "start_from", "reference", "contrasts", "switches", "design"},
    "grid": {"seeds", "start_from", "reference", "contrasts", "grid"},
    "search": {
        *("search", "objectives", "sampler", "pruner", "warmup"),
        *("trials", "timeout", "storage", "confirm"),
    },
}


def find(project: Project, name: str) -> Path:
    """The file behind a path, or behind the name of a study in `studies/`."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    known = every(project)
    if name not in known:
        raise unknown("study", name, known, where=f"{FOLDER}/")
    return known[name]


def every(project: Project) -> dict[str, Path]:
    """The project's study files by name."""
    return {path.stem: path for path in sorted((project.root / FOLDER).glob("*.yaml"))}


class Named(NamedTuple):
    """A study before it is planned."""

    name: str
    origin: str  # the file, or where else its keys stand
    study: StudyFile


def named(project: Project, name: str, changes: Mapping[str, Any]) -> Named:
    """The study of a file with some of its keys changed; without a file the keys are all of it.

    Args:
        project: Whose studies/ is looked in.
        name: A path, or a name in studies/; "" for none.
        changes: Keys of a study file; a dotted one, such as `budget.steps`, leaves its siblings.

    Raises:
        AssayError: no such file, or see `read`.
    """
    if name:
        path = find(project, name)
        whole = path.resolve()
        inside = whole.is_relative_to(project.root)
        origin = str(whole.relative_to(project.root) if inside else whole)
        return Named(path.stem, origin, read(path, changes))
    if "task" not in changes:
        raise AssayError(
            "no study file, and no task to make a study of",
            "Name a file, or say -s task=<name> -s kind=seeds",
        )
    return Named(str(changes["task"]), "-s", _checked(_changed({}, changes), "-s"))


def read(path: Path, changes: Mapping[str, Any] | None = None) -> StudyFile:
    """The file, checked by itself; what it says of the task is checked by `plan.make`.

    Raises:
        AssayError: an unknown key with the closest known one, a refused value, or a key that the
            kind does not use.
    """
    return _checked(_changed(strict_yaml.read(path), changes or {}), str(path))


def _changed(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        *above, last = key.split(".")
        place = values
        for part in above:
            place[part] = dict(place.get(part) or {})
            place = place[part]
        place[last] = value
    return values


def _checked(values: Mapping[str, Any], path: str) -> StudyFile:
    try:
        study = StudyFile.model_validate(values)
    except ValidationError as error:
        raise _said(error, path) from error
    unused = (study.model_fields_set & set().union(*OWN.values())) - OWN[study.kind]
    if unused:
        raise AssayError(
            f"{path}: a study of kind {study.kind} does not use '{min(unused)}'",
            f"Leave it out; the kind's own keys are {', '.join(sorted(OWN[study.kind]))}",
            code="bad_study",
        )
    return study


def _known(field: str) -> set[str]:
    """Keys of the models that a field holds, alone, in a map, in a list or as alternatives."""
    kinds: list[Any] = [StudyFile.model_fields[field].annotation]
    for kind in kinds:  # grows while it is read
        kinds += get_args(kind)
    models = (k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel))
    return {name for model in models for name in model.model_fields}


def _said(error: ValidationError, where: str) -> AssayError:
    """The first mistake in one line, with the closest known key where a key is wrong."""
    for each in error.errors():
        *path, key = map(str, each["loc"])
        known = _known(path[0]) if path else set(StudyFile.model_fields)
        if each["type"] == "extra_forbidden" and key not in known:
            return unknown("study key", key, known, where=", ".join([where, *path[:1]]))
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    given = "" if first["type"] == "missing" else f" = {first['input']!r}"
    return AssayError(
        f"{where}: {key}{given}: {first['msg']}", "See docs/studies.md", code="bad_study"
    )
