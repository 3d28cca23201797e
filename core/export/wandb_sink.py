"""A run in W&B: its config, its curves, its pictures, its verdict, its checkpoint.

Offline runs lie in `runs/<id>/wandb/`; `assay wandb sync` sends them. The W&B id is ours, so that
what several sessions add to a run is one run there.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import acceptance
from core.export import wandb_file
from core.export.line import Warn
from core.export.mode import Mode
from core.export.settings import Settings
from core.export.sink import Session, Unsaved, outcome_of
from core.ledger.record import RunRecord
from core.project import Project

if TYPE_CHECKING:
    import wandb

FLUSH_S = 1.0  # W&B's own 15 s would be lost with a killed exporter
REACH_S = 20.0  # to reach the host; then the rest of this exporter's life is offline
FINISH_S = 120.0  # to send what is left of a run
SETTLE_S = 5.0  # from the end of a session to the last block of its file
JOBS = {"run": "train", "confirm": "accept"}
TABLE = ("criterion", "result", "measured", "needed", "reference", "candidate", "why")


class WandbSink:
    """Opens runs in W&B, online while that works."""

    name = "wandb"

    def __init__(self, project: Project, settings: Settings, mode: Mode, warn: Warn) -> None:
        self._settings, self._warn = settings, warn
        self.mode = mode
        # What W&B stages for upload must outlive this process, and belongs to this clone.
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
            os.environ.setdefault(name, str(project.store / "wandb"))
            Path(os.environ[name]).mkdir(parents=True, exist_ok=True)

    def begin(self, record: RunRecord, folder: Path) -> Session:
        """The run from its first event; steps that were sent before are not sent again."""
        sent = _sweep(folder / self.name)
        run = self._init(record, folder)
        return WandbSession(run, max(sent, run.starting_step - 1), self.mode)

    def again(self, record: RunRecord, folder: Path, step: int) -> Session:
        """Another session of a run that is there up to `step`."""
        run = self._init(record, folder)
        return WandbSession(run, max(step, run.starting_step - 1), self.mode)

    def _init(self, record: RunRecord, folder: Path) -> wandb.Run:
        import wandb

        if self.mode.name == "online":
            try:
                return self._start(record, folder)
            except (wandb.errors.Error, OSError, TimeoutError) as error:
                words = (str(error).splitlines() or [type(error).__name__])[0]
                self.mode = Mode("offline", f"not reached: {words}")
                self._warn("online", f"W&B is not reached ({words}); offline from here on")
                wandb.teardown()  # else its own process takes the run's id for used
        return self._start(record, folder)

    def _start(self, record: RunRecord, folder: Path) -> wandb.Run:
        import wandb

        online = self.mode.name == "online"
        return wandb.init(
            **described(record),
            project=self._settings.project,
            entity=self._settings.entity,
            mode="online" if online else "offline",
            dir=str(folder),
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(
                console="off",
                silent=True,
                disable_git=True,  # the checkout may have moved on; the config has the run's commit
                x_disable_stats=True,  # they would be the exporter's, not the run's
                x_save_requirements=False,
                x_transaction_log_flush_interval=FLUSH_S,
                init_timeout=REACH_S,
                finish_timeout=FINISH_S if online else 0.0,
                finish_timeout_raises=True,
            ),
        )


def described(record: RunRecord) -> dict[str, Any]:
    """How W&B names, groups, tags and configures a run; also what a test expects of it."""
    number = record.trial if record.trial is not None else record.seed
    git = record.git
    commit = (git.head or git.commit or "")[:7] if git else ""
    return {
        "id": record.run,
        "group": record.study or record.group[:12],
        "job_type": JOBS.get(record.kind, record.kind),
        "name": f"{record.task}/{record.variant}/#{number}",
        "tags": [t for t in (record.task, _tag(record.variant), commit) if t],
        "config": {**record.config, "assay": _facts(record)},
    }


def _tag(text: str) -> str:
    return text[:64]  # W&B refuses longer ones


def _facts(record: RunRecord) -> dict[str, Any]:
    """What of a run is not its task's config."""
    git = record.git
    return {
        "run": record.run,
        "task": record.task,
        "task_version": record.task_version,
        "variant": record.variant,
        "kind": record.kind,
        "study": record.study,
        "trial": record.trial,
        "seed": record.seed,
        "group": record.group,
        "commit": git and git.head,
        "snapshot": git and git.commit,
        "dirty": git and git.dirty,
        "data": {d.name: d.digest for d in record.data},
        "budget": record.budget.kind,
        "budget_limit": record.budget.limit,
        "device": record.resources.device_name or record.resources.device,
        "threads": record.resources.threads,
        "torch": record.env.torch,
    }


