"""A task under test: where its runs go, and what two of them are compared by."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from core import clock
from core.contract import Task
from core.spec import RunSpec
from core.testing import tiny
from core.testing.tiny import Result


class Subject:
    """A task, a folder for its runs, and the seconds that one tiny run may take."""

    def __init__(self, task: Task[Any], folder: Path, seconds: float = 60) -> None:
        self.task, self.folder, self.seconds = task, folder, seconds

    @property
    def work(self) -> ModuleType:
        """The module of the six functions."""
        return importlib.import_module(self.task.work)

    @functools.cached_property
    def whole(self) -> Result:
        """One undisturbed tiny run at seed 0."""
        return self.run("whole")

    def spec(self, what: str, **given: Any) -> RunSpec:
        """A tiny run in a fresh folder; `given` as for `tiny_run`."""
        return tiny.tiny_spec(self.task, self.folder / f"{what}-{clock.ulid()}", **given)

    def run(self, what: str, **given: Any) -> Result:
        """Do such a run."""
        return tiny.tiny_run(self.task, self.folder / f"{what}-{clock.ulid()}", **given)

    def deliver(self, result: Result, out: Path) -> dict[str, list[Path]]:
        """What `infer` and `visualise` say they wrote, from the judged checkpoint."""
        cfg, run = result.config, result.run
        model = self.work.load(cfg, run.judged(), run.device)
        return {
            "infer": self.work.infer(cfg, model, out / "infer", run),
            "visualise": self.work.visualise(
                cfg, model, self.work.data(cfg, run), out / "visualise", run
            ),
        }

    def numbers(self, result: Result) -> dict[str, Any]:
        """All that must not differ between equal runs: durations are left out."""
        timing = {m.name for m in self.task.metrics if m.timing}
        return {
            "metrics": {k: v for k, v in result.metrics.items() if k not in timing},
            "absent": result.absent,
            "logged": {k: v for k, v in result.series.items() if k not in timing},
            "checkpoint": result.last["state"],
        }


def difference(a: Any, b: Any, place: str = "") -> str:
    """Where two nested values first differ in a bit; "" when nowhere. NaN equals NaN."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if set(a) != set(b):
            return f"{place}: {sorted(map(str, a))} and {sorted(map(str, b))}"
        return next(filter(None, (difference(a[k], b[k], f"{place}.{k}") for k in a)), "")
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            return f"{place}: {len(a)} and {len(b)} entries"
        pairs = enumerate(zip(a, b, strict=True))
        return next(filter(None, (difference(x, y, f"{place}[{i}]") for i, (x, y) in pairs)), "")
    if hasattr(a, "dtype") and hasattr(b, "dtype"):  # tensors and arrays
        equal = (a.dtype, a.shape) == (b.dtype, b.shape) and bool(
            ((a == b) | ((a != a) & (b != b))).all()
        )
        return "" if equal else f"{place}: the arrays"
    return "" if a == b or (a != a and b != b) else f"{place}: {a!r} and {b!r}"


def arrays(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The tensors and arrays in a nested value, by their place."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from arrays(item, f"{place}.{key}")
    elif hasattr(value, "dtype"):
        yield place, value
