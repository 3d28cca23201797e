"""Canonical lines: what goes in comes out, in one form only, and no byte can change unseen."""

from __future__ import annotations

import hashlib
import io
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import clock
from core.ledger import lines

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def event(**carried: Any) -> dict[str, Any]:
    run = clock.ulid()
    return {
        "v": 1,
        "e": "note",
        "id": clock.ulid(),
        "run": run,
        "t": clock.stamp(),
        "p": "",
    } | carried


@given(VALUES)
def test_canonical_json_reads_back_as_the_same_value(value: Any) -> None:
    assert json.loads(lines.canonical(value)) == value


@given(st.dictionaries(TEXT, VALUES, max_size=5), st.randoms())
def test_canonical_json_does_not_depend_on_the_order_of_keys(
    value: dict[str, Any], chance: Any
) -> None:
    items = list(value.items())
    chance.shuffle(items)
    assert lines.canonical(dict(items)) == lines.canonical(value)


@given(VALUES)
def test_canonical_json_is_one_line_of_utf8_without_spare_blanks(value: Any) -> None:
    data = lines.canonical(value)
    assert b"\n" not in data
    data.decode("utf-8")
    assert len(data) <= len(json.dumps(value, ensure_ascii=False).encode())


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back_bit_for_bit(value: float) -> None:
    back = json.loads(lines.canonical([value]))[0]
    assert (back, math.copysign(1, back)) == (value, math.copysign(1, value))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        lines.canonical({"x": value})


def test_text_that_is_not_unicode_does_not_stop_a_line() -> None:
    assert json.loads(lines.canonical("a\udcffb")) == "a?b"


@given(st.dictionaries(TEXT.filter(lambda k: k not in lines.ENVELOPE), VALUES, max_size=5))
def test_a_sealed_event_reads_back(carried: dict[str, Any]) -> None:
    given_ = event(**carried)
    line = lines.seal(given_)
    assert line.endswith(b"\n")
    assert lines.parse(line[:-1]) == given_ | {"d": lines.digest(line[:-1])}


def test_the_digest_is_sha256_of_the_line_without_it() -> None:
    given_ = event(text="x")
    whole = hashlib.sha256(json.dumps(given_, sort_keys=True, separators=(",", ":")).encode())
    assert lines.digest(lines.seal(given_)[:-1]) == whole.hexdigest()[:32]


@given(st.data())
def test_no_byte_of_a_line_changes_unseen(data: st.DataObject) -> None:
    raw = bytearray(lines.seal(event(text="é", n=1.5))[:-1])
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255).filter(lambda b: b != raw[at]))
    with pytest.raises(lines.Flaw):
        lines.parse(bytes(raw))


@given(st.binary(max_size=200))
def test_any_bytes_are_tolerated(data: bytes) -> None:
    for raw in lines.whole(data):
        assert lines.digest(raw) is None
        with pytest.raises(lines.Flaw):
            lines.parse(raw)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"v": 2}, "v"),
        ({"e": "rename"}, "e"),
        ({"id": "../../etc"}, "id"),
        ({"run": 5}, "run"),
        ({"t": "yesterday"}, "t"),
        ({"p": None}, "p"),
    ],
)
def test_a_wrong_envelope_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(lines.Flaw) as caught:
        lines.parse(lines.seal(event() | change)[:-1])
    assert caught.value.field == field


@given(
    st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), max_size=9),
    st.binary(max_size=9),
)
def test_chunks_are_the_whole_lines_of_a_file(rows: list[bytes], tail: bytes) -> None:
    whole = b"".join(row + b"\n" for row in rows)
    data = whole + tail.replace(b"\n", b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "CHUNK", 4)
        assert b"".join(lines.chunks(io.BytesIO(data))) == whole
