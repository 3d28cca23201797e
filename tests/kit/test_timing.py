from __future__ import annotations

from core.kit import timing


def test_calls_are_warmed_up_and_repeated_and_the_middle_is_reported(monkeypatch) -> None:
    clock = iter([0.0, 0.010, 1.0, 1.020, 2.0, 2.030, 3.0, 3.040, 4.0, 4.500])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    calls = []
    got = timing.measure(lambda: calls.append(1), warm_up=3, repeats=5)
    assert len(calls) == 8
    assert round(got.median_ms, 6) == 30.0
    assert round(got.p95_ms, 6) == 408.0  # between 40 and 500, by linear interpolation
