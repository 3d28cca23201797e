from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from core.errors import AssayError
from tasks.circuitnet import archives


def pack(path: Path, members: dict[str, bytes], change: object = None) -> bytes:
    """A .tar.gz; `change` may alter each member's header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if callable(change):
                change(member)
            tar.addfile(member, io.BytesIO(content))
    return path.read_bytes()


MEMBERS = {f"power_t/{i}.npy": bytes([i]) * 5000 * (i + 1) for i in range(4)}


def unpacked(out: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(out)): p.read_bytes()
        for p in out.rglob("*")
        if p.is_file() and p.name != archives.DONE
    }


def test_archives_keep_their_place_and_are_unpacked_once(tmp_path: Path) -> None:
    pack(tmp_path / "in" / "RUDY" / "RUDY.tar.gz", {"RUDY/a.npy": b"1"})
    pack(tmp_path / "in" / "cells.tgz", {"cell_density/a.npy": b"2"})
    assert archives.unpack(tmp_path / "in", tmp_path / "out") == (2, 0)
    wanted = {"RUDY/RUDY/a.npy": b"1", "cell_density/a.npy": b"2"}
    assert unpacked(tmp_path / "out") == wanted
    (tmp_path / "out" / "cell_density" / "a.npy").unlink()
    pack(tmp_path / "in" / "cells.tgz", {"cell_density/a.npy": b"345"})  # a new download
    assert archives.unpack(tmp_path / "in", tmp_path / "out") == (1, 1)


@pytest.mark.parametrize("suffix", [".{:02d}", ".{}", "{}"])
def test_parts_are_one_archive(tmp_path: Path, suffix: str) -> None:
    whole = pack(tmp_path / "power_t.tar.gz", MEMBERS)
    (tmp_path / "power_t.tar.gz").unlink()
    size = -(-len(whole) // 12)  # twelve parts: 10 must come after 9
    for i in range(12):
        name = "power_t.tar.gz" + suffix.format(i)
        (tmp_path / name).write_bytes(whole[i * size : (i + 1) * size])
    assert archives.unpack(tmp_path, tmp_path / "out") == (1, 0)
    assert unpacked(tmp_path / "out") == MEMBERS


def test_a_missing_part_keeps_nothing(tmp_path: Path) -> None:
    import random

    noise = {"a.npy": random.Random(0).randbytes(90_000)}
    whole = pack(tmp_path / "in" / "x.tar.gz", noise)
    (tmp_path / "in" / "x.tar.gz").unlink()
    (tmp_path / "in" / "x.tar.gz.aa").write_bytes(whole[:30_000])
    (tmp_path / "in" / "x.tar.gz.ac").write_bytes(whole[60_000:])
    with pytest.raises(AssayError, match=r"x.tar.gz \(2 file\(s\)\) cannot be unpacked"):
        archives.unpack(tmp_path / "in", tmp_path / "out")
    assert unpacked(tmp_path / "out") == {}


@pytest.mark.parametrize("name", ["../out.npy", "a/../../out.npy", "/abs.npy"])
def test_members_outside_the_target_end_it(tmp_path: Path, name: str) -> None:
    pack(tmp_path / "in" / "x.tar.gz", {"good.npy": b"1", name: b"2"})
    with pytest.raises(AssayError, match="outside the target folder"):
        archives.unpack(tmp_path / "in", tmp_path / "out")
    assert unpacked(tmp_path) == {"in/x.tar.gz": (tmp_path / "in" / "x.tar.gz").read_bytes()}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_end_it(tmp_path: Path, kind: bytes) -> None:
    def change(member: tarfile.TarInfo) -> None:
        member.type, member.linkname, member.size = kind, "/etc/passwd", 0

    pack(tmp_path / "in" / "x.tar.gz", {"link": b""}, change)
    with pytest.raises(AssayError, match="no plain file"):
        archives.unpack(tmp_path / "in", tmp_path / "out")


def test_whole_and_parts_together_are_ambiguous(tmp_path: Path) -> None:
    pack(tmp_path / "x.tar.gz", {"a": b"1"})
    (tmp_path / "x.tar.gz.00").write_bytes(b"1")
    with pytest.raises(AssayError, match="whole and in parts"):
        archives.find(tmp_path)


def test_nothing_to_unpack(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"holds no \.tar\.gz"):
        archives.find(tmp_path)
    with pytest.raises(AssayError, match="no folder"):
        archives.find(tmp_path / "nowhere")
