"""What the header says of the machine."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import psutil
import pytest

from core.project import Project
from core.tui import machine


def test_the_load_is_since_the_last_look_whichever_thread_looks(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Times(SimpleNamespace):
        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter(vars(self).values())

    told = iter([Times(user=u, idle=i, iowait=2.0, guest=1.0) for u, i in ((9, 8), (12, 9))])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(told))
    monkeypatch.setattr(machine, "LOAD_S", 0.0)
    gauge, seen = machine.Gauge(project), []
    for _ in range(2):
        one = threading.Thread(target=lambda: seen.append(gauge.look().cpu))
        one.start()
        one.join()
    # 9 of 19 seconds busy, guests counted once (they are part of user); then 3 of 4
    assert seen == pytest.approx([100 * 9 / 19, 75.0])
