"""Differences between arms of a study, and the effects of the switches of a full factorial.

The contrasts are the textbook's (Box, Hunter and Hunter): the mean of the cells where the sign is
+ less the mean of those where it is -. One contrast a seed, then a t interval over the seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core import stats
from core.acceptance.evidence import PAIRS
from core.stats import Estimate


class Effect(NamedTuple):
    """What a switch does on average, or how two switches change each other's effect."""

    name: str  # "encoder", or "encoder x patch"
    estimate: Estimate  # in the metric's unit
    seeds: int


Values = Mapping[int, float]  # seed -> value of one metric


def difference(candidate: Values, reference: Values, paired: bool) -> Estimate:
    """Candidate less reference, compared as a verdict would: by seed where enough are common.

    Neither side may be empty.
    """
    common = sorted(candidate.keys() & reference.keys()) if paired else []
    if len(common) >= PAIRS:
        return stats.paired([candidate[s] for s in common], [reference[s] for s in common])
    return stats.welch(list(candidate.values()), list(reference.values()))


def factorial(
    levels: Mapping[str, Mapping[str, bool]], values: Mapping[str, Values]
) -> list[Effect]:
    """Main effects and two-way interactions of a full factorial.

    An interaction is half of what one switch's effect gains when the other is on. A seed counts
    when every cell has it; without such a seed there is nothing to tell, and the list is empty.

    Args:
        levels: Cell -> switch -> whether it is on; every combination once.
        values: Cell -> seed -> value, finite.
    """
    seeds = sorted(set.intersection(*(set(values[cell]) for cell in levels)))
    switches = list(next(iter(levels.values())))
    pairs = list(itertools.combinations(switches, 2))
    if not seeds:
        return []
    return [
        Effect(" x ".join(names), _contrast(levels, values, names, seeds), len(seeds))
        for names in [*((name,) for name in switches), *pairs]
    ]


def _contrast(
    levels: Mapping[str, Mapping[str, bool]],
    values: Mapping[str, Values],
    names: Sequence[str],
    seeds: Sequence[int],
) -> Estimate:
    sign = {cell: math.prod(1 if on[n] else -1 for n in names) for cell, on in levels.items()}
    half = len(levels) / 2
    return stats.mean(
        [math.fsum(sign[cell] * values[cell][seed] for cell in levels) / half for seed in seeds]
    )