class WandbSession:
    """One session of one run."""

    def __init__(self, run: wandb.Run, sent: int, mode: Mode) -> None:
        self._run = run
        self._sent = sent  # W&B has the steps up to here already
        self._offline = mode.name == "offline"
        self.step = max(sent, 0)
        run.define_metric("step", hidden=True)
        run.define_metric("*", step_metric="step")

    def log(self, values: Mapping[str, float], step: int, at: float) -> None:
        """A row, unless W&B has it."""
        if step > self._sent:
            self.step = max(step, self.step)  # W&B drops what goes back
            self._run.log({**values, "step": step}, step=self.step)

    def image(self, name: str, path: Path, step: int, at: float) -> None:
        """A picture. Those of the evaluation come after the last step, whatever step they say."""
        import wandb

        if max(step, self.step) > self._sent:
            key = f"images/{name}"
            self._run.log({key: wandb.Image(str(path)), "step": self.step}, step=self.step)

    def rewind(self, step: int) -> None:
        """The steps that come again are the same ones: they are not sent twice."""
        self._sent = max(self._sent, self.step)

    def end(self, record: RunRecord) -> None:
        """Status, the judged numbers as `best/<metric>`, what was not measured with its reason."""
        summary: dict[str, Any] = {f"best/{n}": m.value for n, m in record.metrics.items()}
        summary |= {f"absent/{name}": why for name, why in record.absent.items()}
        summary |= {"status": record.status, "reason": record.reason}
        used = {"train_s": record.timing.train_s, "cpu_s": record.resources.cpu_s}
        used |= {"peak_rss_mib": record.resources.peak_rss_mib, "steps": record.steps}
        self._run.summary.update(summary | {f"used/{k}": v for k, v in used.items() if v})

    def judge(self, record: RunRecord) -> None:
        """Tags, the acceptance table, and the checkpoint that the numbers are of."""
        import wandb

        word = outcome_of(record)
        self._run.tags = (*(self._run.tags or ()), _tag(word))
        if record.verdict:
            rows = [list(row) for row in acceptance_rows(record)]
            table = wandb.Table(columns=list(TABLE), data=rows)
            self._run.log({"acceptance": table, "step": self.step}, step=self.step)
            self._run.summary.update(verdict_summary(record))
        self._checkpoint(record, word)

    def _checkpoint(self, record: RunRecord, word: str) -> None:
        """The judged checkpoint, by its path: no copy is made before it is sent."""
        import wandb

        folder = Path(self._run.settings.root_dir)
        found = {a.path: a for a in record.artifacts if a.kind == "checkpoint"}
        kept = next((n for n in ("best", "last") if f"checkpoints/{n}.ckpt" in found), None)
        name = f"checkpoints/{kept}.ckpt"
        if record.kind == "trial" or record.status != "finished" or not (folder / name).is_file():
            return
        facts = _facts(record)
        artifact = wandb.Artifact(
            f"{record.task}-ckpt",
            type="model",
            metadata={
                **{k: facts[k] for k in ("run", "study", "commit", "snapshot")},
                "sha256": found[name].sha256,
                "verdict": record.verdict.verdict if record.verdict else None,
                "metrics": {n: m.value for n, m in record.metrics.items()},
            },
        )
        artifact.add_file(str(folder / name), policy="immutable")
        self._run.log_artifact(artifact, aliases=[str(kept), *["accepted"] * (word == "accepted")])

    def close(self, record: RunRecord) -> None:
        """Finish, and look whether the file is whole."""
        file = Path(self._run.settings.sync_file)
        self._run.finish(exit_code=0 if record.status in ("finished", "pruned") else 1)
        if self._offline and not _soon(file):
            raise Unsaved(
                "W&B kept only a part: is the disk full? Make room; "
                f"`assay wandb follow {record.study or record.run}` writes it again"
            )


def verdict_summary(record: RunRecord) -> dict[str, Any]:
    """`accepted` is 1 or 0 where that is decided; an open verdict has none."""
    assert record.verdict
    results = [acceptance.outcome(m) for m in acceptance.groups(record.verdict.clauses).values()]
    decided = {"pass": {"accepted": 1}, "fail": {"accepted": 0}}
    return {
        "verdict": record.verdict.verdict,
        "criteria": len(results),
        "criteria_passed": results.count("pass"),
        **decided.get(record.verdict.verdict, {}),
    }


def acceptance_rows(record: RunRecord) -> list[tuple[str, ...]]:
    """One row a clause, in the words of `assay accept`."""
    clauses = record.verdict.clauses if record.verdict else []
    return [
        (
            f"{c.any_of}: {c.name}" if c.any_of else c.name,
            c.result,
            acceptance.effect(c),
            acceptance.needed(c),
            acceptance.side(c.reference),
            acceptance.side(c.candidate),
            c.reason,
        )
        for c in clauses
    ]


def _soon(file: Path) -> bool:
    """Whether the file is whole, now or when W&B's own process has written its last block."""
    deadline = time.monotonic() + SETTLE_S
    while not wandb_file.whole(file):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _sweep(folder: Path) -> int:
    """Remove unfinished offline files that were never sent; the last step of those that were."""
    sent = -1
    for one in folder.glob("offline-run-*"):
        files = list(one.glob("run-*.wandb"))
        if any(file.with_name(f"{file.name}.synced").exists() for file in files):
            sent = max([sent, *map(wandb_file.last_step, files)])
        else:
            shutil.rmtree(one)
    return sent
