"""What a task declares and what it is handed: the whole plug-in surface, torch-free.

A task is a value (`Task`: facts only) that names a module of six functions (`Work`). A run touches
the world only through the `Run` handle. How to add one: docs/contract.md.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, model_validator

from core.errors import AssayError, unknown

if typing.TYPE_CHECKING:
    import numpy as np


class TaskConfig(BaseModel):
    """Base of every task's config: frozen, and a key that does not exist is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def site(default: Any, **kwargs: Any) -> Any:
    """A config field that cannot change a number (loader threads, output folders).

    It stays out of the config digest, as do all fields of type `Path`: data digests stand in.
    """
    return Field(default, json_schema_extra={"assay": "site"}, **kwargs)


def protocol(default: Any, **kwargs: Any) -> Any:
    """A config field that decides what is measured: runs that differ in it are not compared."""
    return Field(default, json_schema_extra={"assay": "protocol"}, **kwargs)


class _Value(BaseModel):
    """A declared fact: frozen, strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Model(_Value):
    """A network of the task, for people and tools: its name and the function that makes it."""

    name: str
    make: str = Field(pattern=r"^[\w.]+:\w+$")  # "module:function"
    doc: str


class Loss(_Value):
    """One term of the training loss."""

    name: str
    weight: str  # the config field that holds the term's weight
    when: str | None = None  # the config field or property that switches it on; None: always
    formula: str
    source: str = ""


class Metric(_Value):
    """One number that `evaluate` measures."""

    name: str = Field(pattern=r"^[A-Za-z_]\w*$")  # a column of `assay ls -w`
    unit: str  # "1" for a plain ratio
    direction: Literal["max", "min"]
    doc: str
    split: str = "val"  # the data it is measured on
    timing: bool = False  # a duration: exempt from equality and from reuse


class Absent(_Value):
    """A metric that was not measured, and why. Never 0, never NaN."""

    reason: str


class Criterion(_Value):
    """One clause of acceptance: exactly one of at_least, at_most, below, gain, ratio.

    `gain` is signed improvement over the reference in the metric's own direction (a PSNR gain of
    -0.3 may lose 0.3 dB, an LPIPS gain of 0.02 is 0.02 lower). `ratio` is the same improvement as
    a share of the reference's magnitude. Bounds are inclusive but for `below`.
    """

    name: str
    metric: str
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    gain: float | None = None
    ratio: float | None = None
    against: str = "baseline"  # the yardstick's name in ledger/baselines.yaml
    needs: Literal["any", "cuda"] = "any"  # on another device the clause is not measured

    @model_validator(mode="after")
    def _one_rule(self) -> Criterion:
        given = [k for k in RULES if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"criterion '{self.name}' needs exactly one of {RULES}, got {given}")
        if not math.isfinite(self.threshold):
            raise ValueError(f"criterion '{self.name}': {self.rule} must be finite")
        return self

    @property
    def rule(self) -> str:
        """Which of the five rules this clause states."""
        return next(k for k in RULES if getattr(self, k) is not None)

    @property
    def threshold(self) -> float:
        """The number beside the rule."""
        return float(getattr(self, self.rule))

    @property
    def relative(self) -> bool:
        """Whether the clause needs a reference."""
        return self.rule in ("gain", "ratio")


RULES = ("at_least", "at_most", "below", "gain", "ratio")


class AnyOf(_Value):
    """A clause that holds when one of its members holds."""

    name: str
    of: tuple[Criterion, ...] = Field(min_length=2)


class Variant(_Value):
    """A named set of overrides: a row of an ablation."""

    name: str
    set: Mapping[str, Any] = {}
    why: str = ""


class Space(_Value):
    """The values that a search may give one config field: a range, or choices."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    step: float | int | None = None
    choices: tuple[Any, ...] = ()

    @model_validator(mode="after")
    def _range_or_choices(self) -> Space:
        if bool(self.choices) == (self.low is not None and self.high is not None):
            raise ValueError("a search space is either low and high, or choices")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.log and (self.step is not None or (self.low is not None and self.low <= 0)):
            raise ValueError("a log range starts above 0 and has no step")
        return self


