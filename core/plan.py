"""From what somebody asked for to a `RunSpec`: everything is checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core import clock, config, registry
from core.config import Layer
from core.contract import Budget, Variant
from core.errors import AssayError
from core.ledger.record import RunRecord
from core.project import Project
from core.spec import Kind, Limits, RunSpec


def prepare(
    project: Project,
    task_name: str,
    *,
    variant: str | Variant | None = None,
    layers: Sequence[Layer] = (),
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
    budget: Budget | None = None,
    limits: Limits | None = None,
    device: str = "cpu",
    threads: int | None = None,
    start_from: Path | None = None,
    start_group: str = "",
    kind: Kind = "run",
    study: str | None = None,
    trial: int | None = None,
    parent: str | None = None,
) -> RunSpec:
    """A run, decided and validated.

    Layers apply in this order: the task's defaults, the checkout's registry line, `layers` (a study
    file's config, the tiny config), the variant, `overrides` (`-o`). A `Variant` that the task does
    not declare is a study's own, or the label of a config that `layers` hold already.

    Raises:
        AssayError: an unknown task, variant or key, a refused value, or a device that is not there.
    """
    tasks = registry.load(project)
    task, line = tasks.find(task_name), tasks.line(task_name)
    chosen = variant or task.variants[0]
    if isinstance(chosen, str):
        chosen = task.variant(chosen)
    site = Layer("registry.yaml", line.defaults)
    _site_only(task.config, site)
    stack = [site, *layers, Layer(f"variant {chosen.name}", chosen.set)]
    resolved = config.resolve(task, [*stack, Layer("-o", overrides or {})])
    check_device(device)
    run = clock.ulid()
    return RunSpec(
        run=run,
        task=task_name,
        use=line.use,
        variant=chosen.name,
        kind=kind,
        study=study,
        trial=trial,
        parent=parent,
        seed=seed,
        config=resolved.config.model_dump(mode="json"),
        overrides=resolved.overrides,
        origins=resolved.origins,
        budget=budget or Budget(),
        limits=limits or Limits(),
        device=device,
        threads=default_threads() if threads is None else threads,
        start_from=str(start_from) if start_from else None,
        start_group=start_group,
        dir=project.run_dir(run),
        root=project.root,
        locks=project.store / "locks",
    )


def like(record: RunRecord) -> dict[str, Any]:
    """Arguments of `prepare` for the config of a recorded run, under its variant's name."""
    layer = Layer(f"run {record.run}", record.config)
    return {"layers": [layer], "variant": Variant(name=record.variant)}


def _site_only(model: Any, layer: Layer) -> None:
    """Refuse a registry line that could change a number."""
    deciding = set(config.leaves(model)) - config.site_keys(model)
    for key, _ in config.flatten(layer.values, config.leaves(model)):
        if key in deciding:
            raise AssayError(
                f"registry.yaml sets '{key}', which can change a number",
                "Defaults there are for paths and site settings; use a study or -o",
                code="broken_registry",
            )


def default_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_device(device: str) -> None:
    """Refuse a device that this machine has not; torch is asked only about CUDA."""
    kind, _, index = device.partition(":")
    if device == "cpu":
        return
    if kind != "cuda" or (index and not index.isdigit()):
        raise AssayError(f"no device '{device}'", "Known: cpu, cuda, cuda:<n>", code="no_device")
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # asks the driver, makes no context
    import torch

    if int(index or 0) >= torch.cuda.device_count():
        raise AssayError(
            f"device '{device}' was asked for, but torch {torch.__version__} sees "
            f"{torch.cuda.device_count()} CUDA devices here",
            "Use --device cpu, or see `assay doctor`",
            code="no_device",
        )
