from __future__ import annotations

import io

import pytest

from core.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def events() -> list[dict[str, object]]:
    return [
        {"kind": "phase", "name": "training"},
        {"kind": "checkpoint", "step": 2, "metrics": {"ssim": 0.5}},
        {"kind": "progress", "done": 3, "total": 12},
        {"kind": "progress", "done": 4, "total": 9, "note": "windows"},
    ]


def shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    now = [100.0]
    monkeypatch.setattr("core.cli.progress.time.monotonic", lambda: now[0])
    monkeypatch.setattr("sys.stderr", stream)
    show = Progress("toy/baseline seed 0")
    for event in events():
        show(event)
        now[0] += 10.0
    show.end("finished")
    return stream.getvalue()


def test_a_terminal_gets_one_line_that_moves_with_bar_and_eta(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = shown(Terminal(), monkeypatch)
    moving = text.split("\r\x1b[K")
    assert any("3/12" in line and "1m00s left" in line and "ssim 0.5" in line for line in moving)
    assert any("4/9 windows  " in line for line in moving)
    assert "━" in text
    assert moving[-1].startswith("toy/baseline seed 0  finished")


def test_elsewhere_there_are_plain_lines_without_control_codes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = shown(io.StringIO(), monkeypatch)
    assert "\r" not in text
    assert "\x1b" not in text
    assert text.splitlines()[-1].startswith("toy/baseline seed 0  finished")
