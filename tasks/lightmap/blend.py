"""The base image that the network corrects: none, the baseline hour, or a blend of known hours.

frame(t) = base(t) + gain(t) * network(t), in sRGB values, or, with color_space linear, in linear
light (and the frame is converted back). For a blend between the known hours a <= t <= b the gain is
(t - a)(b - t): the error of linear interpolation is half the second derivative times just that,
so the network learns a curvature that holds for any gap, and known hours stay exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tasks.lightmap.colour import to_linear, to_srgb
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, trained_hours
from tasks.lightmap.model import DAY_H

Frame = Callable[[float], Tensor]  # a time to a frame 3 H W in [0, 1]


class Mix(NamedTuple):
    """A base image: `before` and `after` weighed 1 - share to share, and the network's factor."""

    before: float  # hours
    after: float
    share: float
    gain: float


def blended(t: float, known: Sequence[float], curve: str = "linear") -> Mix:
    """The blend at time t of its neighbours among the known hours, on the clock's circle."""
    before = min(known, key=lambda h: (t - h) % DAY_H)
    after = min(known, key=lambda h: (h - t) % DAY_H)
    since, until = (t - before) % DAY_H, (after - t) % DAY_H
    share = since / (since + until) if since else 0.0
    if curve == "smoothstep":
        share = share * share * (3 - 2 * share)
    return Mix(before, after, share, since * until)


class Base:
    """Base images and gains of one config over one day, in the colours that training works in."""

    def __init__(self, cfg: LightmapConfig, day: Day) -> None:
        self.cfg, self.day = cfg, day
        self.known = trained_hours(cfg, day)
        self.linear = cfg.color_space == "linear"

    @property
    def empty(self) -> bool:
        """Whether the network paints the whole colour by itself."""
        return self.cfg.blend == "none" and not self.cfg.residual_mode

    def mix(self, t: float, without: float | None = None) -> Mix:
        """What the base at time t is made of; `without` is an hour that a blend must not use."""
        if self.cfg.blend == "none":
            return Mix(self.cfg.baseline_time, self.cfg.baseline_time, 0.0, 1.0)
        return blended(t, [h for h in self.known if h != without], self.cfg.blend)

    def image(self, t: float) -> Tensor:
        """The base at time t: 3 H W in [0, 1], zero where there is none."""
        mix = self.mix(t)
        image = torch.lerp(self._at(mix.before), self._at(mix.after), mix.share)
        return torch.zeros_like(image) if self.empty else image

    def shown(self, image: Tensor) -> Tensor:
        """An image as people see it: sRGB in [0, 1]."""
        return to_srgb(image.clamp(0, 1)) if self.linear else image.clamp(0, 1)

    def colours(self, frame: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Colours at pixels (y, x) of the frames numbered `frame`: N 3."""
        code = self.day.frames[frame, :, y, x].float() / 255
        return to_linear(code) if self.linear else code

    def _at(self, hour: float) -> Tensor:
        return to_linear(self.day.at(hour)) if self.linear else self.day.at(hour)

    def pixels(self, which: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Base colours N 3 and gains N 1 at pixels of the known hours numbered `which`.

        A blend leaves the hour itself out: else there would be nothing to correct.
        """
        mixes = [self.mix(h, without=h) for h in self.known]
        gain = pick([m.gain for m in mixes], which)[:, None]
        before = self.colours(pick(self._frames(m.before for m in mixes), which), y, x)
        if self.cfg.blend == "none":
            return torch.zeros_like(before) if self.empty else before, gain
        after = self.colours(pick(self._frames(m.after for m in mixes), which), y, x)
        return torch.lerp(before, after, pick([m.share for m in mixes], which)[:, None]), gain

    def _frames(self, hours: Iterable[float]) -> list[int]:
        return [self.day.hours.index(h) for h in hours]


def pick(table: Sequence[float], which: Tensor) -> Tensor:
    """Entries `which` of a short table."""
    return torch.tensor(table, device=which.device)[which]


def trivial(day: Day, known: Sequence[float], baseline_time: int) -> dict[str, Frame]:
    """What needs no network: the baseline as it is, the nearest known hour, a blend of two.

    A known hour is asked for as if its own image were not there; else every row would be exact.
    """

    def mix(t: float) -> Mix:
        return blended(t, [h for h in known if h != t])

    def nearest(t: float) -> Tensor:
        near = mix(t)
        return day.at(near.before if near.share <= 0.5 else near.after)

    def blend(t: float) -> Tensor:
        near = mix(t)
        return torch.lerp(day.at(near.before), day.at(near.after), near.share)

    return {"identity": lambda _: day.at(baseline_time), "nearest": nearest, "blend": blend}
