"""How training went: the mean loss of every epoch and the learning rate, kept through resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.contract import Absent

NAME = "history.json"  # in the run's folder, so that evaluation can read it


class History:
    """Mean losses of the epochs so far; part of every checkpoint."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self.latest: float | None = None  # of the last epoch; None: it had no usable loss
        self.rates: list[float] = []  # of the first step and of the last
        self.step = 0  # the last one made
        self.kept = 0  # the last one validated
        self.scores: list[tuple[float, float, float]] = []  # epoch, PSNR, SSIM of each validation
        self.best: float | None = None  # of what chooses the checkpoint
        self.best_at = 0  # its step
        self._sum, self._count = 0.0, 0

    def add(self, step: int, rate: float, loss: float | None) -> None:
        """Count a step; None is a loss that could not be used."""
        self.step, self.rates = step, [*self.rates[:1], rate]
        if loss is not None:
            self._sum, self._count = self._sum + loss, self._count + 1

    def judge(self, value: float, epoch: float, psnr: float, ssim: float) -> None:
        """Note how good the network of this step is; `value` is what chooses the checkpoint."""
        self.scores.append((epoch, psnr, ssim))
        if self.best is None or value > self.best:
            self.best, self.best_at = value, self.step

    def close_epoch(self) -> dict[str, float]:
        """End the epoch and give its mean to be logged; one without a usable loss has none."""
        mean = {"loss/epoch": self._sum / self._count} if self._count else {}
        self.epochs += mean.values()
        self.latest = mean.get("loss/epoch")
        self._sum, self._count = 0.0, 0
        return mean

    def state_dict(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return dict(vars(self))

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue where `saved` was."""
        vars(self).update(saved)

    def write(self, folder: Path) -> None:
        """Leave it in the run's folder."""
        (folder / NAME).write_text(json.dumps(self.state_dict()))

    def metrics(self, nonfinite: int) -> dict[str, float | Absent]:
        """How training went. A broken-off epoch counts only when there is no whole one."""
        if not self.step:
            untrained = Absent(reason="nothing was trained in this run")
            return dict.fromkeys(("nonfinite_steps", "loss_rise", "lr_left"), untrained)
        epochs = self.epochs or ([self._sum / self._count] if self._count else [])
        unusable = Absent(reason="no step had a usable loss")
        return {
            "nonfinite_steps": float(nonfinite),
            "loss_rise": epochs[-1] / min(epochs) if epochs else unusable,
            "lr_left": self.rates[-1] / self.rates[0],
        }


def read(folder: Path) -> History:
    """The history that training left; an empty one where nothing was trained."""
    history = History()
    if (folder / NAME).exists():
        history.load_state_dict(json.loads((folder / NAME).read_text()))
    return history
