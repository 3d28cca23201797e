"""Starting and ending the process of a run: forked from a warm server, or fresh in another tree."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Protocol

import psutil

from core.contract import Task
from core.spec import RunSpec


class Child(Protocol):
    """A run's process: leader of its own group."""

    pid: int
    log: Connection  # its stdout and stderr

    def messages(self) -> list[tuple[str, Any]]:
        """What came up the line since the last call."""

    def send(self, word: str, value: Any = None) -> None:
        """Say something down the line; a child that is gone is no error."""

    def waitables(self) -> list[Any]:
        """What to wait on besides the log."""

    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal."""

    def close(self) -> None:
        """Give descriptors back; the child has ended."""


def kill(child: Child) -> None:
    """SIGKILL to the whole group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def resident_mib(pid: int) -> float:
    """Resident memory of a process and its descendants, in MiB."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    return total / 2**20


def warm_context(task: Task[Any]) -> ForkServerContext:
    """The forkserver, told to load the worker and the task's slow packages before its first fork.

    CUDA is never initialised in the server; the hash seed must be set before it starts.
    """
    os.environ.setdefault("PYTHONHASHSEED", "0")
    # The server must import this core, not that of a checkout which is installed beside it,
    # nor one in the working directory, which Python looks into first unless it is told not to.
    paths = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, paths)))
    context = multiprocessing.get_context("forkserver")
    torch = ["torch"] if task.framework == "torch" else []
    context.set_forkserver_preload(["core.worker", *torch, *task.preload])
    before = os.environ.get("PYTHONSAFEPATH", "")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        _start_deaf()
    finally:
        os.environ["PYTHONSAFEPATH"] = before  # empty is off
    return context


def _start_deaf() -> None:
    """Start the server ignoring SIGINT: Ctrl-C is the supervisor's, also while torch is loading."""
    from multiprocessing import forkserver

    if threading.current_thread() is not threading.main_thread():
        forkserver.ensure_running()
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


class Forked:
    """A child of the forkserver: there in about 20 ms, with torch loaded."""

    def __init__(self, context: ForkServerContext, spec: RunSpec, alive: int) -> None:
        from core import worker

        self._pipe, theirs = Pipe()
        self.log, their_log = Pipe(duplex=False)
        lock = Connection(os.dup(alive))
        arguments = (str(spec.dir), theirs, their_log, lock)
        self._process = context.Process(target=worker.child, args=arguments, daemon=False)
        self._process.start()
        for mine in (theirs, their_log, lock):
            mine.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def messages(self) -> list[tuple[str, Any]]:
        """Reports waiting for an answer, and `done`."""
        out = []
        try:
            while not self._pipe.closed and self._pipe.poll():
                out.append(self._pipe.recv())
        except (EOFError, OSError):  # it ended; a closed line is not waited on
            self._pipe.close()
        return out

    def send(self, word: str, value: Any = None) -> None:
        """`cancel`, or `prune` with the answer to a report."""
        with contextlib.suppress(OSError):
            self._pipe.send((word, value))

    def waitables(self) -> list[Any]:
        """The line and the end of the process."""
        return (
            [self._process.sentinel] if self._pipe.closed else [self._pipe, self._process.sentinel]
        )

    def exit_code(self) -> int | None:
        """As multiprocessing gives it."""
        return self._process.exitcode

    def close(self) -> None:
        """Reap and give descriptors back."""
        self._process.join()
        self._process.close()
        self._pipe.close()
        self.log.close()


class Fresh:
    """A new interpreter whose `core` is the one in `tree`. It follows our end of its stdin."""

    def __init__(self, tree: Path, spec: RunSpec, alive: int) -> None:
        self.log, theirs = Pipe(duplex=False)
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "core.worker", str(spec.dir)],
            cwd=tree,
            env=env,
            stdin=subprocess.PIPE,
            stdout=theirs.fileno(),
            stderr=theirs.fileno(),
            pass_fds=[alive],
        )
        theirs.close()
        self.pid = self._process.pid

    def messages(self) -> list[tuple[str, Any]]:
        """None: it reports to nobody."""
        return []

    def send(self, word: str, value: Any = None) -> None:
        """A cancel is a polite SIGTERM."""
        if word == "cancel":
            self._process.terminate()

    def waitables(self) -> list[Any]:
        """Nothing beyond the log: `exit_code` is polled."""
        return []

    def exit_code(self) -> int | None:
        """As subprocess gives it."""
        return self._process.poll()

    def close(self) -> None:
        """Reap and give descriptors back."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self.log.close()
