"""Whether W&B's offline file holds a whole run: W&B itself says nothing when the disk is full.

The file is 7 bytes of header, then LevelDB's log: blocks of 32 KiB, in each records with a head of
7 bytes (crc32, length, kind: 1 whole, 2 first, 3 middle, 4 last part). A record's first field is
its number. Checked against `wandb leet inspect` in the tests.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

BLOCK, HEAD, BEGIN = 32768, 7, 7


def whole(path: Path) -> bool:
    """Whether the records are numbered without a gap and the last one ends the run."""
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record

    last, count = b"", 0
    for count, last in enumerate(records(path), start=1):
        if _number(last) != count:
            return False
    try:
        return count > 0 and Record.FromString(last).WhichOneof("record_type") == "exit"
    except DecodeError:
        return False


def last_step(path: Path) -> int:
    """The highest step of a row; -1 when there is none."""
    from wandb.proto.wandb_internal_pb2 import Record

    steps = (Record.FromString(one) for one in records(path))
    return max((r.history.step.num for r in steps if r.HasField("history")), default=-1)


def records(path: Path) -> Iterator[bytes]:
    """Every complete record, as bytes."""
    data = path.read_bytes()
    at, parts = BEGIN, b""
    while at + HEAD <= len(data):
        room = BLOCK - at % BLOCK
        if room < HEAD:  # what is left of a block is padding
            at += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        at += HEAD
        parts = (b"" if kind in (1, 2) else parts) + data[at : at + length]
        if at + length > len(data):
            return
        at += length
        if kind in (1, 4):
            yield parts


def _number(record: bytes) -> int:
    """The first field, a varint with tag 1."""
    value = shift = 0
    for byte in record[1:] if record[:1] == b"\x08" else b"":
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7
    return -1
