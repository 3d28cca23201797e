"""How a training step is computed: its arithmetic, its layout, and whether compiling repays."""

from __future__ import annotations

import contextlib
import logging
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from core.contract import Run
from tasks.circuitnet.config import CircuitnetConfig

say = logging.getLogger("circuitnet").warning

Forward = Callable[[Tensor], Tensor]

TIMED = 3  # steps
COMPILE_S = 120.0  # once; 15 to 220 s were measured on shared machines
SAVED = 0.35  # share of an eager step that compiling takes away, the low end of what was measured
LONG_S = 3600.0


def half(cfg: CircuitnetConfig, device: str) -> bool:
    """Whether the forward pass runs in bfloat16."""
    if cfg.amp != "auto":
        return cfg.amp == "bf16"
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported())  # without it bf16 is emulated, and slower


def arithmetic(cfg: CircuitnetConfig, device: str) -> AbstractContextManager[Any]:
    """The context of a forward pass."""
    if not half(cfg, device):
        return contextlib.nullcontext()
    return torch.autocast(device.partition(":")[0], torch.bfloat16)


def placed(x: Tensor, cfg: CircuitnetConfig, device: str) -> Tensor:
    """A batch on the device, in the layout of the config."""
    layout = torch.channels_last if cfg.channels_last else torch.contiguous_format
    return x.to(device).contiguous(memory_format=layout)


class Stepper:
    """Times the first steps, says how long the rest will take, and compiles when that repays."""

    def __init__(self, cfg: CircuitnetConfig, model: nn.Module, run: Run) -> None:
        self.cfg, self.run, self.model = cfg, run, model
        self.forward: Forward = model
        self._times: list[float] = []
        self._began = 0.0
        if cfg.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if cfg.compile == "on":
            self.forward = torch.compile(model, dynamic=False)

    def begin(self) -> None:
        """A step begins."""
        self._began = time.monotonic()

    def end(self, step: int, last: int) -> None:
        """A step ended; after the first few the rest is known."""
        if len(self._times) == TIMED:
            return
        self._times.append(time.monotonic() - self._began)
        if len(self._times) < TIMED:
            return
        each = statistics.median(self._times)
        rest = each * (last - step)
        say(f"{each:.2f} s a step: about {told(rest)} for {last - step} steps")
        if rest > LONG_S and not self.run.device.startswith("cuda"):
            say("long for a CPU: --variant cpu_fast learns in minutes")
        if self.cfg.compile == "auto" and rest * SAVED > COMPILE_S:
            say("compiling: it repays here")
            self.forward = torch.compile(self.model, dynamic=False)


def told(seconds: float) -> str:
    """A duration for people."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
