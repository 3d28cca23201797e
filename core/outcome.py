"""What the ledger is told of a run: its `started` and `ended` payloads, and runs without an end."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path
from typing import Any

from core import clock, events, git, locks, logfile
from core.identity import Identity
from core.ledger import Ledger, disk
from core.ledger.record import Git
from core.project import Project
from core.spec import RunSpec

LOG_LINES = 50  # of log.txt that the ledger keeps for a run that did not finish


def started(spec: RunSpec, identity: Identity) -> dict[str, Any]:
    """Payload of `started`."""
    now = clock.stamp()
    budget = spec.budget
    kept = {
        "task",
        "variant",
        "kind",
        "study",
        "trial",
        "parent",
        "attempt",
        "seed",
        "group",
        "comparable",
    }
    return spec.model_dump(mode="json", include=kept) | {
        "task_version": identity.task_version,
        "primary": identity.primary,
        "start_from": identity.start_from,
        "config": spec.config,
        "config_digest": identity.config_digest,
        "overrides": spec.overrides,
        "origins": spec.origins,
        "budget": {
            "kind": budget.kind,
            "limit": getattr(budget, budget.kind, None),
            "total_s": spec.limits.total_s,
        },
        "timing": {"created": now, "started": now},
        "resources": {"device": spec.device.partition(":")[0], "threads": spec.threads},
        "git": identity.git and identity.git.model_dump(mode="json"),
        "env": identity.env.model_dump(mode="json"),
        "data": [d.model_dump(mode="json") for d in identity.data],
        "protected": {"evaluator_digest": identity.evaluator, "protocol": identity.protocol},
    }


def result(spec: RunSpec) -> dict[str, Any] | None:
    """What the child of this attempt wrote last; None when it did not come so far."""
    try:
        found: dict[str, Any] = json.loads((spec.dir / "result.json").read_text())
    except (OSError, ValueError):
        return None
    return found if found.get("attempt") == spec.attempt else None


def overrule(spec: RunSpec, status: str, reason: str) -> None:
    """Replace the status in a written result: the supervisor knows better."""
    found = result(spec) or {"attempt": spec.attempt}
    found |= {"status": status, "reason": reason, "metrics": {}, "absent": {}}
    disk.replace(spec.dir / "result.json", json.dumps(found).encode())


def check_code(project: Project, spec: RunSpec, taken: Git | None) -> None:
    """Make a result `failed` when the run loaded other code than its snapshot, or another core."""
    found = result(spec)
    if not found or taken is None or taken.commit is None:
        return
    in_tree = spec.code and (spec.code / "core").is_dir()
    own = spec.code / "core" if spec.code and in_tree else Path(__file__).parent
    if Path(found["core"]).resolve().parent != own.resolve():
        overrule(spec, "failed", f"{found['core']} did the run, not the code in {own.parent}")
    elif moved := git.moved(project, taken.commit, found["modules"]):
        overrule(spec, "failed", f"code moved while the run went on: {', '.join(moved)}")


def ended(spec: RunSpec, exit_code: int | None, cause: str | None) -> dict[str, Any]:
    """Payload of `ended`, from the result file or from how the process died."""
    found = result(spec) or {}
    status, reason = _status(found, exit_code, cause)
    timing = {**found.get("timing", {}), "ended": clock.stamp()}
    return {
        "attempt": spec.attempt,
        "status": status,
        "reason": reason,
        "error": found.get("error"),
        "metrics": {
            name: {**value, "step": found.get("judged_step")}
            for name, value in found.get("metrics", {}).items()
        },
        "absent": found.get("absent", {}),
        "series": events.summary(spec.dir / events.NAME),
        "artifacts": artifacts(spec.dir),
        "timing": timing,
        "resources": {
            k: found.get(k)
            for k in ("cpu_s", "peak_rss_mib", "peak_vram_mib", "device_name")
            if found.get(k) is not None
        },
        "budget": {"used_s": found.get("used_s"), "used_steps": found.get("steps")},
        "steps": found.get("steps"),
        "nonfinite_steps": found.get("nonfinite_steps"),
        "log_tail": []
        if status == "finished"
        else logfile.last_lines(spec.dir / "log.txt", LOG_LINES),
    }


def _status(found: dict[str, Any], exit_code: int | None, cause: str | None) -> tuple[str, str]:
    status, reason = found.get("status"), found.get("reason", "")
    if status == "cancelled" and cause == "timeout":
        return "timeout", f"total time used up; {reason}"
    if status is not None:
        return status, reason
    if cause == "oom":
        return "oom", "resident memory passed the limit"
    if cause in ("timeout", "cancelled"):
        return cause, "did not stop within the grace and was killed"
    if exit_code is None:
        return "lost", "its supervisor is gone and it left no result"
    if exit_code < 0:
        return "crashed", f"killed by {signal.Signals(-exit_code).name}"
    return "crashed", f"left with code {exit_code} and no result"


KINDS = {".ckpt": "checkpoint", ".png": "image", ".csv": "table", ".gif": "image", ".npz": "data"}


def artifacts(folder: Path) -> list[dict[str, Any]]:
    """Files that the run leaves below checkpoints/ and images/, with their digests."""
    out = []
    for top in ("checkpoints", "images"):
        for path in sorted(
            p for p in (folder / top).rglob("*") if p.is_file() and p.name[0] != "."
        ):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            out.append(
                {
                    "kind": KINDS.get(path.suffix, "file"),
                    "path": str(path.relative_to(folder)),
                    "sha256": digest,
                    "bytes": path.stat().st_size,
                }
            )
    return out


def adopt(project: Project, ledger: Ledger) -> list[str]:
    """Write the missing `ended` of runs of this clone whose supervisor died; the ids.

    A complete result is taken over; without one the run is lost.
    """
    adopted = []
    for row in ledger.rows(["run"], where="status = 'lost' and ended is null"):
        folder = project.run_dir(row["run"])
        try:
            spec = RunSpec.model_validate_json((folder / "run.json").read_text())
        except (OSError, ValueError):
            continue
        fd = locks.take(folder / "alive")
        if fd is None:  # another supervisor is at it
            continue
        try:
            if not _has_end(ledger, spec.run):
                check_code(project, spec, ledger.find(spec.run).git)
                ledger.append("ended", spec.run, ended(spec, None, None))
                adopted.append(spec.run)
        finally:
            os.close(fd)
    return adopted


def _has_end(ledger: Ledger, run: str) -> bool:
    kinds = [e["e"] for e in ledger.events(run)]
    return kinds.count("ended") >= kinds.count("started")
