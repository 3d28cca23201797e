from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from core import events, locks, plan
from core.contract import Absent, Budget, Cancelled, Diverged
from core.errors import AssayError
from core.kit import loop
from core.project import Project
from core.run import LiveRun
from core.spec import RunSpec
from core.worker import sort_out
from tests.toy import toytask


class Word:
    """A line whose supervisor says what the test wants."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def ask(self, value: float, step: int) -> bool:
        return False


def spec_of(project: Project, **given: object) -> RunSpec:
    return plan.prepare(project, "toy", **given)  # type: ignore[arg-type]


def live(project: Project, line: Word | None = None, **given: object) -> LiveRun:
    spec = spec_of(project)
    return LiveRun(spec.model_copy(update=given), toytask.task, line)


def rows(run: LiveRun) -> list[dict[str, object]]:
    return events.read(run.dir / events.NAME)


def test_log_keeps_numpy_scalars_and_marks_what_is_not_finite(project: Project) -> None:
    run = live(project)
    run.log({"a": 1.5, "b": 2}, 1)
    run.log({"a": np.float32(2.5), "b": float("nan")}, 2)
    assert events.series(run.dir / events.NAME) == {
        "a": [(1, 1.5), (2, 2.5)],
        "b": [(1, 2), (2, None)],
    }
    assert events.summary(run.dir / events.NAME)["b"] == {
        "rows": 2,
        "last": None,
        "min": 2,
        "max": 2,
    }


def test_a_torn_event_is_skipped_and_the_next_attempt_starts_a_fresh_line(project: Project) -> None:
    run = live(project)
    run.log({"a": 1.0}, 1)
    path = run.dir / events.NAME
    path.write_bytes(path.read_bytes() + b'{"t": 1, "kind": "lo')
    events.Writer(path).log({"a": 2.0}, 2)
    assert events.series(path) == {"a": [(1, 1.0), (2, 2.0)]}


def test_the_tail_gives_each_event_once_and_whole(project: Project) -> None:
    run = live(project)
    tail = events.Tail(run.dir / events.NAME)
    run.log({"a": 1.0}, 1)
    assert [e["step"] for e in tail.new()] == [1]
    with (run.dir / events.NAME).open("a") as file:
        file.write('{"kind": "log", "step": 2,')
        file.flush()
        assert list(tail.new()) == []
        file.write(' "values": {}}\n')
    assert [e["step"] for e in tail.new()] == [2]


def test_best_follows_the_metrics_direction_and_ignores_nan(project: Project) -> None:
    run = live(project)
    for step, error in enumerate([3.0, 1.0, float("nan"), 2.0], start=1):
        run.checkpoint({"n": step}, step, {"error": error})
    saved = {n: json.loads((run.checkpoints / f"{n}.ckpt").read_text()) for n in ("last", "best")}
    assert saved["best"]["step"] == 2
    assert saved["last"]["step"] == 4
    assert run.judged().name == "best.ckpt"


def test_no_checkpoint_is_an_error_not_a_score(project: Project) -> None:
    with pytest.raises(AssayError, match="ended without a checkpoint"):
        live(project).judged()


def test_a_budget_of_steps_ends_the_loop_for_evaluation(project: Project) -> None:
    run = LiveRun(spec_of(project, budget=Budget(steps=3)), toytask.task)
    assert list(loop.steps(10, run, {})) == [1, 2, 3]


def test_progress_of_other_work_is_no_step(project: Project) -> None:
    run = live(project)
    run.progress(2, 9)
    run.progress(121, 121, "windows")
    assert run.steps_done == 2


def test_a_budget_of_seconds_counts_from_training_and_over_attempts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("core.run.time.monotonic", lambda: now[0])
    spec = spec_of(project, budget=Budget(seconds=10))
    run = LiveRun(spec, toytask.task)
    now[0] += 50  # set-up is not training
    run.training_started()
    now[0] += 6
    assert not run.out_of_budget(1)
    run.checkpoint({"n": 1}, 1)
    again = LiveRun(spec.model_copy(update={"attempt": 2}), toytask.task)
    again.resume()
    again.training_started()
    now[0] += 3.9
    assert not again.out_of_budget(2)
    now[0] += 0.2
    assert again.out_of_budget(2)


def test_epochs_need_a_task_that_counts_them(project: Project) -> None:
    run = LiveRun(spec_of(project, budget=Budget(epochs=2)), toytask.task)
    assert list(loop.steps(10, run, {}, per_epoch=3)) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(AssayError, match="does not count epochs"):
        list(loop.steps(10, run, {}))


def test_cancel_saves_the_state_and_raises(project: Project) -> None:
    word = Word()
    run = live(project, word)
    walk = loop.steps(10, run, {"n": {"at": 4}})
    assert [next(walk) for _ in range(4)] == [1, 2, 3, 4]
    word.cancelled.set()
    with pytest.raises(Cancelled):
        next(walk)
    assert json.loads((run.checkpoints / "last.ckpt").read_text())["step"] == 4


def test_resume_continues_after_the_checkpoint_and_supersedes_later_events(
    project: Project,
) -> None:
    first = live(project)
    for step in (1, 2, 3):
        first.log({"a": float(step)}, step)
        if step == 2:
            first.checkpoint({"line": {"a": 5.0}}, 2)
    state = {"line": {"a": 0.0}}
    again = LiveRun(
        spec_of(project).model_copy(update={"attempt": 2, "dir": first.dir}), toytask.task
    )
    assert next(iter(loop.steps(5, again, state))) == 3
    assert state == {"line": {"a": 5.0}}
    again.log({"a": 30.0}, 3)
    assert events.series(first.dir / events.NAME) == {"a": [(1, 1.0), (2, 2.0), (3, 30.0)]}


def test_three_non_finite_losses_in_a_row_end_the_run_two_do_not(project: Project) -> None:
    run = live(project)
    for step, good in enumerate([False, False, True, False, False], start=1):
        run.loss_seen(good, step)
    assert run.nonfinite_steps == 4
    with pytest.raises(Diverged, match="at step 6"):
        run.loss_seen(False, 6)


def test_pictures_lie_in_the_run_folder(project: Project) -> None:
    run = live(project)
    path = run.image("map", np.zeros((4, 5, 3), dtype=np.uint8), step=2)
    assert path == run.dir / "images" / "map.png"
    assert rows(run)[-1] == {**rows(run)[-1], "kind": "image", "path": "images/map.png", "step": 2}


def test_evaluate_must_return_exactly_the_declared_metrics() -> None:
    given = {"error": 1.0, "score": float("nan"), "gpu_ms": Absent(reason="no CUDA")}
    got = sort_out(toytask.task, given, 2)
    values = {name: metric["value"] for name, metric in got["metrics"].items()}
    assert values == {"nonfinite_steps": 2.0, "error": 1.0, "score": "NaN"}
    assert got["metrics"]["score"]["unit"] == "dB"
    assert got["absent"] == {"gpu_ms": "no CUDA"}
    with pytest.raises(AssayError, match=r"undeclared metrics \['typo'\] and left out \['score'\]"):
        sort_out(toytask.task, {"error": 1.0, "typo": 1.0, "gpu_ms": Absent(reason="x")}, 0)


def test_quiet_excludes_another_timing(project: Project, tmp_path: Path) -> None:
    run = live(project)
    with run.quiet():
        assert locks.held(project.store / "locks" / "timing")
    assert not locks.held(project.store / "locks" / "timing")


def test_a_kill_between_last_and_best_loses_no_best(project: Project) -> None:
    first = live(project)
    first.checkpoint({"n": 1}, 1, {"error": 3.0})
    old_best = (first.checkpoints / "best.ckpt").read_bytes()
    first.checkpoint({"n": 2}, 2, {"error": 1.0})
    (first.checkpoints / "best.ckpt").unlink()  # it is a second name of last.ckpt
    (first.checkpoints / "best.ckpt").write_bytes(old_best)  # as a kill before the link leaves it
    again = LiveRun(
        spec_of(project).model_copy(update={"attempt": 2, "dir": first.dir}), toytask.task
    )
    again.resume()
    assert json.loads((first.checkpoints / "best.ckpt").read_text())["step"] == 2
