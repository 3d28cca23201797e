"""The loss curve: mean losses of windows of steps, kept through resumes, in the seed's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

NAME = "loss_history.npy"  # (k, 2): iteration, mean loss of the window that ends there
SCORES = "val_history.npy"  # (k, 3): iteration, NRMS, SSIM of the maps that choose


class History:
    """Mean losses so far; part of every checkpoint."""

    def __init__(self) -> None:
        self.rows: list[list[float]] = []
        self.scores: list[list[float]] = []  # step, NRMS, SSIM of each validation
        self.step = 0  # the last one made
        self.kept = 0  # the last one validated
        self._sum, self._count = 0.0, 0

    def add(self, step: int, loss: float | None) -> None:
        """Count a step; None is a loss that could not be used."""
        self.step = step
        if loss is not None:
            self._sum, self._count = self._sum + loss, self._count + 1

    def close_window(self) -> dict[str, float]:
        """End the window and give its mean to be logged; one without a usable loss has none."""
        mean = {"loss": self._sum / self._count} if self._count else {}
        self.rows += [[self.step, value] for value in mean.values()]
        self._sum, self._count = 0.0, 0
        return mean

    def state_dict(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return dict(vars(self))

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue where `saved` was."""
        vars(self).update(saved)

    def write(self, folder: Path) -> Path:
        """Leave the curve in the run's folder."""
        np.save(folder / NAME, np.array(self.rows, dtype=np.float64).reshape(-1, 2))
        np.save(folder / SCORES, np.array(self.scores, dtype=np.float64).reshape(-1, 3))
        return folder / NAME


def read(path: Path) -> list[list[float]]:
    """The columns of a curve that training left at a path; empty where there is none."""
    empty = np.zeros((0, 3 if path.name == SCORES else 2))
    curve = np.load(path, allow_pickle=False) if path.exists() else empty
    columns: list[list[float]] = curve.T.tolist()
    return columns
