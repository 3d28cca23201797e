"""The learned blend: small networks that weigh ten paths between two known hours at every pixel.

Taught by the known hours alone: each in turn is taken away, painted from its neighbours two hours
apart, and compared with itself. Its noise is its own, so that what comes nearest is also what has
the least noise (Lehtinen et al. 2018, Noise2Noise). A softmax over paths, averaged over a few
networks, is a convex mixture: nothing can leave what the paths span, and known hours stay exact.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.contract import Run
from core.kit import seed as seeds
from core.kit.loop import finite, steps, weigh
from tasks.lightmap import history, paths
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.schedule import rate
from tasks.lightmap.told import Told

MEMBERS, HIDDEN, DROP, DECAY = 4, 16, 0.2, 1e-2
PIXELS = 40_000  # of an hour at most: the lessons of large frames would fill the memory
START = {"linear": 1.0, "curved": 1.0, "front": 1.0, "quiet linear": 1.0, "switched": 2.0}
LOG_EVERY = 10  # steps


class Mixer(nn.Module):
    """Weights of the paths from a pixel's clues, by `MEMBERS` networks CLUES-16-16-PATHS.

    state_dict: first, second, last (members, in + 1, out; the last row is the bias), mean and
    spread (CLUES) of the clues that it was taught with.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        sizes = (paths.CLUES, HIDDEN, HIDDEN, len(paths.PATHS))
        layers = [_layer(a, b) for a, b in itertools.pairwise(sizes)]
        self.first, self.second, self.last = map(nn.Parameter, layers)
        with torch.no_grad():
            self.last.zero_()
            self.last[:, -1] = torch.tensor([START.get(name, 0.0) for name in paths.PATHS])
        self.register_buffer("mean", torch.zeros(paths.CLUES))
        self.register_buffer("spread", torch.ones(paths.CLUES))

    def forward(self, clues: Tensor) -> Tensor:
        """N CLUES to M N PATHS, each row a convex combination."""
        x = ((clues - self.mean) / self.spread).clamp(-4, 4)
        x = torch.relu(_apply(x.expand(MEMBERS, -1, -1), self.first))
        x = torch.relu(_apply(F.dropout(x, DROP, self.training), self.second))
        return _apply(x, self.last).softmax(-1)

    @torch.no_grad()
    def paint(self, day: paths.Day, t: float) -> Tensor:
        """The frame at hour t: 3 H W, not clamped."""
        between = day.at(t)
        height, width, _ = between.clues.shape
        clues = torch.from_numpy(between.clues).view(height * width, -1).to(self.mean.device)
        parts = [self(part).mean(0) for part in clues.split(1 << 16)]
        weights = torch.cat(parts).view(height, width, -1).cpu().numpy()
        return torch.from_numpy(np.einsum("hwp,phwc->chw", weights, between.paths))


def _layer(inputs: int, outputs: int) -> Tensor:
    """Weights and, last, biases of all members, spread as nn.Linear spreads them."""
    return (2 * torch.rand(MEMBERS, inputs + 1, outputs) - 1) / math.sqrt(inputs)


def _apply(x: Tensor, layer: Tensor) -> Tensor:
    return torch.baddbmm(layer[:, -1:], x, layer[:, :-1])


class Lessons(NamedTuple):
    """What the known hours teach, pixel by pixel."""

    paths: Tensor  # N P 3
    clues: Tensor  # N CLUES
    target: Tensor  # N 3
    weight: Tensor  # N, so that every hour's linear blend counts alike


def lessons(frames: Tensor, hours: list[float], run: Run) -> Lessons:
    """Every known hour, painted as if it were not known. `frames` is T H W 3 in [0, 1]."""
    images = frames.cpu().numpy()
    picked = torch.Generator().manual_seed(seeds.derive(run.seed, "lessons", 0))
    taken = []
    for i, hour in enumerate(hours):
        rest = [j for j in range(len(hours)) if j != i]
        between = paths.Day(images[rest], [hours[j] for j in rest]).at(hour)
        which = torch.randperm(images[0, ..., 0].size, generator=picked)[:PIXELS].numpy()
        way = between.paths.reshape(len(paths.PATHS), -1, 3)[:, which].transpose(1, 0, 2)
        target = images[i].reshape(-1, 3)[which]
        error = np.square(way[:, paths.PATHS.index("linear")] - target).mean()
        weight = np.full(len(which), 1 / max(float(error), 1e-5), np.float32)
        taken.append((way, between.clues.reshape(-1, paths.CLUES)[which], target, weight))
        run.progress(0, len(hours), f"lesson {i + 1} of {len(hours)}")  # no step of training
    columns = (np.concatenate(column) for column in zip(*taken, strict=True))
    return Lessons(*(torch.from_numpy(column) for column in columns))


def train(
    cfg: LightmapConfig,
    mixer: Mixer,
    frames: Tensor,
    hours: list[float],
    run: Run,
    state: dict[str, object],
) -> None:
    """Fit the mixer; `state` is what a checkpoint holds, with its history."""
    past = history.History()
    opt = torch.optim.AdamW(mixer.parameters(), cfg.lr, weight_decay=DECAY)
    state |= {"opt": opt, "history": past}
    taught = lessons(frames, hours, run)
    mixer.mean.copy_(taught.clues.mean(0))
    mixer.spread.copy_(taught.clues.std(0) + 1e-3)
    taught = Lessons(*(part.to(mixer.mean.device) for part in taught))
    mixer.train()
    told = Told(cfg, run, f"{MEMBERS} mixers, {len(taught.target)} pixels of {len(hours)} hours")
    run.training_started()
    for step in steps(cfg.total_steps, run, state, cfg.steps_per_epoch):
        lr = opt.param_groups[0]["lr"] = rate(cfg, step, past.epochs)
        random = torch.Generator().manual_seed(seeds.derive(run.seed, "batch", step))
        which = torch.randint(len(taught.target), (cfg.batch_size,), generator=random)
        way, clues, target, weight = (part[which.to(part.device)] for part in taught)
        made = torch.einsum("mnp,npc->mnc", mixer(clues), way)
        error = (made - target).square().mean((0, 2))
        loss = weigh({"l2": (error * weight).mean()}, {"l2": run.weights["l2"]})
        opt.zero_grad(set_to_none=True)
        good = finite(loss, step, run)
        if good:
            loss.backward()
            opt.step()
        past.add(step, lr, loss.item() if good else None)
        if step % LOG_EVERY == 0:
            run.log({"lr": lr, "loss/l2": loss.item()}, step)
        if step % cfg.steps_per_epoch == 0:
            run.log(past.close_epoch(), step)
        told.step(past)
    mixer.eval()
    run.checkpoint(state, past.step)
    past.write(run.dir)
