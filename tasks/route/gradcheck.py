"""Is the gradient right? The adjoint against central differences, in float64, for a whole pipeline.

Probability to cost to times to gated distance to loss; differentiated with regard to probability
cells, alpha, gamma and the gate. No step size suits every cell (too large: other paths win; too
small: rounding, which drowns slopes of a millionth of the largest), so differences of six steps
are extrapolated to step 0 and the entry that its neighbours repeat best is taken (Ridders 1982).

Where two ways take equally long T has a kink, and its slopes to the left and to the right differ.
Every value between them is right there: such a cell is held to that, and the table counts them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from core.errors import AssayError, Exit
from tasks.route.cost import Cost
from tasks.route.eikonal import Options, distances
from tasks.route.losses import Gate, LossOptions, compare, mix

LIMIT = 1e-4
STEPS = tuple(4e-3 / 2**i for i in range(6))
KINK = 1e-3  # of the slope: one-sided slopes that far apart are no rounding


class Row(NamedTuple):
    """One derivative, by both ways."""

    name: str  # "p[y, x]", "alpha", "gamma", "gate"
    adjoint: float
    numeric: float  # at a kink the nearest value between the one-sided slopes
    error: float  # |difference| relative to the larger, or to 1e-6 of the largest of its kind
    kink: bool


@dataclass(frozen=True)
class Report:
    """All rows, and whether the worst stays below the limit."""

    rows: tuple[Row, ...]
    limit: float = LIMIT

    @property
    def worst(self) -> Row:
        """The row with the greatest error."""
        return max(self.rows, key=lambda row: row.error)

    @property
    def ok(self) -> bool:
        """Whether every derivative agrees."""
        return self.worst.error <= self.limit

    def table(self, most: int = 12) -> str:
        """The parameters and the worst cells, and how many were checked."""
        cells = sorted((r for r in self.rows if r.name.startswith("p[")), key=lambda r: -r.error)
        shown = [r for r in self.rows if not r.name.startswith("p[")] + cells[:most]
        lines = [f"{'':14} {'adjoint':>14} {'differences':>14} {'error':>9}"]
        lines += [f"{r.name:14} {r.adjoint:14.6e} {r.numeric:14.6e} {r.error:9.1e}" for r in shown]
        moved = sum(r.adjoint != 0 for r in cells)
        kinks = sum(r.kink for r in self.rows)
        lines.append(
            f"{len(cells)} cells, {moved} of them with a gradient, {kinks} at a kink; worst "
            f"{self.worst.name} {self.worst.error:.1e}, limit {self.limit:g}: "
            f"{'ok' if self.ok else 'FAILS'}"
        )
        return "\n".join(lines)

    def demand(self) -> None:
        """Raise AssayError when a derivative is wrong."""
        if not self.ok:
            raise AssayError(
                f"the gradient of {self.worst.name} is off by {self.worst.error:.1e}, "
                f"limit {self.limit:g}",
                "Print the table; a cost that learns by clamp has kinks at the ends of its range",
                code="gradcheck",
                exit_code=Exit.BUG,  # no input is at fault
            )


def check(
    prob: Float[Tensor, "1 H W"],
    src: Int[Tensor, "1 S 2"],
    tgt: Int[Tensor, "1 K 2"],
    straight: Float[Tensor, "1 K"],
    gt: Float[Tensor, "1 K"],
    cost: Cost,
    gate: Gate,
    options: Options,
    loss: LossOptions,
    *,
    cells: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Compare for `cells` random cells (three quarters of them in the routes' cone) and parameters.

    The modules are used in float64; they and prob come back as they were.
    """
    prob = prob.detach().double().clone().requires_grad_()
    parameters = {n: p for n, p in _named(cost, gate).items() if p.requires_grad}

    def total() -> Tensor:
        at = distances(cost(prob), src, tgt, options).at
        pred = mix(at, straight, gate())
        return compare(pred, gt.double(), at.detach() < torch.inf, loss).loss

    grads = torch.autograd.grad(total(), [prob, *parameters.values()])
    rows = [
        _row(name, g.item(), _slope(total, p, ()), abs(g.item()))
        for (name, p), g in zip(parameters.items(), grads[1:], strict=True)
    ]
    largest = float(grads[0].abs().max())
    chosen = _choose(grads[0][0], prob.detach()[0], cost.options.eps, cells, seed)
    for done, (y, x) in enumerate(chosen, 1):
        found = _slope(total, prob, (0, y, x))
        rows.append(_row(f"p[{y}, {x}]", grads[0][0, y, x].item(), found, largest))
        progress(done, len(chosen))
    return Report(tuple(rows))


