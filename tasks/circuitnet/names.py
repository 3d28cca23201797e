"""Names of layouts: what they say, and many of them in one message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

SHOWN = 10  # names in one message
_N28 = re.compile(
    r"(?P<id>\d+)-(?P<design>.+)-(?P<flavour>[ab])-(?P<macros>\d+)-c(?P<clock>[\d.]+)"
    r"-u(?P<util>[\d.]+)-m(?P<placement>\d+)-p(?P<power>\d+)-f(?P<filler>\d+)"
)
_N14 = re.compile(r"(?P<design>.+?)_freq_(?P<clock>[\d.]+)_mp_.*")


class Name(NamedTuple):
    """What a layout's name says: its family of designs, and every setting that it spells out."""

    design: str
    settings: Mapping[str, str]


def parse(name: str) -> Name:
    """A name of N28 or N14; any other is a design of its own."""
    for pattern in (_N28, _N14):
        if found := pattern.fullmatch(name):
            return Name(found["design"], found.groupdict())
    return Name(name, {})


def listed(names: Iterable[str]) -> str:
    """How many names, and the first ten."""
    ordered = sorted(names)
    more = f", and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return f"{len(ordered)} ({', '.join(ordered[:SHOWN])}{more})"
