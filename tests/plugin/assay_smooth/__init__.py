"""An outside task, torch-free: learns how strongly to smooth a noisy signal."""

from __future__ import annotations

from pydantic import Field

from core.contract import Checkpoints, Criterion, Loss, Metric, Space, Task, TaskConfig, Variant


class SmoothConfig(TaskConfig):
    """What a run can be told."""

    noise: float = Field(
        1.0, ge=0, description="Deviation of the noise; a step of the walk has 0.3"
    )
    lr: float = Field(0.05, gt=0, description="Rate of the descent")
    total_steps: int = Field(40, ge=1, description="Steps of the descent")
    weight: float = Field(1.0, ge=0, description="Weight of the squared error")


task = Task[SmoothConfig](
    name="smooth",
    title="Exponential smoothing of a random walk",
    version=1,
    config=SmoothConfig,
    work="assay_smooth.work",
    framework="none",
    losses=(Loss(name="squared", weight="weight", formula="mean (x̂ - x)²"),),
    metrics=(Metric(name="error", unit="1", direction="min", doc="root mean squared error"),),
    primary="error",
    criteria=(Criterion(name="better than raw", metric="error", at_most=0.9),),
    variants=(Variant(name="baseline"), Variant(name="loud", set={"noise": 2.0})),
    search={"lr": Space(low=0.01, high=0.2, log=True)},
    checkpoints=Checkpoints(best_by="error"),
    tiny={"total_steps": 5},
)
