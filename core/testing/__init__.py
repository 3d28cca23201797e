"""What a task must keep to be comparable, resumable and stoppable, as a test: `check_task`.

An outside plug-in runs it in its own tests; ours do it for every task in registry.yaml.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.contract import Task
from core.testing import behaviour, declaration
from core.testing.promise import Promise
from core.testing.subject import Subject
from core.testing.tiny import Result, tiny_run

__all__ = ["PROMISES", "Result", "Subject", "check_task", "tiny_run"]

PROMISES: tuple[Promise, ...] = (
    declaration.names_resolve,
    declaration.declares_lightly,
    behaviour.tiny_goes_all_the_way,
    behaviour.metrics_are_numbers_or_absent,
    behaviour.repeats_exactly,
    behaviour.resumes_exactly,
    behaviour.cancels_within_a_step,
    behaviour.keeps_a_budget_of_steps,
    behaviour.variants_run,
    behaviour.writes_where_it_may,
    behaviour.zero_weights_switch_off,
)


def check_task(task: Task[Any], *, folder: Path, seconds: float = 60) -> None:
    """Check every promise in turn, in about fifteen tiny runs below `folder`.

    One promise alone: `promise(Subject(task, folder))`, with a promise of `PROMISES`.

    Args:
        task: As declared; it is run on the CPU with its `tiny` config.
        folder: Takes the run folders; pytest's `tmp_path` will do.
        seconds: What one tiny run, inference and pictures included, may take.

    Raises:
        AssertionError: names the task, the broken promise, and what was seen.
    """
    subject = Subject(task, folder, seconds)
    for promise in PROMISES:
        promise(subject)
