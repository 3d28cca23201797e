"""A draft of a study: its file or its variant, what was changed of it, and the command for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from core.contract import Task
from core.errors import AssayError
from core.project import Project
from core.tui import fields
from core.tui.fields import Field

MODES = ("off", "auto", "offline", "online")  # of W&B
SINKS = ("wandb", "tensorboard")  # options of the command, not keys of the study


class What(NamedTuple):
    """Something to launch."""

    task: str
    name: str  # of the study file, or of the variant
    kind: str  # of the study; "variant"
    study: Mapping[str, Any]  # keys of the file as they stand
    broken: str = ""

    @property
    def title(self) -> str:
        """The study's name, or `task/variant`."""
        return f"{self.task}/{self.name}" if self.kind == "variant" else self.name


class Draft:
    """One thing to launch, and what was changed of it."""

    def __init__(self, what: What, made: Mapping[str, Field], sinks: Mapping[str, Any]) -> None:
        self.what = what
        self.fields = made  # by key
        self.config: dict[str, Any] = {}  # config keys that were changed
        self.options: dict[str, Any] = {}  # keys of the study, and sinks, that were changed
        self._sinks = sinks  # as the project's registry has them
        self.given = _flat(what.study.get("config") or {})  # config keys of the study file

    def value(self, key: str) -> Any:
        """A config key as it stands."""
        return self.config.get(key, self.given.get(key, self.fields[key].default))

    def refused(self, task: Task[Any], key: str, value: Any) -> str:
        """Why the task refuses this value beside the others; "" when it takes it."""
        others = {k: v for k, v in (self.given | self.config).items() if k in self.fields}
        return fields.refused(task, others | {key: value})

    def runs_with(self) -> dict[str, Any]:
        """What a study of this kind runs with, as it stands."""
        study = {**self.what.study, **self.options}
        search = self.what.kind == "search"
        shown: dict[str, Any] = {}
        if search:
            shown["trials"] = study.get("trials", 20)
        else:
            shown["seeds"] = study.get("seeds", [0])
        shown["workers"] = study.get("workers", 1)
        shown["device"] = study.get("device", "cpu")
        shown["budget"] = study.get("budget") or {}
        if search:
            shown["sampler"] = study.get("sampler", "auto")
            shown["pruner"] = study.get("pruner", "none")
        return shown | {key: self.options.get(key, self._sinks.get(key)) for key in SINKS}

    def command(self) -> list[str]:
        """The words after `assay`."""
        command = ["study", "run"]
        changes = {k: v for k, v in self.options.items() if k not in SINKS}
        if self.what.kind == "variant":
            changes = {
                "task": self.what.task,
                "kind": "seeds",
                "variants": [self.what.name],
            } | changes
        else:
            command.append(self.what.name)
        for key, value in changes.items():
            command += ["-s", f"{key}={fields.written(value)}"]
        for key, value in self.config.items():
            command += ["-o", f"{key}={fields.written(value)}"]
        if "wandb" in self.options:
            command += ["--wandb", self.options["wandb"]]
        if "tensorboard" in self.options:
            command.append("--tensorboard" if self.options["tensorboard"] else "--no-tensorboard")
        return command


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys; maps are opened, and stand for themselves too."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        out[f"{prefix}{name}"] = value
        if isinstance(value, Mapping):
            out |= _flat(value, f"{prefix}{name}.")
    return out


def after(choices: tuple[Any, ...], value: Any) -> Any:
    """The next choice, round and round."""
    at = choices.index(value) if value in choices else -1
    return choices[(at + 1) % len(choices)]


def everything(project: Project) -> dict[str, What]:
    """Study files by task, then each task's variants; what is broken with its reason."""
    found = dict([*_studies(project), *_variants(project)])
    return dict(sorted(found.items(), key=lambda item: (item[1].task, item[1].kind == "variant")))


def _studies(project: Project) -> Iterator[tuple[str, What]]:
    from core.study import file

    for name, path in file.every(project).items():
        try:
            study = file.read(path)
        except AssayError as error:
            yield f"study {name}", What("?", name, "", {}, error.message)
        else:
            given = study.model_dump(mode="json", exclude_unset=True)
            yield f"study {name}", What(study.task, name, study.kind, given)


def _variants(project: Project) -> Iterator[tuple[str, What]]:
    from core import registry

    known = registry.load(project)
    for name in sorted(known.lines):
        try:
            task = known.find(name)
        except AssayError as error:
            yield f"task {name}", What(name, name, "", {}, error.message)
        else:
            for variant in task.variants:
                yield f"{name}/{variant.name}", What(name, variant.name, "variant", {})


def _option(key: str, takes: str, said: str, choices: tuple[Any, ...] = ()) -> Field:
    return Field(key, "choice" if choices else "text", None, takes, said, choices)


SAMPLERS = ("auto", "tpe", "gp", "random", "grid", "nsga2")
OPTIONS = {
    f.key: f
    for f in (
        _option(
            "seeds", "list of integers", "Each seed is a run of every variant; a claim needs three."
        ),
        _option("trials", "integer ≥ 1", "How many trials the search makes."),
        _option("workers", "integer ≥ 1", "Runs at the same time; they share the cores."),
        _option("device", "cpu, cuda or cuda:<n>", "Where the runs compute."),
        _option(
            "budget",
            "{steps: n}, {epochs: n} or {seconds: s}",
            "What training may use; {}: the config decides.",
        ),
        _option(
            "sampler", "a sampler", "Who proposes trials; auto decides by the space.", SAMPLERS
        ),
        _option(
            "pruner",
            "a pruner",
            "Who gives hopeless trials up.",
            ("none", "median", "hyperband"),
        ),
        _option(
            "wandb", "a mode", "Where W&B keeps it; auto: online with a key, else offline.", MODES
        ),
        _option(
            "tensorboard",
            "yes or no",
            "Whether TensorBoard's files are written too.",
            (True, False),
        ),
    )
}
