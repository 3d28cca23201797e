"""In the child: load the task, then data, train, evaluate, visualise; `result.json` comes last.

Knows no search, no ledger, no dashboard: everything goes out through files and one line of pipe.
`python -m core.worker <run folder>` does the same in a fresh interpreter, for `assay repro`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from core import registry
from core.contract import Absent, Cancelled, Diverged, Pruned, Task
from core.errors import AssayError
from core.kit import checkpoint, seed
from core.run import Line, LiveRun, Pipe
from core.spec import RunSpec

RESULT = "result.json"
SPEC = "run.json"


def child(folder: str, pipe: Connection, log: Connection, alive: Any) -> None:
    """Entry of a forked child: own process group, output into `log`, the `alive` lock held open.

    `alive` is never used: it is the descriptor whose lock says that this run lives.
    """
    os.setsid()
    for fd in (1, 2):
        os.dup2(log.fileno(), fd)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    line = Pipe(pipe)
    run_folder(Path(folder), line)
    pipe.send(("done", None))
    sys.stdout.flush()
    sys.stderr.flush()


def run_folder(folder: Path, line: Line | None = None) -> dict[str, Any]:
    """Do the run whose `run.json` lies in `folder`; write and return its result."""
    spec = RunSpec.model_validate_json((folder / SPEC).read_text())
    result = attempt(spec, line)
    fresh = folder / f".{RESULT}.{os.getpid()}"
    with fresh.open("w") as file:
        json.dump(result, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(folder / RESULT)
    return result


def attempt(spec: RunSpec, line: Line | None) -> dict[str, Any]:
    """The outcome as JSON: status, metrics, what was used. A task's error becomes a status."""
    _environment(spec)
    clock = Laps()
    out: dict[str, Any] = {"attempt": spec.attempt, "metrics": {}, "absent": {}}
    run: LiveRun | None = None
    try:
        code = str(spec.code or spec.root)
        if code not in sys.path:
            sys.path.insert(0, code)
        task = registry.resolve(spec.use)
        _start_torch(task, spec)
        seed.everything(spec.seed)
        run = LiveRun(spec, task, line)
        out |= work(spec, task, run, clock)
        out |= {"status": "finished", "reason": ""}
    except (Cancelled, Pruned, Diverged) as stop:
        out |= {"status": type(stop).__name__.lower(), "reason": str(stop)}
    except Exception as error:
        out |= _failure(error, spec)
        traceback.print_exc()
    return out | _used(spec, run, clock)


def work(spec: RunSpec, task: Task[Any], run: LiveRun, clock: Laps) -> dict[str, Any]:
    """Data, train, evaluate the judged checkpoint from disk, draw."""
    cfg = task.config.model_validate(spec.config)
    mod = importlib.import_module(task.work)
    run.phase("data")
    data = mod.data(cfg, run)
    clock.lap("setup_s")
    if spec.start_from is None:
        mod.train(cfg, data, run)
        run.training_ended()
        judged = run.judged()
    else:
        judged = Path(spec.start_from)
    clock.lap("train_s")
    run.phase("evaluate")
    model = mod.load(cfg, judged, run.device)
    measured = sort_out(task, mod.evaluate(cfg, model, data, run), run.nonfinite_steps)
    clock.lap("eval_s")
    run.phase("visualise")
    for path in mod.visualise(cfg, model, data, run.dir / "images", run):
        if path.suffix == ".png":
            run.image(path.name, path)
    return measured | {"judged_step": checkpoint.load(judged).get("step")}


def sort_out(
    task: Task[Any], given: Mapping[str, float | Absent], nonfinite_steps: int
) -> dict[str, Any]:
    """Measured numbers and absent ones, checked against the declaration.

    `nonfinite_steps` is counted by the run; a task that declares it need not return it. A number
    that is not finite stays a measured one, as the string that JSON can carry.
    """
    declared = [m.name for m in task.metrics]
    given = (
        {"nonfinite_steps": nonfinite_steps, **given} if "nonfinite_steps" in declared else given
    )
    extra, missing = sorted(set(given) - set(declared)), sorted(set(declared) - set(given))
    if extra or missing:
        raise AssayError(
            f"{task.work}.evaluate returned undeclared metrics {extra} and left out {missing}",
            "Return every declared metric, as a number or as Absent(reason)",
            code="metrics",
        )
    metrics: dict[str, dict[str, Any]] = {}
    absent: dict[str, str] = {}
    for name, value in given.items():
        if isinstance(value, Absent):
            absent[name] = value.reason
        else:
            meaning = task.metric(name).model_dump(include={"unit", "direction", "split", "timing"})
            metrics[name] = {"value": _number(float(value)), **meaning}
    return {"metrics": metrics, "absent": absent}


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