class Checkpoints(_Value):
    """Which checkpoint is judged: the best by a metric that training passes to `run.checkpoint`."""

    best_by: str
    keep: Literal["all", "best"] = "best"  # all: step-<n>.ckpt files stay beside best and last


class Published(_Value):
    """A figure from a paper or a report: shown beside ours, never judged, never ours."""

    name: str
    metrics: Mapping[str, float] = Field(min_length=1)  # of the task's metrics
    source: str  # who measured it, and on which data


class Budget(_Value):
    """What training may use; None is no limit. The clock starts at `run.training_started()`."""

    seconds: float | None = Field(None, gt=0)
    steps: int | None = Field(None, gt=0)
    epochs: int | None = Field(None, gt=0)

    @property
    def kind(self) -> str:
        """`seconds`, `steps`, `epochs`, or `config` when the config alone decides."""
        return next((k for k in ("seconds", "steps", "epochs") if getattr(self, k)), "config")


C = TypeVar("C", bound=TaskConfig)


def no_inputs(_cfg: Any) -> Mapping[str, Path]:
    """Inputs of a task that makes its own data."""
    return {}


class Task(_Value, Generic[C]):
    """The data sheet of a task: facts, no torch. `work` is imported when a run starts."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    version: int = Field(ge=1)  # goes up when numbers stop being comparable
    config: type[C]
    work: str  # module with the six functions of `Work`
    metrics: tuple[Metric, ...]
    primary: str
    models: tuple[Model, ...] = ()
    losses: tuple[Loss, ...] = ()
    criteria: tuple[SerializeAsAny[Criterion | AnyOf], ...] = ()
    variants: tuple[Variant, ...] = (Variant(name="baseline", why="the defaults"),)
    published: tuple[Published, ...] = ()  # figures of others, beside every study's table
    search: Mapping[str, Space] = {}
    checkpoints: Checkpoints
    tiny: Mapping[str, Any] = {}  # overrides that finish in seconds on two CPU cores
    paired_seeds: bool = True  # a seed means the same luck in both sides of a comparison
    framework: Literal["torch", "none"] = (
        "torch"  # "none": torch is never imported, checkpoints are JSON
    )
    preload: tuple[str, ...] = ()  # slow imports (packages, not the task's own) done once a study
    inputs: Callable[[C], Mapping[str, Path]] = no_inputs  # torch-free; digested before the start
    tools: Mapping[str, str] = {}  # "batch_infer" -> "tasks.lightmap.tools:batch_infer"
    evaluator: tuple[str, ...] = ()  # modules whose bytes decide a number; default: the work module

    @model_validator(mode="after")
    def _names_exist(self) -> Task[C]:
        metrics = {m.name for m in self.metrics}
        for what, name in [
            ("primary", self.primary),
            ("checkpoints.best_by", self.checkpoints.best_by),
        ]:
            if name not in metrics:
                raise unknown("metric", name, metrics, where=f"task {self.name}, {what}")
        for clause in clauses(self.criteria):
            if clause.metric not in metrics:
                raise unknown(
                    "metric", clause.metric, metrics, where=f"task {self.name}, {clause.name}"
                )
        for figure in self.published:
            for name in figure.metrics:
                if name not in metrics:
                    raise unknown("metric", name, metrics, where=f"published {figure.name}")
        fields = set(self.config.model_fields)
        for loss in self.losses:
            derived = isinstance(getattr(self.config, loss.when or "", None), property)
            for key in filter(None, (loss.weight, None if derived else loss.when)):
                if key not in fields:
                    raise unknown(
                        "config key", key, fields, where=f"task {self.name}, loss {loss.name}"
                    )
        for key in self.search:
            if key.split(".")[0] not in fields:
                raise unknown("config key", key, fields, where=f"task {self.name}, search")
        for kind, items in [
            ("metric", self.metrics),
            ("variant", self.variants),
            ("loss", self.losses),
            ("published figure", self.published),
        ]:
            names = [i.name for i in items]  # type: ignore[attr-defined]
            if len(set(names)) != len(names):
                raise AssayError(f"task {self.name} declares a {kind} twice: {', '.join(names)}")
        return self

    def metric(self, name: str) -> Metric:
        """The declared metric of this name."""
        for m in self.metrics:
            if m.name == name:
                return m
        raise unknown("metric", name, (m.name for m in self.metrics), where=f"task {self.name}")

    def variant(self, name: str) -> Variant:
        """The declared variant of this name."""
        for v in self.variants:
            if v.name == name:
                return v
        raise unknown("variant", name, (v.name for v in self.variants), where=f"task {self.name}")

    def weights(self, cfg: C) -> dict[str, float]:
        """The effective weight of every declared loss under this config: 0 when switched off."""
        return {
            loss.name: float(getattr(cfg, loss.weight))
            if loss.when is None or getattr(cfg, loss.when)
            else 0.0
            for loss in self.losses
        }


def clauses(criteria: tuple[Criterion | AnyOf, ...]) -> list[Criterion]:
    """All clauses, those inside AnyOf too."""
    return [c for one in criteria for c in (one.of if isinstance(one, AnyOf) else (one,))]


class Stop(Exception):
    """Base of the ways a run ends early on purpose. A task lets them pass."""


class Cancelled(Stop):
    """Someone asked the run to stop: no evaluation follows."""


class Pruned(Stop):
    """The search gave this trial up."""


class Diverged(Stop):
    """Three non-finite losses in a row."""


@runtime_checkable
class Run(Protocol):
    """All that a task may touch of the world outside."""

    id: str
    dir: Path  # everything the run writes lies below
    device: str  # "cpu" or "cuda"
    seed: int
    threads: int
    budget: Budget
    weights: Mapping[str, float]  # loss name -> effective weight
    nonfinite_steps: int  # steps whose loss was NaN or infinite, so far

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Record scalars of one step. About 5 us; never waits for a disk."""

    def image(self, name: str, picture: np.ndarray | Path, step: int = 0) -> Path:
        """Keep a picture: uint8 H W 3 or H W, or a file that lies in `dir`."""

    def checkpoint(
        self, state: Mapping[str, Any], step: int, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Save last.ckpt, and best.ckpt when `metrics[best_by]` is the best so far.

        `state` maps names to objects with a `state_dict`, tensors, or plain JSON values.
        """

    def resume(self) -> Mapping[str, Any] | None:
        """What the last checkpoint of this run holds, if it was interrupted; `step` is in it."""

    def report(self, value: float, step: int) -> None:
        """Tell a search how it goes. Raises Pruned when told to stop."""

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Say how far the work is; the supervisor draws the bar and the ETA.

        With a note it is other work than steps of training, and `note` says what is counted.
        """

    def training_started(self) -> None:
        """The budget counts from here: call it when set-up is over."""

    @property
    def used_s(self) -> float:
        """Training seconds so far, over all attempts: what `budget.seconds` limits."""

    def out_of_budget(self, step: int) -> bool:
        """Whether training must end before `step` (then evaluate). Raises Cancelled on cancel."""

    def quiet(self) -> AbstractContextManager[None]:
        """Hold while a duration is measured: no other timing runs at the same moment."""

    def loss_seen(self, finite: bool, step: int) -> None:
        """Count non-finite losses. Raises Diverged at three in a row."""


Cfg = TypeVar("Cfg", bound=TaskConfig, contravariant=True)
Data = TypeVar("Data")
M = TypeVar("M")


class Work(Protocol[Cfg, Data, M]):
    """The six functions. A plain module satisfies it; a task's `conform.py` proves it to mypy."""

    def data(self, cfg: Cfg, run: Run) -> Data:
        """Open, check, cache. Downloads nothing."""

    def train(self, cfg: Cfg, data: Data, run: Run) -> M:
        """Train and pass checkpoints to `run.checkpoint`."""

    def load(self, cfg: Cfg, checkpoint: Path, device: str) -> M:
        """The model of a checkpoint, weights only."""

    def evaluate(self, cfg: Cfg, model: M, data: Data, run: Run) -> dict[str, float | Absent]:
        """Every declared metric, as a number or as Absent with its reason."""

    def infer(self, cfg: Cfg, model: M, out: Path, run: Run) -> list[Path]:
        """Write predictions below `out`; what to predict comes from the config."""

    def visualise(self, cfg: Cfg, model: M, data: Data, out: Path, run: Run) -> list[Path]:
        """Write pictures for people below `out`."""
