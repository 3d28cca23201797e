"""One event, one line: canonical JSON that ends in its own digest and names the line before it.

The digest is over the very bytes of the line, so a reader needs no second encoding to check it,
and the line can be copied from file to file without losing its place in the chain.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NoReturn

SCHEMA = 1
EVENTS = ("started", "ended", "verdict", "decision", "note")
ENVELOPE = ("v", "e", "id", "run", "t", "p", "d")  # p: digest of the writer's line before; d: own
MAX_LINE = 1 << 20  # bytes; what is larger is an artifact, named by its digest
CHUNK = 1 << 20  # bytes read at once

_MARK = b',"d":"'
_END = b'"}'
_DIGEST = 32  # hex digits: 128 bits of sha256
_BODY = len(_MARK) + _DIGEST + len(_END)
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Flaw(ValueError):
    """Why a line does not count: the field at fault, and what is wrong with it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def _not_finite(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


_decode = json.JSONDecoder(parse_constant=_not_finite).decode


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no spaces, shortest floats. Text that is not Unicode becomes '?'.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "replace")


def seal(event: Mapping[str, Any]) -> bytes:
    """The line of an event that has all of its envelope but `d`; newline included."""
    body = canonical(event)
    return body[:-1] + _MARK + _sum(body) + _END + b"\n"


def digest(raw: bytes) -> str | None:
    """The digest that a line ends in, or None when its bytes do not have it."""
    body, mark, end = raw[:-_BODY], raw[-_BODY : len(_MARK) - _BODY], raw[-len(_END) :]
    claimed = raw[len(_MARK) - _BODY : -len(_END)]
    if mark != _MARK or end != _END or _sum(body + b"}") != claimed:
        return None
    return claimed.decode()


def parse(raw: bytes) -> dict[str, Any]:
    """The event of a line, digest and all.

    Raises:
        Flaw: the digest, the JSON, the schema version or the envelope is wrong.
    """
    if digest(raw) is None:
        raise Flaw("d", "the bytes of the line do not have this digest")
    return read(raw)


def read(raw: bytes) -> dict[str, Any]:
    """The event of a line whose digest holds.

    Raises:
        Flaw: the JSON, the schema version or the envelope is wrong.
    """
    event = loose(raw)
    if event.get("v") != SCHEMA:
        raise Flaw(
            "v", f"schema {event.get('v')!r} is not read by this version, which reads {SCHEMA}"
        )
    if event.get("e") not in EVENTS:
        raise Flaw("e", f"no event kind {event.get('e')!r}; known: {', '.join(EVENTS)}")
    for field, rule in (("id", _ID), ("run", _ID), ("t", _TIME)):
        if not isinstance(event.get(field), str) or not rule.fullmatch(event[field]):
            raise Flaw(field, f"{event.get(field)!r} is not as it should be")
    if not isinstance(event.get("p"), str):
        raise Flaw("p", f"{event.get('p')!r} is no digest")
    return event


def loose(raw: bytes) -> dict[str, Any]:
    """The JSON object in a line, digest unchecked.

    Raises:
        Flaw: it is none.
    """
    try:
        event = _decode(raw.decode())
    except (ValueError, RecursionError) as error:
        raise Flaw("line", f"not JSON ({error})") from error
    if not isinstance(event, dict):
        raise Flaw("line", f"{type(event).__name__}, not a JSON object")
    return event


def whole(data: bytes) -> list[bytes]:
    """The lines of `data` without their newlines; what follows the last newline is left out."""
    return [raw.rstrip(b"\r") for raw in data.split(b"\n")[:-1]]


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """The rest of a file in pieces that end in a newline; a torn tail is left out."""
    rest = b""
    while data := file.read(CHUNK):
        data = rest + data
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if cut:
            yield data[:cut]


def _sum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:_DIGEST].encode()
