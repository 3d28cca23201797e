from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core import control, execute, locks, plan
from core.contract import Budget
from core.errors import AssayError, Exit
from core.execute import Supervisor
from core.ledger.record import RunRecord
from core.project import Project
from core.spec import Limits
from tests import toy


def run(project: Project, **given: object) -> RunRecord:
    misbehave = given.pop("misbehave", "")
    overrides = {"misbehave": misbehave, **given.pop("set", {})}  # type: ignore[dict-item]
    spec = plan.prepare(project, "toy", overrides=overrides, **given)  # type: ignore[arg-type]
    return Supervisor(project).run(spec)


def test_a_run_is_recorded_against_the_commit_of_its_exact_tree(project: Project) -> None:
    file = project.root / "toytask.py"
    file.write_text(file.read_text() + "# edited\n")
    record = run(project, seed=3)
    assert record.status == "finished"
    assert record.git is not None
    assert record.git.dirty
    assert record.git.head == toy.run_git(project.root, "rev-parse", "HEAD")
    assert "# edited" in toy.run_git(project.root, "show", f"{record.git.commit}:toytask.py")
    assert record.metrics["error"].direction == "min"
    assert record.absent == {"gpu_ms": "no CUDA"}
    assert record.seed == 3
    assert record.series["loss/l2"].rows == 20
    assert {a.path for a in record.artifacts} >= {"checkpoints/best.ckpt", "checkpoints/last.ckpt"}
    assert record.timing.train_s is not None
    assert record.resources.peak_rss_mib


@pytest.mark.parametrize(
    ("misbehave", "status", "reason"),
    [
        ("raise", "failed", "ValueError: the toy was told to fail"),
        ("undeclared", "failed", "undeclared metrics"),
        ("nan", "diverged", "3 non-finite losses in a row"),
        ("exit", "crashed", "left with code 7 and no result"),
        ("abort", "crashed", "killed by SIGABRT"),
    ],
)
def test_every_way_to_end_has_its_own_status(
    project: Project, misbehave: str, status: str, reason: str
) -> None:
    record = run(project, misbehave=misbehave)
    assert (record.status, record.metrics) == (status, {})
    assert reason in record.reason


def test_a_failure_names_file_and_line_in_the_task(project: Project) -> None:
    record = run(project, misbehave="raise")
    assert record.error is not None
    lines = (project.root / "toywork.py").read_text().splitlines()
    assert record.error["file"] == "toywork.py"
    assert "the toy was told to fail" in lines[record.error["line"] - 1]
    assert any("ValueError" in line for line in record.log_tail)


def test_a_nan_metric_stays_a_measured_one(project: Project) -> None:
    record = run(project, misbehave="nanmetric")
    assert record.status == "finished"
    assert record.metrics["error"].value != record.metrics["error"].value


def test_memory_over_the_limit_is_oom(project: Project) -> None:
    record = run(project, misbehave="memory", limits=Limits(memory_mib=200))
    assert (record.status, record.reason) == ("oom", "resident memory passed the limit")


def test_total_time_is_a_timeout_polite_first(project: Project) -> None:
    slow = run(project, set={"step_s": 0.05, "total_steps": 1000}, limits=Limits(total_s=0.5))
    assert slow.status == "timeout"
    assert (project.run_dir(slow.run) / "checkpoints" / "last.ckpt").exists()
    hung = run(project, misbehave="hang", limits=Limits(total_s=2, grace_s=0.3))
    assert hung.status == "timeout"
    assert "killed" in hung.reason


def test_a_training_budget_is_no_timeout(project: Project) -> None:
    record = run(project, set={"step_s": 0.02, "total_steps": 1000}, budget=Budget(seconds=0.3))
    assert record.status == "finished"
    assert record.budget.kind == "seconds"
    assert record.steps is not None
    assert 1 < record.steps < 1000


def test_stop_cancels_at_the_next_step_without_evaluating(project: Project) -> None:
    spec = plan.prepare(project, "toy", overrides={"step_s": 0.02, "total_steps": 1000})
    supervisor = Supervisor(project)

    def ask() -> None:
        while not (spec.dir / "checkpoints" / "last.ckpt").exists():
            time.sleep(0.02)
        control.stop(project, [supervisor.ledger.find(spec.run)])

    asking = threading.Thread(target=ask)
    asking.start()
    record = supervisor.run(spec)
    asking.join()
    assert record.status == "cancelled"
    assert record.metrics == {}


