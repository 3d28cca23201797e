"""One run from start to ledger line: locks, `started`, a child process watched, `ended`."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from core import child, control, events, locks, logfile, outcome, registry
from core.errors import AssayError, Exit
from core.identity import Identity, identify
from core.ledger import Ledger, disk
from core.ledger.record import RunRecord
from core.project import Project
from core.spec import RunSpec

Watch = Callable[[dict[str, Any]], None]  # sees every event of events.jsonl
Decide = Callable[[float, int], bool]  # (value, step) -> give the trial up
POLL_S = 0.1
MEMORY_SHARE = 0.9  # of the machine, when no limit is given


class Ended(NamedTuple):
    """How the child's process ended."""

    exit_code: int
    cause: str | None  # what the supervisor did to it: cancelled, timeout, oom


class Supervisor:
    """Runs runs one after another, each in a child of its own; remembers a wish to stop."""

    def __init__(self, project: Project, ledger: Ledger | None = None) -> None:
        self.project = project
        self.ledger = ledger or Ledger(project)
        self.stopped = False  # a signal asked for the end: start nothing more
        self._hurry = False  # a second one: do not wait for the grace
        registry.load(project)  # makes the checkout's tasks importable
        outcome.adopt(self.project, self.ledger)

    def run(
        self,
        spec: RunSpec,
        identity: Identity | None = None,
        *,
        watch: Watch | None = None,
        decide: Decide | None = None,
        tree: Path | None = None,
        here: bool = False,
    ) -> RunRecord:
        """Execute a run and record it; a failure of the run is a status, not an exception.

        `tree`: another checkout of this project, whose `core` and tasks do the run. `here`: in this
        process, for a debugger.

        Raises:
            AssayError: the run is alive elsewhere (exit 75), or an input is missing.
        """
        identity = identity or identify(self.project, spec)
        with self._alive(spec) as alive, self._device(spec, watch) as device, self.hearing():
            self._check_attempt(spec, identity)
            digests = {"group": identity.group, "comparable": identity.comparable}
            spec = spec.model_copy(update=digests)
            spec = spec.model_copy(update={"device": device, "code": tree})
            (spec.dir / control.STOP).unlink(missing_ok=True)
            with disk.writing(spec.dir):
                disk.replace(spec.dir / "run.json", spec.model_dump_json(indent=1).encode())
            self.ledger.append("started", spec.run, outcome.started(spec, identity))
            if here:
                ended = _inline(spec)
            else:
                ended = self._watch(self._start(spec, alive, tree), spec, watch, decide)
            outcome.check_code(self.project, spec, identity.git)
            self.ledger.append("ended", spec.run, outcome.ended(spec, ended.exit_code, ended.cause))
        return self.ledger.find(spec.run)

    def _check_attempt(self, spec: RunSpec, identity: Identity) -> None:
        """Refuse another attempt under other code or data: its number would belong to neither."""
        if spec.attempt == 1:
            return
        before = self.ledger.find(spec.run)
        if before.attempt >= spec.attempt:
            raise AssayError(
                f"run {spec.run} was resumed by another process meanwhile",
                f"See `assay show {spec.run}`",
                code="busy",
                exit_code=Exit.BUSY,
            )
        if identity.group == spec.group:
            return
        code = before.git and identity.git and before.git.code_tree != identity.git.code_tree
        raise AssayError(
            f"run {spec.run} cannot go on: its {'code' if code else 'code, data or settings'} "
            "changed since it began",
            f"Bring the old state back, or start again with `assay run {spec.task}`",
            code="changed",
        )

    @contextmanager
    def _alive(self, spec: RunSpec) -> Iterator[int]:
        with disk.writing(self.project.runs):
            spec.dir.mkdir(parents=True, exist_ok=True)
            fd = locks.take_soon(spec.dir / "alive")
        if fd is None:
            raise AssayError(
                f"run {spec.run} is running",
                f"Wait for it with `assay wait {spec.run}`",
                code="busy",
                exit_code=Exit.BUSY,
            )
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _device(self, spec: RunSpec, watch: Watch | None) -> Iterator[str]:
        """Hold one GPU: the one asked for, else the first that is free; waits for it."""
        kind, _, index = spec.device.partition(":")
        if kind != "cuda":
            yield spec.device
            return
        import torch

        choices = [int(index)] if index else range(torch.cuda.device_count())
        while (held := self._free(choices)) is None:
            if self.stopped:
                raise AssayError(
                    "stopped while waiting for a GPU", code="stopped", exit_code=Exit.INTERRUPTED
                )
            if watch:
                watch({"kind": "phase", "name": "waiting for a GPU that another run holds"})
            time.sleep(POLL_S)
        try:
            yield f"cuda:{held[0]}"
        finally:
            os.close(held[1])

    def _free(self, choices: Iterable[int]) -> tuple[int, int] | None:
        """The first GPU whose lock is free, with the descriptor that holds it now."""
        for n in choices:
            fd = locks.take(self.project.store / "locks" / f"cuda-{n}")
            if fd is not None:
                return n, fd
        return None

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """SIGINT and SIGTERM become a wish that the loop sees; never an exception in the middle."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(*_: Any) -> None:
            self._hurry = self.stopped
            self.stopped = True

        old = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _start(self, spec: RunSpec, alive: int, tree: Path | None) -> child.Child:
        if tree:
            return child.Fresh(tree, spec, alive)
        return child.Forked(child.warm_context(registry.resolve(spec.use)), spec, alive)

    def _watch(
        self, process: child.Child, spec: RunSpec, watch: Watch | None, decide: Decide | None
    ) -> Ended:
        """Pump output, answer reports, keep the limits, until the process is gone."""
        log = logfile.LogFile(spec.dir / "log.txt")
        tail = events.Tail(spec.dir / events.NAME)
        guard = _Guard(spec)
        sources = [process.log]
        try:
            while (code := process.exit_code()) is None:
                for ready in wait([*sources, *process.waitables()], POLL_S):
                    if ready is process.log and not _pump(process.log, log):
                        sources = []
                for word, payload in process.messages():
                    if word == "report":
                        process.send("prune", bool(decide and decide(*payload)))
                guard.look(process, self.stopped, self._hurry)
                _show(tail, watch)
            while sources and process.log.poll() and _pump(process.log, log):
                pass
        finally:
            child.kill(process)  # also what an ended run left behind in its group
            process.close()
            log.close()
        _show(tail, watch)
        return Ended(code, guard.cause)


class _Guard:
    """The limits of a run: cancel, total time, memory. Polite first, SIGKILL after the grace."""

    def __init__(self, spec: RunSpec) -> None:
        self.cause: str | None = None
        self._limits = spec.limits
        self._stop = spec.dir / control.STOP
        self._memory = (
            spec.limits.memory_mib or psutil.virtual_memory().total / 2**20 * MEMORY_SHARE
        )
        self._began = time.monotonic()
        self._asked: float | None = None
        self._next_memory = 0.0

    def look(self, process: child.Child, stopped: bool, hurry: bool) -> None:
        now = time.monotonic()
        if self._asked is None:
            total = self._limits.total_s
            if stopped or self._stop.exists():
                self._ask(process, "cancelled", now)
            elif total is not None and now - self._began > total:
                self._ask(process, "timeout", now)
        elif hurry or now - self._asked > self._limits.grace_s:
            child.kill(process)
        if now >= self._next_memory:
            self._next_memory = now + 0.5
            if child.resident_mib(process.pid) > self._memory:
                self.cause = "oom"
                child.kill(process)

    def _ask(self, process: child.Child, cause: str, now: float) -> None:
        self.cause, self._asked = cause, now
        process.send("cancel")


def _show(tail: events.Tail, watch: Watch | None) -> None:
    """Pass on what is new."""
    if watch:
        for event in tail.new():
            watch(event)


def _pump(pipe: Any, log: logfile.LogFile) -> bool:
    """Move what waits in the output pipe; False at its end."""
    data = os.read(pipe.fileno(), 65536)
    log.feed(data)
    return bool(data)


def _inline(spec: RunSpec) -> Ended:
    from core import worker

    worker.run_folder(spec.dir)
    return Ended(0, None)


def resume(project: Project, record: RunRecord) -> RunSpec:
    """The spec of another attempt at an interrupted run: same id, same config, next attempt.

    Raises:
        AssayError: the run finished, or its folder is gone.
    """
    file = project.run_dir(record.run) / "run.json"
    if record.status in ("finished", "pruned"):
        raise AssayError(
            f"run {record.run} is {record.status}: nothing to resume",
            f"Start it again with `assay run {record.task}`",
            code="not_resumable",
        )
    if not file.exists():
        raise AssayError(
            f"run {record.run} has no folder here ({file.parent})",
            f"Repeat it with `assay repro {record.run}`",
            code="not_resumable",
        )
    spec = RunSpec.model_validate_json(file.read_text())
    return spec.model_copy(
        update={"attempt": record.attempt + 1, "root": project.root, "dir": file.parent}
    )