class Laps:
    """Seconds of each part of the work."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """End a part, and begin the next."""
        now = time.monotonic()
        self.parts[name], self._last = now - self._last, now


def _environment(spec: RunSpec) -> None:
    """Set what a forkserver's later children would not see if the parent set it."""
    os.environ.pop("PYTHONSAFEPATH", None)  # for the server alone: see `child.warm_context`
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(spec.threads)
    kind, _, index = spec.device.partition(":")
    os.environ["CUDA_VISIBLE_DEVICES"] = (
        index
        if kind == "cuda" and index
        else (os.environ.get("CUDA_VISIBLE_DEVICES", "0") if kind == "cuda" else "")
    )
    os.chdir(spec.root)


def _start_torch(task: Task[Any], spec: RunSpec) -> None:
    if task.framework == "torch":
        import torch

        torch.set_num_threads(spec.threads)


def _failure(error: Exception, spec: RunSpec) -> dict[str, Any]:
    """Status and place of an exception: the deepest line outside core and installed packages."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        f for f in frames if "site-packages" not in f.filename and "/lib/python" not in f.filename
    ]
    own = (
        [f for f in ours if not f.filename.startswith(str(Path(__file__).parent))] or ours or frames
    )
    place = own[-1]
    memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    message = (str(error).splitlines() or [""])[0]
    where = Path(place.filename)
    if where.is_relative_to(spec.root):
        where = where.relative_to(spec.root)
    return {
        "status": "oom" if memory else "failed",
        "reason": f"{type(error).__name__}: {message}",
        "error": {
            "type": type(error).__name__,
            "message": message,
            "file": str(where),
            "line": place.lineno,
            "code": getattr(error, "code", None),
            "hint": getattr(error, "hint", None),
            "traceback": traceback.format_exception(error)[-20:],
        },
    }


def _used(spec: RunSpec, run: LiveRun | None, clock: Laps) -> dict[str, Any]:
    own, kids = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "timing": clock.parts,
        "cpu_s": own.ru_utime + own.ru_stime + kids.ru_utime + kids.ru_stime,
        "peak_rss_mib": own.ru_maxrss / (1024 if sys.platform != "darwin" else 2**20),
        "steps": run and run.steps_done,
        "used_s": run and run.used_s,
        "nonfinite_steps": run and run.nonfinite_steps,
        "best_step": run and run.best_step,
        "modules": loaded(spec.code or spec.root),
        "core": __file__,
        **_cuda_used(),
    }


def _cuda_used() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {
        "peak_vram_mib": torch.cuda.max_memory_allocated() / 2**20,
        "device_name": torch.cuda.get_device_name(),
    }


def loaded(root: Path) -> dict[str, str]:
    """Git blob ids of the modules below `root` that this process has loaded.

    A module that the forkserver loaded keeps the id it had then: that is the code that runs.
    """
    out = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py") and Path(file).is_relative_to(root):
            inside = Path(file).relative_to(root)
            if ".venv" not in inside.parts:
                out[str(inside)] = _preloaded.get(file) or blob_id(Path(file))
    return out


def blob_id(path: Path) -> str:
    """Git's id of a file's bytes, without filters."""
    body = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()


_preloaded: dict[str, str] = {}


def remember() -> None:
    """Note the ids of what is loaded now. The forkserver calls it before its first fork."""
    here = Path(__file__).parent
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py") and Path(file).is_relative_to(here):
            _preloaded[file] = blob_id(Path(file))


remember()


class _Orphan:
    """The line of a run without a pipe: SIGTERM cancels, and the end of stdin is our end."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: self.cancelled.set())
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        sys.stdin.read()
        os.killpg(os.getpgrp(), signal.SIGKILL)

    def ask(self, value: float, step: int) -> bool:
        """Nobody prunes here."""
        return False


if __name__ == "__main__":
    os.setsid()
    done = run_folder(Path(sys.argv[1]), _Orphan())
    sys.exit(0 if done["status"] == "finished" else 5)