def test_resume_is_exact(project: Project) -> None:
    whole = run(project, seed=5)
    spec = plan.prepare(project, "toy", seed=5, overrides={"step_s": 0.02})
    supervisor = Supervisor(project)

    def stop(event: dict[str, object]) -> None:
        if event["kind"] == "checkpoint" and event["step"] == 7:
            (spec.dir / control.STOP).touch()

    cut = supervisor.run(spec, watch=stop)
    assert cut.status == "cancelled"
    again = supervisor.run(execute.resume(project, cut))
    assert (again.run, again.attempt, again.status) == (cut.run, 2, "finished")
    assert again.metrics["error"].value == whole.metrics["error"].value
    assert again.series["loss/l2"] == whole.series["loss/l2"]
    with pytest.raises(AssayError, match="is finished: nothing to resume"):
        execute.resume(project, again)


def test_two_supervisors_cannot_hold_one_run(project: Project) -> None:
    spec = plan.prepare(project, "toy")
    spec.dir.mkdir(parents=True)
    fd = locks.take(spec.dir / "alive")
    assert fd is not None
    with pytest.raises(AssayError, match="is running") as caught:
        Supervisor(project).run(spec)
    assert caught.value.exit_code is Exit.BUSY
    os.close(fd)


def test_a_complete_result_without_an_end_is_adopted(project: Project) -> None:
    first = Supervisor(project)
    spec = plan.prepare(project, "toy")
    from core import outcome, worker
    from core.identity import identify

    identity = identify(project, spec)
    spec = spec.model_copy(update={"group": identity.group, "comparable": identity.comparable})
    spec.dir.mkdir(parents=True)
    (spec.dir / "run.json").write_text(spec.model_dump_json())
    first.ledger.append("started", spec.run, outcome.started(spec, identity))
    worker.run_folder(spec.dir)
    assert first.ledger.find(spec.run).status == "lost"
    second = Supervisor(project)
    assert second.ledger.find(spec.run).status == "finished"
    assert len([e for e in second.ledger.events(spec.run) if e["e"] == "ended"]) == 1
    third = Supervisor(project)
    assert len([e for e in third.ledger.events(spec.run) if e["e"] == "ended"]) == 1


def test_evaluate_only_runs_take_a_checkpoint_and_do_not_train(project: Project) -> None:
    trained = run(project, seed=1)
    start = project.run_dir(trained.run) / "checkpoints" / "best.ckpt"
    record = run(project, seed=1, start_from=start)
    assert record.metrics["error"].value == trained.metrics["error"].value
    assert record.series == {}
    assert record.group != trained.group


def test_start_from_takes_the_config_of_the_run(project: Project) -> None:
    trained = run(project, seed=2, set={"total_steps": 7, "shift": 0.1})
    done = toy.assay(project.root, "run", "toy", "--start-from", f"{trained.run}:last", "--json")
    record = json.loads(done.stdout)["data"]
    assert record["parent"] == trained.run
    assert (record["seed"], record["config"]["total_steps"]) == (2, 7)
    refused = toy.assay(project.root, "run", "toy", "-v", "quick", "--start-from", trained.run)
    assert refused.returncode == 2


def test_groups_join_seeds_and_part_configs_code_and_budgets(project: Project) -> None:
    a, b = run(project, seed=0), run(project, seed=1)
    other = run(project, set={"lr": 0.2})
    budget = run(project, budget=Budget(steps=20))
    work = project.root / "toywork.py"
    (project.root / "README").write_text("not code\n")
    same = run(project, seed=2)
    work.write_text(work.read_text() + "# changed\n")
    code = run(project)
    assert a.group == b.group == same.group
    assert len({a.group, other.group, budget.group, code.group}) == 4
    assert a.comparable == other.comparable
    assert budget.comparable != a.comparable


def test_code_that_changes_while_it_runs_fails_the_run(project: Project) -> None:
    spec = plan.prepare(project, "toy", overrides={"total_steps": 5})
    supervisor = Supervisor(project)
    identity = execute.identify(project, spec)
    work = project.root / "toywork.py"
    work.write_text(work.read_text() + "# moved\n")
    record = supervisor.run(spec, identity)
    assert record.status == "failed"
    assert "code moved" in record.reason
    assert "toywork.py" in record.reason
    assert record.metrics == {}


def test_a_missing_input_stops_before_anything_is_recorded(project: Project) -> None:
    with pytest.raises(AssayError, match="input 'points' is not there"):
        run(project, set={"points": "nowhere.csv"})
    assert Supervisor(project).ledger.records() == []


