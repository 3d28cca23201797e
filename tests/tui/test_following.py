"""What a run says is followed; what it should not have said ends nothing."""

from __future__ import annotations

import math
from pathlib import Path

from core import events
from core.tui.following import Following, ranked

GOOD = """\
{"t": 0, "kind": "log", "step": 1, "values": {"error": 0.5}}
{"t": 0, "kind": "progress", "done": 1, "total": 4, "note": "go"}
{"t": 0, "kind": "log", "step": 2, "values": {"error": NaN, "lr": Infinity}}
"""
BAD = f"""\
{{"t": 0, "kind": "log", "step": 3, "values": {{"error": {10**400}}}}}
{{"t": 0, "kind": "log", "step": {10**400}, "values": {{"error": 0.1}}}}
{{"t": 0, "kind": "log", "step": "4", "values": {{"error": 0.1}}}}
{{"t": 0, "kind": "log", "step": 5, "values": [0.1]}}
{{"t": 0, "kind": "progress", "done": Infinity, "total": 4}}
{{"t": 0, "kind": "progress", "done": 1, "total": NaN}}
{{"t": 0, "kind": "resume", "step": null}}
{{"t": 0, "kind": "log", "step": 6, "values": {{"error": true}}}}
"""


def test_numbers_that_are_none_are_gaps_or_left_out(tmp_path: Path) -> None:
    file = tmp_path / events.NAME
    file.write_text(GOOD)
    run = Following(tmp_path)
    assert run.read()
    assert not run.read()
    with file.open("a") as more:
        more.write(BAD)
    assert run.read()
    assert run.steps == {"error": [1, 2, 3, 6], "lr": [2]}
    assert run.values["error"][0] == 0.5
    assert all(map(math.isnan, [*run.values["error"][1:], *run.values["lr"]]))
    assert (run.done, run.total, run.note, run.share) == (1, 4, "go", 0.25)
    assert math.isnan(run.last("error") or 0.0)
    errors = [(1, 0.5), (2, None), (3, None), (6, None)]
    assert events.series(file) == {"error": errors, "lr": [(2, None)]}  # for pages, comparisons
    assert events.summary(file)["error"] == {"rows": 4, "last": None, "min": 0.5, "max": 0.5}


def test_a_line_of_no_end_of_brackets_is_no_event(tmp_path: Path) -> None:
    (tmp_path / events.NAME).write_text("[" * 200_000 + "\n" + GOOD)
    assert len(events.read(tmp_path / events.NAME)) == 3


def test_a_metric_is_shown_before_its_loss_and_the_whole_before_its_parts() -> None:
    names = ["loss/ssim", "lr", "val/0/ssim", "val_given/ssim", "loss/l2", "val/ssim"]
    assert ranked(names, "ssim")[:4] == ["val/ssim", "val_given/ssim", "val/0/ssim", "loss/ssim"]


def test_what_came_after_the_checkpoint_of_a_resumed_run_is_forgotten(tmp_path: Path) -> None:
    steps = (0, 4, 1, 2, 3)  # in no order: one that comes later may have been logged before
    lines = [f'{{"t": 0, "kind": "log", "step": {n}, "values": {{"a": {n}}}}}' for n in steps]
    lines += ['{"t": 0, "kind": "resume", "step": 2}']
    lines += ['{"t": 0, "kind": "log", "step": 3, "values": {"a": 30}}']
    (tmp_path / events.NAME).write_text("\n".join(lines) + "\n")
    run = Following(tmp_path)
    run.read()
    assert run.values == {"a": [0, 1, 2, 30]}