def _named(cost: Cost, gate: Gate) -> dict[str, torch.nn.Parameter]:
    named = {n.removesuffix(".raw"): p for n, p in cost.named_parameters() if n.endswith(".raw")}
    return named | {"gate": gate.raw}


def _choose(grad: Tensor, prob: Tensor, eps: float, cells: int, seed: int) -> list[tuple[int, int]]:
    """Cells off the ends of the range, three quarters with a gradient if there are so many."""
    rng = np.random.default_rng(seed)
    inside = (prob > eps + 2 * STEPS[0]) & (prob < 1 - eps - 2 * STEPS[0])
    cone = np.argwhere(((grad != 0) & inside).numpy())
    rest = np.argwhere(((grad == 0) & inside).numpy())
    there = len(cone) + len(rest)
    if there < cells:
        raise AssayError(
            f"only {there} cells have a probability between the ends, {cells} asked",
            "Take a larger map, fewer cells, or a mask that is not certain (mask_noise=0.5)",
        )
    n = min(len(cone), max(cells - len(rest), round(0.75 * cells)))
    picked = [*rng.permutation(cone)[:n], *rng.permutation(rest)[: cells - n]]
    return [(int(y), int(x)) for y, x in picked]


class Slope(NamedTuple):
    """A derivative by differences: both-sided, and to either side."""

    central: float
    left: float
    right: float


def _row(name: str, adjoint: float, found: Slope, largest: float) -> Row:
    numeric = found.central
    low, high = sorted((found.left, found.right))
    scale = max(abs(adjoint), abs(low), abs(high), 1e-6 * largest)
    kink = high - low > KINK * scale
    if kink:
        numeric = min(max(adjoint, low), high)
    else:
        scale = max(abs(adjoint), abs(numeric), 1e-6 * largest)
    return Row(name, adjoint, numeric, abs(adjoint - numeric) / scale if scale else 0.0, kink)


@torch.no_grad()
def _slope(total: Callable[[], Tensor], at: Tensor, place: tuple[int, ...]) -> Slope:
    """Differences of all steps, extrapolated: a central one errs by h^2, a one-sided one by h."""
    was, here = at[place].item(), total().item()
    left, right = [], []
    for step in STEPS:
        at[place] = was + step
        right.append((total().item() - here) / step)
        at[place] = was - step
        left.append((here - total().item()) / step)
        at[place] = was
    central = [(a + b) / 2 for a, b in zip(left, right, strict=True)]
    return Slope(extrapolated(central, 4), extrapolated(left, 2), extrapolated(right, 2))


def extrapolated(found: Sequence[float], falls: float) -> float:
    """The limit of differences whose steps halve and whose first error falls `falls`-fold each.

    Neville's table; of its entries the one nearest to both that it was made from (Ridders 1982).
    """
    best, spread = found[-1], math.inf
    before: list[float] = []
    for first in found:
        row = [first]
        for k, old in enumerate(before):
            row.append(row[k] + (row[k] - old) / (falls ** (k + 1) - 1))
            off = max(abs(row[-1] - row[k]), abs(row[-1] - old))
            if off < spread:
                best, spread = row[-1], off
        before = row
    return best
