"""Folding: the same events give the same record, in any order and however often they come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import clock
from core.ledger import payload
from core.ledger.fold import fold
from core.ledger.lines import Flaw
from core.ledger.record import RunRecord
from tests.ledger.conftest import ended, started, verdict

RUN = clock.ulid()


def event(kind: str, at: int, carried: dict[str, Any], run: str = RUN) -> dict[str, Any]:
    """An event of the second `at`."""
    made = {"e": kind, "run": run, "t": f"2026-01-01T00:00:{at:02d}.000000Z"}
    return {**carried, **made, "id": clock.ulid(), "v": 1, "p": "", "d": ""}


def note(at: int, kind: str = "text", text: str = "") -> dict[str, Any]:
    return event("note", at, {"kind": kind, "text": text, "by": "human"})


def decision(at: int, word: str) -> dict[str, Any]:
    return event("decision", at, {"decision": word, "by": "human", "reason": "", "verdict": None})


def folded(*events: dict[str, Any]) -> RunRecord:
    record = fold(events)
    assert record is not None
    return RunRecord.model_validate(record)


STORY = [
    event("started", 1, started()),
    event("ended", 2, ended("lost")),
    event("ended", 3, ended("crashed")),
    event("started", 4, started(attempt=2)),
    event("ended", 5, ended(ssim=0.9)),
    event("ended", 6, ended("lost")),
    event("verdict", 7, verdict([RUN], "inconclusive")),
    event("verdict", 8, verdict([RUN], "pass")),
    decision(9, "discard"),
    decision(10, "keep"),
    note(11, text="fine"),
    note(12, "tag", "paper"),
]


@given(st.permutations(STORY), st.lists(st.sampled_from(STORY), max_size=6))
def test_order_and_repetition_do_not_matter(
    order: list[dict[str, Any]], again: list[dict[str, Any]]
) -> None:
    assert fold([*order, *again]) == fold(STORY)


def test_the_whole_story_is_told() -> None:
    record = folded(*STORY)
    assert (record.status, record.attempt, record.metrics["ssim"].value) == ("finished", 2, 0.9)
    assert record.verdict is not None
    assert (record.verdict.verdict, record.verdict.id) == ("pass", STORY[7]["id"])
    assert record.decision is not None
    assert record.decision.decision == "keep"
    assert [n.text for n in record.notes] == ["fine", "paper"]
    assert not record.void


def test_a_run_without_a_start_has_no_record() -> None:
    assert fold([event("ended", 1, ended()), note(2)]) is None


def test_a_run_without_an_end_is_running() -> None:
    assert folded(event("started", 1, started())).status == "running"


def test_a_new_attempt_is_running_until_it_ends() -> None:
    assert folded(*STORY[:4]).status == "running"


@pytest.mark.parametrize("real_first", [True, False])
def test_a_real_end_wins_over_lost(real_first: bool) -> None:
    real, lost = ("finished", 2), ("lost", 3)
    if not real_first:
        real, lost = ("finished", 3), ("lost", 2)
    ends = [event("ended", at, ended(word)) for word, at in (real, lost)]
    assert folded(event("started", 1, started()), *ends).status == "finished"


def test_a_late_end_that_names_its_attempt_does_not_end_the_next_one() -> None:
    late = event("ended", 9, ended("crashed") | {"attempt": 1})
    assert folded(*STORY[:2], STORY[3], late).status == "running"
    assert folded(*STORY[:2], STORY[3], STORY[4], late).status == "finished"


def test_the_end_completes_what_the_start_said() -> None:
    end = ended() | {
        "timing": {"ended": "z", "train_s": 2.0},
        "resources": {"cpu_s": 3.0, "device_name": "H200"},
        "budget": {"used_steps": 7},
    }
    record = folded(event("started", 1, started()), event("ended", 2, end))
    assert (record.timing.train_s, record.timing.ended) == (2.0, "z")
    assert (record.resources.threads, record.resources.device_name) == (2, "H200")
    assert (record.budget.limit, record.budget.used_steps) == (100.0, 7)


def test_a_run_was_created_by_its_first_attempt() -> None:
    one = event("started", 1, started(timing={"created": "one", "started": "one"}))
    two = event("started", 2, started(attempt=2, timing={"created": "two", "started": "two"}))
    record = folded(two, one)
    assert (record.timing.created, record.timing.started) == ("one", "two")


def test_one_void_note_is_enough() -> None:
    record = folded(STORY[0], note(2, "void", "wrong data"), note(3))
    assert record.void
    assert [n.kind for n in record.notes] == ["void", "text"]


def test_a_measured_nan_stays_one() -> None:
    record = folded(STORY[0], event("ended", 2, ended(ssim="NaN")))
    assert record.metrics["ssim"].value != record.metrics["ssim"].value
    assert '"value":"NaN"' in record.model_dump_json()


@pytest.mark.parametrize("which", range(len(STORY)))
def test_every_event_of_the_story_is_a_good_payload(which: int) -> None:
    payload.check(STORY[which])


@pytest.mark.parametrize(
    ("kind", "carried", "field"),
    [
        ("started", {k: v for k, v in started().items() if k != "task"}, "task"),
        ("started", started(metrics={}), "metrics"),
        ("started", started(timing=3), "timing"),
        ("started", started(timing={"created": "now", "started": "now"}), "timing.created"),
        ("ended", {}, "status"),
        ("ended", ended() | {"timing": {"ended": "soon"}}, "timing.ended"),
        ("ended", ended("running"), "status"),
        ("ended", ended("exploded"), "status"),
        ("ended", ended() | {"timing": {"train_s": "long"}}, "timing.train_s"),
        ("ended", ended() | {"task": "other"}, "task"),
        ("ended", ended() | {"resources": []}, "resources"),
        ("verdict", verdict([RUN], "perhaps"), "verdict"),
        ("verdict", verdict([RUN]) | {"candidate": RUN}, "candidate"),
        ("decision", {"decision": "maybe", "by": "x", "reason": ""}, "decision"),
        ("note", {"kind": "text", "by": "x"}, "text"),
    ],
)
def test_a_bad_payload_is_refused_by_field(kind: str, carried: dict[str, Any], field: str) -> None:
    with pytest.raises(Flaw) as caught:
        payload.check(event(kind, 1, carried))
    assert caught.value.field == field
