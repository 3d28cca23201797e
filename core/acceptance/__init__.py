"""Judging: criteria, runs and yardsticks in; pass, fail or inconclusive with reasons out. No I/O.

The rule in words, with its error rates: docs/verdicts.md. What was not measured or cannot be
compared is unknown, with its reason, and unknown never becomes pass.
"""

from core.acceptance.control import selftest
from core.acceptance.decide import VIOLATED, Margins, groups, margins, outcome
from core.acceptance.evidence import missing, usable
from core.acceptance.verdict import judge, recompute, unfinished
from core.acceptance.wording import effect, needed, side

__all__ = [
    "VIOLATED",
    "Margins",
    "effect",
    "groups",
    "judge",
    "margins",
    "missing",
    "needed",
    "outcome",
    "recompute",
    "selftest",
    "side",
    "unfinished",
    "usable",
]
