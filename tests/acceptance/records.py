"""Runs and clauses for the tests of acceptance."""

from collections.abc import Sequence
from typing import Any

from core import clock
from core.contract import AnyOf, Criterion, Metric
from core.ledger.record import ClauseResult, RunRecord, Verdict

METRICS = (
    Metric(name="ssim", unit="1", direction="max", doc=""),
    Metric(name="lpips", unit="1", direction="min", doc=""),
    Metric(name="psnr", unit="dB", direction="max", doc=""),
    Metric(name="gpu_ms", unit="ms", direction="min", doc="", timing=True),
    Metric(name="nonfinite_steps", unit="steps", direction="min", doc=""),
)

# Seed 003, section 6.
LIGHTMAP: tuple[Criterion | AnyOf, ...] = (
    AnyOf(
        name="perceptual",
        of=(
            Criterion(name="ssim", metric="ssim", gain=0.02),
            Criterion(name="lpips", metric="lpips", gain=0.02),
        ),
    ),
    Criterion(name="psnr kept", metric="psnr", gain=-0.3),
    Criterion(name="real time", metric="gpu_ms", below=60, needs="cuda"),
    Criterion(name="stable", metric="nonfinite_steps", at_most=0),
)


def run(
    seed: int = 0,
    *,
    declared: Sequence[Metric] = METRICS,
    absent: dict[str, str] | None = None,
    device: str = "cpu",
    **given: Any,
) -> RunRecord:
    """A finished run; keywords are metrics, or fields of the record."""
    metrics = {
        m.name: m.model_dump(include={"unit", "direction", "split", "timing"})
        | {"value": given.pop(m.name)}
        for m in declared
        if m.name in given
    }
    fields = {k: given.pop(k) for k in list(given) if k in RunRecord.model_fields}
    fields.setdefault("metrics", metrics)
    assert not given, f"no metric or field {sorted(given)}"
    return RunRecord.model_validate(
        {
            "run": clock.ulid(),
            "task": "lightmap",
            "task_version": 1,
            "variant": "hybrid",
            "kind": "run",
            "study": None,
            "trial": None,
            "parent": None,
            "attempt": 1,
            "seed": seed,
            "group": "g",
            "comparable": "c",
            "status": "finished",
            "config": {},
            "config_digest": "",
            "overrides": {},
            "absent": absent or {},
            "budget": {"kind": "steps", "limit": 100},
            "timing": dict.fromkeys(("created", "started"), "2026-11-21T09:00:00.000000Z"),
            "resources": {"device": device, "threads": 1},
            "git": None,
            "env": {"digest": "", "python": "", "torch": None, "cuda": None, "os": ""},
            "data": [{"name": "train", "digest": "d" * 16, "files": 1, "bytes": 1}],
            "protected": {"evaluator_digest": "e" * 16},
        }
        | fields
    )


def runs(metric: str, values: Sequence[float], **given: Any) -> list[RunRecord]:
    """One run a value, seeds 0, 1, 2, ..."""
    return [run(seed, **(given | {metric: value})) for seed, value in enumerate(values)]


def clause(verdict: Verdict, name: str) -> ClauseResult:
    """The clause of this name."""
    return next(c for c in verdict.clauses if c.name == name)