def test_inputs_are_digested_and_part_what_can_be_compared(project: Project) -> None:
    file = project.root / "points.csv"
    file.write_text("".join(f"{x / 20},{x / 10}\n" for x in range(20)))
    a = run(project, set={"points": "points.csv"})
    file.write_text("".join(f"{x / 20},{x / 5}\n" for x in range(20)))
    b = run(project, set={"points": "points.csv"})
    assert a.data[0].files == 1
    assert a.data[0].digest != b.data[0].digest
    assert a.comparable != b.comparable


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "tpu", "cuda:x"])
def test_a_device_that_is_not_there_is_refused_at_plan_time(
    project: Project, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(AssayError, match="device") as caught:
        plan.prepare(project, "toy", device=device)
    assert caught.value.code == "no_device"


def test_a_killed_supervisor_takes_the_child_along_and_leaves_a_lost_run(project: Project) -> None:
    pid, spec = background(project, {"step_s": 0.02, "total_steps": 100000})
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until(lambda: not locks.held(spec / "alive"))
    supervisor = Supervisor(project)
    record = supervisor.ledger.find(spec.name)
    assert record.status == "lost"
    again = execute.resume(project, record)
    assert again.attempt == 2


def test_sigterm_cancels_records_and_exits(project: Project) -> None:
    pid, spec = background(project, {"step_s": 0.02, "total_steps": 100000})
    os.kill(pid, signal.SIGTERM)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == Exit.INTERRUPTED
    assert Supervisor(project).ledger.find(spec.name).status == "cancelled"


def background(project: Project, overrides: dict[str, object]) -> tuple[int, Path]:
    """`assay run toy` in a process of its own, once its child trains; pid and run folder."""
    words = [w for k, v in overrides.items() for w in ("-o", f"{k}={v}")]
    argv = ["-m", "core.cli", "-C", str(project.root), "run", "toy", *words, "--json"]
    quiet = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    quiet2 = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)

    env = {**os.environ, "PYTHONPATH": str(toy.ROOT)}
    pid = os.posix_spawn(sys.executable, [sys.executable, *argv], env, file_actions=[quiet, quiet2])
    found = until(lambda: next(iter(project.runs.glob("*/checkpoints/last.ckpt")), None))
    return pid, found.parent.parent


def until(found: object, seconds: float = 20.0) -> Path:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        got = found()  # type: ignore[operator]
        if got:
            return got  # type: ignore[no-any-return]
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_the_spec_on_disk_is_the_whole_run(project: Project) -> None:
    record = run(project, seed=4)
    spec = json.loads((project.run_dir(record.run) / "run.json").read_text())
    assert spec["seed"] == 4
    assert spec["group"] == record.group
    assert spec["config"] == record.config


def test_a_full_disk_is_one_clear_line(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    supervisor = Supervisor(project)
    spec = plan.prepare(project, "toy")
    monkeypatch.setattr("core.ledger.disk.replace", full)
    with pytest.raises(AssayError, match=r"cannot write to .*: No space left on device\. Nothing"):
        supervisor.run(spec)
    assert not locks.held(spec.dir / "alive")


def test_an_error_of_a_watcher_does_not_leave_the_child_behind(project: Project) -> None:
    spec = plan.prepare(project, "toy", overrides={"step_s": 0.02, "total_steps": 1000})

    def broken(event: dict[str, object]) -> None:
        raise RuntimeError("the display broke")

    with pytest.raises(RuntimeError, match="the display broke"):
        Supervisor(project).run(spec, watch=broken)
    assert Supervisor(project).ledger.find(spec.run).status == "lost"


def test_a_run_does_not_go_on_under_other_code(project: Project) -> None:
    cut = run(project, misbehave="raise")
    work = project.root / "toywork.py"
    work.write_text(work.read_text() + "# changed\n")
    with pytest.raises(AssayError, match=rf"run {cut.run} cannot go on: its code changed"):
        Supervisor(project).run(execute.resume(project, cut))
    assert Supervisor(project).ledger.find(cut.run).attempt == 1


def test_resume_adopts_a_result_that_was_left_behind(project: Project) -> None:
    record = run(project)
    journal = project.store / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))  # the supervisor died before it wrote the end
    done = toy.assay(project.root, "resume", record.run)
    assert done.returncode == 2
    assert "is finished: nothing to resume" in done.stderr
    after = Supervisor(project).ledger.find(record.run)
    assert (after.status, after.attempt) == ("finished", 1)


def test_the_core_that_runs_is_the_one_that_was_asked(project: Project) -> None:
    record = run(project)
    result = json.loads((project.run_dir(record.run) / "result.json").read_text())
    assert Path(result["core"]) == Path(execute.__file__).parent / "worker.py"


def test_sigint_while_torch_loads_is_a_cancel(project: Project) -> None:
    file = project.root / "toytask.py"
    file.write_text(file.read_text().replace('framework="none"', 'framework="torch"'))
    command = [sys.executable, "-m", "core.cli", "-C", str(project.root), "run", "toy"]
    command += ["-o", "total_steps=100000", "-o", "step_s=0.01"]
    process = subprocess.Popen(
        command, cwd=toy.ROOT, stderr=subprocess.PIPE, start_new_session=True
    )
    until(lambda: next(iter(project.runs.glob("*/run.json")), None))
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == Exit.INTERRUPTED, said
    assert "Traceback" not in said
    assert Supervisor(project).ledger.find("@last").status == "cancelled"
