from __future__ import annotations

import io
import re

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


def shown(
    stream: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    said: list[dict[str, object]] | None = None,
) -> str:
    now = [100.0]
    monkeypatch.setattr("core.cli.progress.time.monotonic", lambda: now[0])
    monkeypatch.setattr("sys.stderr", stream)
    show = Progress("toy/baseline seed 0")
    for event in said or events():
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


@pytest.mark.parametrize("total", [8, 12])  # other work of as many pieces begins anew, too
def test_work_after_other_work_of_its_phase_has_a_clock_of_its_own(
    monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    said = [
        {"kind": "phase", "name": "evaluating"},
        *({"kind": "progress", "done": n, "total": 12, "note": "copied"} for n in (4, 8, 12)),
        *({"kind": "progress", "done": n, "total": total, "note": f"map {n}"} for n in (2, 4)),
    ]
    text = shown(Terminal(), monkeypatch, said)
    lefts = re.findall(r"(\S+) left", text)
    rest = {8: ["30s", "20s"], 12: ["50s", "40s"]}[total]  # two in ten seconds
    assert lefts == ["20s", "10s", "0s", *rest]


def test_elsewhere_there_are_plain_lines_without_control_codes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = shown(io.StringIO(), monkeypatch)
    assert "\r" not in text
    assert "\x1b" not in text
    assert text.splitlines()[-1].startswith("toy/baseline seed 0  finished")
