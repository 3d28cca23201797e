"""The clock of a training loop and the check of its losses. The loop's body belongs to the task."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any

from core.contract import Cancelled, Run
from core.errors import AssayError
from core.kit import checkpoint

if typing.TYPE_CHECKING:
    from torch import Tensor


def steps(
    total: int, run: Run, state: Mapping[str, Any], per_epoch: int | None = None
) -> Iterator[int]:
    """Yield 1..total: the number of the update about to be made.

    Continues after the last checkpoint of an interrupted run, whose objects it restores into
    `state`; ends early when the budget is used up, so that evaluation follows; on cancel it saves
    `state` and raises Cancelled. `per_epoch`: steps in an epoch, for a budget in epochs.
    """
    saved = run.resume()
    if saved is not None:
        checkpoint.restore(state, saved)
    done = saved["step"] if saved is not None else 0
    last = min(total, _epoch_limit(run, per_epoch, total))
    for step in range(done + 1, last + 1):
        try:
            if run.out_of_budget(step):
                return
        except Cancelled:
            if step > done + 1:
                run.checkpoint(state, step - 1)
            raise
        yield step
        run.progress(step, last)


def _epoch_limit(run: Run, per_epoch: int | None, total: int) -> int:
    if run.budget.epochs is None:
        return total
    if per_epoch is None:
        raise AssayError(
            f"a budget of {run.budget.epochs} epochs, but this task does not count epochs",
            "Give the budget in steps or seconds",
        )
    return run.budget.epochs * per_epoch


def weigh(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The weighted sum of the loss terms, a scalar.

    Every term with a weight must be given, and every term given must be declared; a term of weight
    0 may be given or left out, and does not enter the sum.

    Raises:
        AssayError: a term that the task does not declare, or a weighted one that is missing.
    """
    undeclared = sorted(set(terms) - set(weights))
    missing = sorted(name for name, w in weights.items() if w and name not in terms)
    if undeclared or missing:
        raise AssayError(
            f"loss terms do not match the declaration: undeclared {undeclared}, missing {missing}",
            f"Declared: {sorted(weights)}; a switched-off term has weight 0",
        )
    parts = [weights[name] * term for name, term in terms.items() if weights[name]]
    if not parts:
        raise AssayError("every loss has weight 0: nothing to train", "Raise a loss weight")
    return sum(parts[1:], start=parts[0])


def finite(loss: Tensor, step: int, run: Run) -> bool:
    """Whether the loss may be stepped on; the run counts non-finite ones, three in a row end it."""
    good = bool(loss.detach().isfinite())
    run.loss_seen(good, step)
    return good
