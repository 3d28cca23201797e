from __future__ import annotations

from pathlib import Path

import pytest

from core import checkpoints, plan
from core.errors import AssayError
from core.execute import Supervisor
from core.ledger import Ledger
from core.project import Project, find
from tests import toy


@pytest.fixture
def supervisor(project: Project) -> Supervisor:
    made = Supervisor(project)
    for shift in (0.0, 0.1):
        spec = plan.prepare(project, "toy", overrides={"shift": shift, "total_steps": 3}, study="s")
        made.run(spec)
    return made


def left(supervisor: Supervisor, keep: str) -> set[str]:
    runs = supervisor.ledger.records()
    for file in checkpoints.surplus(supervisor.project, runs, keep):
        file.path.unlink()
    return {
        f"{r.config['shift']}/{p.name}"
        for r in runs
        for p in (supervisor.project.run_dir(r.run) / "checkpoints").iterdir()
    }


def test_best_keeps_the_judged_file_of_each_run(supervisor: Supervisor) -> None:
    assert left(supervisor, "best") == {"0.0/best.ckpt", "0.1/best.ckpt"}


def test_best_of_study_keeps_that_of_the_best_run(supervisor: Supervisor) -> None:
    assert left(supervisor, "best-of-study") == {"0.0/best.ckpt"}


def test_a_run_that_can_be_resumed_keeps_its_checkpoints(supervisor: Supervisor) -> None:
    spec = plan.prepare(supervisor.project, "toy", overrides={"misbehave": "raise"})
    failed = supervisor.run(spec)
    assert not [
        f for f in checkpoints.surplus(supervisor.project, [failed], "none") if f.run == failed.run
    ]


def test_a_reference_names_the_file_or_says_where_to_get_it(supervisor: Supervisor) -> None:
    run = supervisor.ledger.find("@last").run
    record, path = checkpoints.of(supervisor.project, supervisor.ledger, f"{run[:16]}:last")
    assert (record.run, path.name) == (run, "last.ckpt")
    left(supervisor, "none")
    with pytest.raises(AssayError, match=rf"has no best checkpoint here .*assay repro {run}"):
        checkpoints.of(supervisor.project, supervisor.ledger, run)


def test_a_checkpoint_is_found_from_another_worktree_and_not_cleaned_from_there(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    project = supervisor.project
    toy.run_git(project.root, "worktree", "add", "-q", "--detach", str(tmp_path / "side"))
    side = find(tmp_path / "side")
    record, path = checkpoints.of(side, Ledger(side), "@last")
    assert path == project.run_dir(record.run) / "checkpoints" / "best.ckpt"
    assert checkpoints.surplus(side, [record], "none") == []


def test_clean_lists_first_and_the_ledger_keeps_the_digests(supervisor: Supervisor) -> None:
    root = supervisor.project.root
    listed = toy.assay(root, "clean", "--keep", "none", "--dry-run")
    assert "would remove 4 checkpoints" in listed.stdout
    assert "removed 4 checkpoints" in toy.assay(root, "clean", "--keep", "none").stdout
    assert not list(root.glob("runs/*/checkpoints/*.ckpt"))
    kinds = [a.kind for a in supervisor.ledger.find("@last").artifacts]
    assert kinds.count("checkpoint") == 2
    assert toy.assay(root, "clean", "--keep", "some").returncode == 2
