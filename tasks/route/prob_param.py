"""A probability map that is itself learned (the seed's optimise_prob), and what was done to it.

Only cells that the routes depend on get a gradient, and of a pooled cell its most probable pixel
alone. Its parameter group has no weight decay, which would pull the whole map.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tasks.route.cost import total_variation


class Change(NamedTuple):
    """What learning did to a map."""

    touched: int  # pixels whose probability changed
    mean: float  # mean absolute change over those; 0 when there are none
    greatest: float


class ProbMap(nn.Module):
    """B H W probabilities in [eps, 1 - eps]. Its state_dict is `map` and `start`.

    logit: sigmoid(map), smooth, slow where the map is sure; direct: the map itself, cut off after
    each step (call `settle`), as the seed has it.
    """

    start: Tensor

    def __init__(
        self,
        prob: Float[Tensor, "B H W"],
        param: Literal["logit", "direct"] = "logit",
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.param, self.eps = param, eps
        start = prob.detach().clamp(eps, 1 - eps)
        self.register_buffer("start", start)
        self.map = nn.Parameter(start.logit() if param == "logit" else start.clone())

    def forward(self) -> Float[Tensor, "B H W"]:
        """The probabilities."""
        prob: Tensor = self.map.sigmoid() if self.param == "logit" else self.map
        return prob

    @torch.no_grad()
    def settle(self) -> None:
        """After each step: back into the range."""
        if self.param == "direct":
            self.map.clamp_(self.eps, 1 - self.eps)

    def group(self, lr: float) -> dict[str, Any]:
        """Its group for an optimiser."""
        return {"params": [self.map], "lr": lr, "weight_decay": 0.0}

    def proximity(self) -> Float[Tensor, ""]:
        """Mean squared distance from where the map started."""
        away: Tensor = self() - self.start
        return away.square().mean()

    def roughness(self) -> Float[Tensor, ""]:
        """Total variation of the change, which does not smooth the roads themselves."""
        return total_variation(self() - self.start)

    @torch.no_grad()
    def change(self, least: float = 1e-6, where: Bool[Tensor, "B H W"] | None = None) -> Change:
        """What has changed by more than `least`, over the whole map or a part of it."""
        away = (self() - self.start).abs()
        away = away if where is None else away[where]
        touched = away[away > least]
        if not touched.numel():
            return Change(0, 0.0, 0.0)
        return Change(touched.numel(), float(touched.mean()), float(touched.max()))
