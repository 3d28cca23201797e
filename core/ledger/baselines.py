"""The yardsticks: `ledger/baselines.yaml`, which names the runs that others are judged against.

    lightmap:
      baseline:
        by: human
        note: five seeds after the encoder fix
        runs: [01KAS..., 01KAT...]
        set: '2026-11-21T09:14:03.123456Z'

It is read from the work tree alone, so that changing a yardstick is a diff that somebody reviews.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import clock, locks
from core.errors import AssayError, unknown
from core.ledger import disk
from core.project import Project

DEFAULT = "baseline"


@dataclass(frozen=True)
class Yardstick:
    """Runs that others are compared with."""

    runs: tuple[str, ...]  # ids; they differ by seed
    set: str  # when, a UTC stamp
    by: str  # human, agent, CI
    note: str = ""


def file(project: Project) -> Path:
    """Where the yardsticks are written."""
    return project.ledger / "baselines.yaml"


def load(project: Project) -> dict[str, dict[str, Yardstick]]:
    """All yardsticks: task -> name -> runs. Empty when none was ever set.

    Raises:
        AssayError: the file is not as it should be, with the entry at fault.
    """
    path = file(project)
    if not path.exists():
        return {}
    from core import strict_yaml

    return {
        str(task): {
            str(name): _entry(path, f"{task}.{name}", entry)
            for name, entry in _map(path, task, named).items()
        }
        for task, named in strict_yaml.read(path).items()
    }


def get(project: Project, task: str, name: str = DEFAULT) -> Yardstick:
    """One yardstick.

    Raises:
        AssayError: there is none of this name.
    """
    named = load(project).get(task, {})
    if name not in named:
        raise unknown("baseline", name, named, where=f"{file(project)}, task {task}")
    return named[name]


def put(
    project: Project,
    task: str,
    runs: Sequence[str],
    *,
    by: str,
    name: str = DEFAULT,
    note: str = "",
) -> Yardstick:
    """Set or replace a yardstick."""
    if not runs:
        raise AssayError(f"baseline '{name}' of {task} needs at least one run", "Name its runs")
    new = Yardstick(tuple(runs), clock.stamp(), by, note)
    with disk.writing(file(project)), locks.exclusive(project.store / "locks" / "baselines"):
        whole = load(project)
        whole.setdefault(task, {})[name] = new
        _write(project, whole)
    return new


def remove(project: Project, task: str, name: str = DEFAULT) -> Yardstick:
    """Take a yardstick away and give what it was.

    Raises:
        AssayError: there is none of this name.
    """
    old = get(project, task, name)
    with disk.writing(file(project)), locks.exclusive(project.store / "locks" / "baselines"):
        whole = load(project)
        whole.get(task, {}).pop(name, None)
        _write(project, whole)
    return old


def _write(project: Project, whole: dict[str, dict[str, Yardstick]]) -> None:
    import yaml

    plain = {
        task: {name: asdict(one) | {"runs": list(one.runs)} for name, one in named.items()}
        for task, named in whole.items()
        if named
    }
    text = yaml.safe_dump(plain, sort_keys=True, allow_unicode=True) if plain else ""
    disk.replace(file(project), text.encode())


def _map(path: Path, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad(path, key, "is not a mapping")
    return value


def _entry(path: Path, key: str, value: Any) -> Yardstick:
    given = {"note": "", **_map(path, key, value)}
    names = {"runs", "set", "by", "note"}
    if given.keys() != names:
        raise _bad(path, key, f"has the keys {', '.join(sorted(given))}")
    runs = given.pop("runs")
    if not isinstance(runs, list) or not runs or not all(isinstance(r, str) for r in runs):
        raise _bad(path, f"{key}.runs", "is not a list of run ids")
    return Yardstick(tuple(runs), **{k: str(v) for k, v in given.items()})


def _bad(path: Path, key: str, what: str) -> AssayError:
    return AssayError(
        f"{path}: {key} {what}",
        "Write task: {name: {runs: [ids], set: when, by: who, note: text}}",
        code="bad_baselines",
    )
