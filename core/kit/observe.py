"""Ranges of activations for static quantisation, found by watching calibration data go by."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from core.errors import AssayError
from core.kit.quant import Format, fake_range

How = Literal["minmax", "average", "p99.9", "p99.99", "mse", "kl"]

BINS = 4096  # over [-reach, reach]; even, so that reach can double by merging pairs
KEEP = 0.9  # of the moving average, as torch.ao's MovingAverageMinMaxObserver takes 0.99 a batch
SHARES = [i / 64 for i in range(4, 65)]  # of the largest magnitude, where mse and kl try to cut


class Observer:
    """What one tensor's values were: extremes, their moving average, and a histogram.

    The histogram is most of the work, and kept only where the way to choose a range needs it.
    """

    def __init__(self, how: How = "minmax") -> None:
        self.how = how
        self.low = self.high = 0.0
        self.averages: tuple[float, float] | None = None
        self.counts = torch.zeros(BINS, dtype=torch.float64)
        self.reach = 0.0

    @torch.no_grad()
    def see(self, x: Tensor) -> None:
        """Take in a batch."""
        low, high = float(x.min()), float(x.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        old = self.averages or (low, high)
        self.averages = (KEEP * old[0] + (1 - KEEP) * low, KEEP * old[1] + (1 - KEEP) * high)
        if self.how in ("minmax", "average"):
            return
        self._widen(max(-low, high))
        if self.reach:
            flat = x.detach().float().cpu().flatten()
            self.counts += torch.histc(flat, BINS, -self.reach, self.reach).double()

    def _widen(self, needed: float) -> None:
        self.reach = self.reach or needed
        while self.reach < needed:
            pairs = self.counts.view(-1, 2).sum(1)  # BINS/2, the middle half of the wider range
            self.counts = torch.nn.functional.pad(pairs, (BINS // 4, BINS // 4))
            self.reach *= 2

    def range(self, fmt: Format) -> tuple[float, float]:
        """The range that a quantiser of this format should cover.

        minmax: all that was seen. average: moving average of the batches' extremes. p99.9: the
        middle 99.9 % of the values. mse: cut off where the squared error is least (Banner et al.
        2019, by search). kl: cut off where the least information is lost (TensorRT's entropy
        calibration).

        Raises:
            AssayError: nothing was seen.
        """
        how = self.how
        if self.averages is None:
            raise AssayError("no calibration data was seen", "Give at least one calibration map")
        if how == "average":
            return self.averages
        if how == "minmax" or not self.reach:
            return self.low, self.high
        if how.startswith("p"):
            return self._percentile(float(how[1:]) / 100)
        error = self._squared if how == "mse" else self._information
        return self._cut(min(SHARES, key=lambda share: error(fmt, share)))

    def _cut(self, share: float) -> tuple[float, float]:
        limit = share * max(-self.low, self.high)
        return max(self.low, -limit), min(self.high, limit)

    @property
    def _centres(self) -> Tensor:
        return (torch.arange(BINS, dtype=torch.float64) + 0.5) / BINS * 2 * self.reach - self.reach

    def _percentile(self, inside: float) -> tuple[float, float]:
        share = self.counts.cumsum(0) / self.counts.sum()
        tail = (1 - inside) / 2
        low = int((share < tail).sum())
        high = int((share < 1 - tail).sum())
        width = 2 * self.reach / BINS
        return (
            max(self.low, low * width - self.reach),
            min(self.high, (high + 1) * width - self.reach),
        )

    def _quantised(self, fmt: Format, share: float) -> Tensor:
        low, high = (torch.tensor(v, dtype=torch.float64) for v in self._cut(share))
        return fake_range(self._centres, fmt, low, high)

    def _squared(self, fmt: Format, share: float) -> float:
        return float((self.counts * (self._centres - self._quantised(fmt, share)).square()).sum())

    def _information(self, fmt: Format, share: float) -> float:
        """KL divergence of the values cut to the range from what its levels can tell of them.

        Values cut off are lost to the reference's mass at the edges, but not to the candidate's.
        """
        low, high = self._cut(share)
        inside = (self._centres >= low) & (self._centres <= high)
        kept = torch.where(inside, self.counts, 0.0)
        if not kept.any():
            return float("inf")
        ends = inside.nonzero().flatten()
        whole = kept.clone()
        whole[ends[0]] += self.counts[: ends[0]].sum()
        whole[ends[-1]] += self.counts[ends[-1] + 1 :].sum()
        _, level = self._quantised(fmt, share).unique(return_inverse=True)
        seen = (whole > 0).double()
        mass, cells = (
            torch.zeros(BINS, dtype=torch.float64).scatter_add_(0, level, v) for v in (kept, seen)
        )
        spread = torch.where(seen > 0, mass[level] / cells[level].clamp(min=1), 0.0)
        p, q = whole / whole.sum(), spread / spread.sum()
        held = (p > 0) & (q > 0)
        lost = p[(p > 0) & (q == 0)].sum()
        return float((p[held] * (p[held] / q[held]).log()).sum()) + (
            float("inf") if lost > 0 else 0.0
        )
