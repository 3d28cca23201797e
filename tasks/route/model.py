"""What a run learns and a checkpoint holds: network, router, and perhaps the map itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from tasks.route.config import RouteConfig
from tasks.route.prob_param import ProbMap
from tasks.route.routing import Router
from tasks.route.segment import Map


class Model(NamedTuple):
    """Everything between pixels and distances."""

    net: nn.Module
    router: Router
    prob: ProbMap | None  # in place of the network's map, where that is learned
    history: list[dict[str, float]]  # rows of the steps on distances

    def seen(self, prob: Map) -> Map:
        """The map to route on, given the network's."""
        if self.prob is None:
            return prob
        made: Map = self.prob().detach()[0].cpu().numpy().astype(np.float32)
        return made


def optimiser(cfg: RouteConfig, model: Model) -> torch.optim.AdamW:
    """AdamW over network, router and map; only the network decays, or the whole map would fade."""
    groups = [
        {"params": list(model.net.parameters()), "lr": cfg.seg_lr, "weight_decay": 0.01},
        {"params": list(model.router.parameters()), "lr": cfg.lr, "weight_decay": 0.0},
    ]
    if model.prob is not None:
        groups.append(model.prob.group(cfg.lr_prob))
    return torch.optim.AdamW([g for g in groups if g["params"]])
