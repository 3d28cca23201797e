"""Ten ways from one known image to the next, and what tells which of them to trust at a pixel.

A path is a function of the share s in [0, 1] of the way between the known hours a and b that is
image a at s = 0 and image b at s = 1: so whatever mixes paths keeps the known hours exactly.

    early, late       all of the change in the first or in the second half
    linear, geometric in code values; in logarithms (light that fades by factors)
    curved            monotone cubic through four hours (Fritsch-Butland slopes)
    front             a shadow's edge travels: a pixel between where the edge was and where it will
                      be changes when the edge, on its way, arrives (distances to both)
    switched          a lamp that is already dimmer at a than before is off by half way; one that is
                      not yet as bright at b as after comes on in the second half
    quiet early, late, linear: the same three from images denoised over the day

`clues` are numbers of a pixel's neighbourhood, computed from the known images alone and relative to
the day, so that what holds for gaps of two hours can be used for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tasks.lightmap.lowrank import Frames, denoised

Map = NDArray[np.float32]  # H W
Image = NDArray[np.float32]  # H W 3

PATHS = (
    "early",
    "late",
    "quiet early",
    "quiet late",
    "linear",
    "geometric",
    "curved",
    "front",
    "quiet linear",
    "switched",
)
CLUES = 23
DARK = 0.02  # added to code values before logarithms
JUMP = 0.2  # a lamp's least change, in code values
DIMMER = 0.95  # a lamp's light over its light an hour before, from which on it is going out
RANGE = 0.6  # least log range over the day of a pixel that shadows cross
SOFT, WIDER = 4.0, 0.3  # half width of a travelling edge: pixels, and a share of its way
FAR = 60.0  # pixels


class Between(NamedTuple):
    """All paths at one time, and the clues."""

    paths: NDArray[np.float32]  # P H W 3
    clues: NDArray[np.float32]  # H W CLUES


class Day:
    """Known images T H W 3 in [0, 1] at `hours`, prepared for any time between."""

    def __init__(self, frames: Frames, hours: Sequence[float]) -> None:
        self.frames, self.hours = frames, list(hours)
        self.quiet = denoised(frames)
        self.logs = np.log(frames.mean(-1) + DARK)
        self.mean = self.logs.mean(0)
        level = np.median(frames, axis=(1, 2, 3))
        self.bright = level > 0.5 * level.max()  # T: hours of daylight
        day = self.logs[self.bright]
        self.low, self.high = day.min(0), day.max(0)
        self.noon = np.median(frames[self.bright], axis=0)

    def at(self, t: float) -> Between:
        """Every path and clue at hour t (modulo 24)."""
        since = np.array([(t - h) % 24 for h in self.hours])
        order = np.argsort(since)  # the latest first
        a, b = int(order[0]), int(order[-1])
        p, n = int(order[1]), int(order[-2])
        gap = (self.hours[b] - self.hours[a]) % 24 or 24.0
        share = float(since[a] / gap)
        front, reach, crossed = self._front(a, b, share)
        switched, decided = self._switched(p, a, b, n, share)
        paths = self._paths(p, a, b, n, share, front)
        quiet = paths[PATHS.index("quiet linear")]
        paths.append(np.where((decided != 0)[..., None], switched, quiet))
        clues = self._clues(p, a, b, n, front, reach, crossed, decided)
        return Between(np.stack(paths).astype(np.float32), clues)

    def _paths(
        self, p: int, a: int, b: int, n: int, share: float, front: Map
    ) -> list[NDArray[np.float32]]:
        """All but `switched`, in the order of PATHS."""
        before, start, end, after = (self.frames[i] for i in (p, a, b, n))
        early, late, fade = min(1, 2 * share), max(0, 2 * share - 1), 4 * share * (1 - share)
        calm_start = start + fade * (self.quiet[a] - start)
        calm_end = end + fade * (self.quiet[b] - end)
        change = end - start
        slope = _slope(start - before, change), _slope(change, after - end)
        cubic = (
            share * (1 - share) * ((1 - share) * (slope[0] - change) + share * (change - slope[1]))
        )
        logs = (1 - share) * np.log(start + DARK) + share * np.log(end + DARK)
        return [
            start + early * change,
            start + late * change,
            calm_start + early * (calm_end - calm_start),
            calm_start + late * (calm_end - calm_start),
            start + share * change,
            np.exp(logs) - DARK,
            start + share * change + cubic,
            start + front[..., None] * change,
            calm_start + share * (calm_end - calm_start),
        ]

    def _front(self, a: int, b: int, share: float) -> tuple[Map, Map, NDArray[np.bool_]]:
        """Share of b where edges travel, the length of their way in pixels, and where they do."""
        out = np.full(self.mean.shape, share, np.float32)
        reach = np.full(self.mean.shape, FAR, np.float32)
        crossed = self.high - self.low > RANGE
        if not (self.bright[a] and self.bright[b]):
            return out, reach, np.zeros_like(crossed)
        middle = (self.low + self.high) / 2
        lit_a, lit_b = self.logs[a] > middle, self.logs[b] > middle
        for was, will in ((~lit_a, ~lit_b), (lit_a, lit_b)):
            changing, source, goal = (
                crossed & ~was & will,
                crossed & was & will,
                crossed & ~was & ~will,
            )
            if not (changing.any() and source.any() and goal.any()):
                continue
            behind = ndimage.distance_transform_edt(~source)
            ahead = ndimage.distance_transform_edt(~goal)
            way = behind + ahead
            place = behind / np.maximum(way, 1)  # 0 where the edge starts from
            width = (SOFT + WIDER * way) / np.maximum(way, 1)
            # the edge leaves at s = 0 and has arrived at s = 1, whatever its width
            arrived = np.clip(0.5 + (share * (1 + width) - width / 2 - place) / width, 0, 1)
            out[changing], reach[changing] = arrived[changing], np.minimum(way, FAR)[changing]
        return out, reach, crossed

    def _switched(
        self, p: int, a: int, b: int, n: int, share: float
    ) -> tuple[Image, NDArray[np.float32]]:
        """The frame with lamps that are seen to change, and where: +-1 decided, +-0.5 not."""
        start, end = self.frames[a], self.frames[b]
        out = start + share * (end - start)
        decided = np.zeros(self.mean.shape, np.float32)
        for sign, on, off, ref, s in (
            (1, b, a, n, max(0, 2 * share - 1)),
            (-1, a, b, p, min(1, 2 * share)),
        ):
            if self.bright[on]:
                continue
            glows, glowed = (self._lamps(i) for i in (on, ref))
            lamps, count = ndimage.label(
                ((self.frames[on] - self.frames[off]).mean(-1) > JUMP) & glows
            )
            if not count:
                continue
            ratio = _light(self.frames[on]) / np.maximum(_light(self.frames[ref]), 1e-3)
            steady = (
                np.percentile(ratio[glows & glowed], 75) if (glows & glowed).sum() > 20 else 1.0
            )
            dimmer = ndimage.median(ratio, lamps, np.arange(1, count + 1)) < DIMMER * steady
            known = np.concatenate([[False], dimmer])[lamps]
            decided[lamps > 0] = sign * 0.5
            decided[known] = sign
            out[known] = (start + s * (end - start))[known]
        return out, decided

    def _lamps(self, i: int) -> NDArray[np.bool_]:
        """Where hour i is brighter than broad daylight."""
        found: NDArray[np.bool_] = (self.frames[i] - self.noon).mean(-1) > JUMP
        return found

    def _clues(
        self,
        p: int,
        a: int,
        b: int,
        n: int,
        front: Map,
        reach: Map,
        crossed: NDArray[np.bool_],
        decided: Map,
    ) -> NDArray[np.float32]:
        """H W CLUES."""
        logs = [self.logs[i] for i in (p, a, b, n)]
        light = [np.log(_light(self.frames[i]) + 0.01) for i in (p, a, b, n)]
        fell, rose = _near(light[1] - light[0], 3), _near(light[2] - light[3], 3)
        change = logs[1] - logs[2]
        columns = [
            *(x - self.mean for x in logs),
            self.mean,
            fell,
            rose,
            fell - np.median(fell),
            rose - np.median(rose),
            logs[1] - self.high,
            logs[2] - self.high,
            np.abs(_near(change, 3)),
            _near(change, 5),
            _near(change**2, 5),
            front - 0.5,
            np.log(reach),
            crossed,
            self.high - self.low,
            logs[1] - _near(logs[1], 5),
            logs[2] - _near(logs[2], 5),
            np.abs(decided),
            decided,
            _near(np.abs(decided), 3),
        ]
        return np.stack(columns, axis=-1).astype(np.float32)


def _slope(left: Image, right: Image) -> Image:
    """Harmonic mean of two changes, 0 where they disagree: a monotone cubic's slope."""
    both = left * right
    total = np.where(np.abs(left + right) < 1e-9, 1e-9, left + right)
    slope: Image = np.where(both > 0, 2 * both / total, 0)
    return slope


def _light(frame: Image) -> Map:
    """Roughly linear light of a display's code values whose highlights are compressed: H W."""
    linear = ((frame + 0.055) / 1.055) ** 2.4
    light: Map = (linear / (1.05 - linear)).mean(-1)
    return light


def _near(values: Map, side: int) -> Map:
    """Mean over a square neighbourhood."""
    mean: Map = ndimage.uniform_filter(values, side)
    return mean
