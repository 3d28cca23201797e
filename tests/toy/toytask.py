"""A torch-free task for tests: fits y = a*x + b by gradient descent, with switches to misbehave."""

from __future__ import annotations

from pathlib import Path

from core.contract import (
    AnyOf,
    Checkpoints,
    Criterion,
    Loss,
    Metric,
    Space,
    Task,
    TaskConfig,
    Variant,
)


class ToyConfig(TaskConfig):
    """Settings of the toy."""

    points: Path | None = None  # a csv of x,y; None: made from the seed
    lr: float = 0.1
    total_steps: int = 20
    noise: float = 0.05
    weight: float = 1.0
    shift: float = 0.0  # added to the measured error: a worse (or better) variant
    step_s: float = 0.0  # time that a step takes
    misbehave: str = ""  # raise | nan | exit | abort | hang | memory | absent | undeclared


task = Task[ToyConfig](
    name="toy",
    title="A line through points",
    version=1,
    config=ToyConfig,
    work="toywork",
    framework="none",
    losses=(Loss(name="l2", weight="weight", formula="mean (ax + b - y)²"),),
    metrics=(
        Metric(name="error", unit="1", direction="min", doc="root mean squared error"),
        Metric(name="score", unit="dB", direction="max", doc="-20 log10 error"),
        Metric(name="gpu_ms", unit="ms", direction="min", doc="never measured here", timing=True),
        Metric(name="nonfinite_steps", unit="steps", direction="min", doc="counted by the run"),
    ),
    primary="error",
    criteria=(
        AnyOf(
            name="better",
            of=(
                Criterion(name="error", metric="error", gain=0.02),
                Criterion(name="score", metric="score", gain=1.0),
            ),
        ),
        Criterion(name="stable", metric="nonfinite_steps", at_most=0),
        Criterion(name="real time", metric="gpu_ms", below=60, needs="cuda"),
    ),
    variants=(
        Variant(name="baseline"),
        Variant(name="quick", set={"lr": 0.3}),
        Variant(name="better", set={"shift": -0.1}),
    ),
    search={"lr": Space(low=0.01, high=0.5, log=True), "shift": Space(choices=(0.0, 0.1))},
    checkpoints=Checkpoints(best_by="error"),
    tiny={"total_steps": 3},
    inputs=lambda cfg: {"points": cfg.points} if cfg.points else {},
    tools={"double": "toywork:double", "count": "toywork:count"},
)
