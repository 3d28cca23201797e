"""The base image that the network corrects: nothing, the baseline hour, or a blend of known hours.

frame(t) = base(t) + gain(t) * network(t). For a blend between the known hours a <= t <= b the gain is
(t - a)(b - t): the error of linear interpolation is half the second derivative times just that, so
the network learns a curvature that holds for any gap, and known hours stay exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, trained_hours
from tasks.lightmap.model import DAY_H


class Mix(NamedTuple):
    """A base image: `before` and `after` weighed 1 - share to share, and the network's factor."""

    before: int  # hours
    after: int
    share: float
    gain: float


def neighbours(t: float, hours: Sequence[int]) -> tuple[int, int, float, float]:
    """Known hours around t on the clock's circle, and how long since the one and until the other.

    A known hour is its own neighbour on both sides.
    """
    since = {h: (t - h) % DAY_H for h in hours}
    before = min(since, key=since.__getitem__)
    if since[before] == 0:
        return before, before, 0.0, 0.0
    until = {h: (h - t) % DAY_H for h in hours}
    after = min(until, key=until.__getitem__)
    return before, after, since[before], until[after]


def blended(t: float, hours: Sequence[int], curve: str = "linear") -> Mix:
    """The blend of the known hours at t; its gain is for a network on top."""
    before, after, since, until = neighbours(t, hours)
    share = since / (since + until) if since else 0.0
    if curve == "smoothstep":
        share = share * share * (3 - 2 * share)
    return Mix(before, after, share, since * until)


class Base:
    """Base images and gains of one config over one day."""

    def __init__(self, cfg: LightmapConfig, day: Day) -> None:
        self.cfg, self.day = cfg, day
        self.known = trained_hours(cfg, day)

    def mix(self, t: float, without: int | None = None) -> Mix:
        """What the base at time t is made of; `without` is an hour that a blend must not use."""
        if self.cfg.blend == "none":
            return Mix(self.cfg.baseline_time, self.cfg.baseline_time, 0.0, 1.0)
        known = [h for h in self.known if h != without]
        return blended(t, known, self.cfg.blend)

    def image(self, t: float) -> Tensor:
        """The base at time t: 3 H W in [0, 1], zero where there is none."""
        mix = self.mix(t)
        if self.empty:
            return torch.zeros_like(self.day.at(mix.before))
        return torch.lerp(self.day.at(mix.before), self.day.at(mix.after), mix.share)

    @property
    def empty(self) -> bool:
        """Whether the network paints the whole colour by itself."""
        return self.cfg.blend == "none" and not self.cfg.residual_mode

    def pixels(self, which: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Base colours N 3 and gains N 1 at pixels of the known hours numbered `which`.

        A blend leaves the hour itself out: else there would be nothing to correct.
        """
        mixes = [self.mix(h, without=h) for h in self.known]
        gain = pick([m.gain for m in mixes], which)[:, None]
        if self.empty:
            return torch.zeros(len(which), 3, device=which.device), gain
        before = self._colours([m.before for m in mixes], which, y, x)
        if self.cfg.blend == "none":
            return before, gain
        after = self._colours([m.after for m in mixes], which, y, x)
        return torch.lerp(before, after, pick([m.share for m in mixes], which)[:, None]), gain

    def _colours(self, hours: list[int], which: Tensor, y: Tensor, x: Tensor) -> Tensor:
        frames = [self.day.hours.index(h) for h in hours]
        return colours(self.day, pick(frames, which), y, x)


def pick(table: Sequence[float], which: Tensor) -> Tensor:
    """Entries `which` of a short table."""
    return torch.tensor(table, device=which.device)[which]


def colours(day: Day, frame: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Colours in [0, 1] at pixels (y, x) of the frames numbered `frame`: N 3."""
    return day.frames[frame, :, y, x].float() / 255


def trivial(
    day: Day, known: Sequence[int], baseline_time: int
) -> dict[str, Callable[[float], Tensor]]:
    """What no network is needed for: the baseline as it is, the nearest known hour, and their blend.

    A known hour is asked for as if its own image were not there; else every row would be exact.
    """

    def mix(t: float) -> Mix:
        return blended(t, [h for h in known if h != t])

    def nearest(t: float) -> Tensor:
        near = mix(t)
        return day.at(near.before if near.share <= 0.5 else near.after)

    def blend(t: float) -> Tensor:
        between = mix(t)
        return torch.lerp(day.at(between.before), day.at(between.after), between.share)

    return {"identity": lambda t: day.at(baseline_time), "nearest": nearest, "blend": blend}
