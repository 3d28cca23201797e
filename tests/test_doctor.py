from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from core import doctor, project
from core.doctor import Check
from core.project import Project
from tests import toy


def found(made: Project, device: str = "cpu") -> dict[str, Check]:
    return {check.name: check for check in doctor.examine(made, device)}


def test_a_fresh_project_is_fit_and_its_foreign_core_is_said(project: Project) -> None:
    checks = found(project)
    assert [n for n, c in checks.items() if c.state == "bad"] == []
    assert checks["core"].state == "warn"
    assert checks["git"].found.startswith(
        f"HEAD {toy.run_git(project.root, 'rev-parse', '--short', 'HEAD')}"
    )
    assert checks["ledger"].found.startswith("0 runs")
    assert checks["tasks"].found == "toy"


def test_our_own_checkout_runs_its_own_core() -> None:
    assert doctor._core(project.find(toy.ROOT)).state == "ok"


def test_another_checkouts_core_is_bad(project: Project) -> None:
    (project.root / "core").mkdir()
    (project.root / "core" / "contract.py").touch()
    assert doctor._core(project).state == "bad"


def test_outside_git_it_says_so_and_goes_on(tmp_path: Path) -> None:
    plain = toy.build(tmp_path / "plain", git=False)
    check = doctor._git(plain)
    assert (check.state, check.found) == ("warn", "no repository")


def test_a_repository_without_a_commit_is_a_warning(project: Project) -> None:
    shutil.rmtree(project.root / ".git")
    toy.run_git(project.root, "init", "-q")
    check = doctor._git(project)
    assert check.state == "warn"
    assert check.found.startswith("HEAD unborn")


def test_a_gpu_that_is_asked_for_must_be_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert doctor._torch("cpu").state in ("ok", "warn")
    check = doctor._torch("cuda")
    assert check.state == "bad"
    assert "'cuda' was asked for" in check.found


def test_a_package_outside_its_range_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    true = importlib.metadata.version
    monkeypatch.setattr(
        "importlib.metadata.version", lambda name: "1.9" if name == "numpy" else true(name)
    )
    check = doctor._packages()
    assert check.state == "bad"
    assert check.found == "numpy 1.9 is not >=2.2"


def test_weights_that_are_other_bytes_are_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.kit.image.LPIPS_FILE", tmp_path / "w.safetensors")
    assert doctor._lpips().found.startswith("no weights")
    (tmp_path / "w.safetensors").write_bytes(b"other")
    assert doctor._lpips().state == "bad"


def test_a_broken_task_is_a_warning_and_a_broken_registry_is_bad(project: Project) -> None:
    listed = project.root / "registry.yaml"
    listed.write_text(listed.read_text() + "  gone: nowhere:task\n")
    check = doctor._tasks(project)
    assert check.state == "warn"
    assert check.found.startswith("gone BROKEN: ")
    listed.write_text("tasks: 3\n")
    assert doctor._tasks(project).state == "bad"


def test_lost_runs_are_counted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    states = [{"status": s} for s in ("finished", "lost", "running", "lost")]
    monkeypatch.setattr("core.ledger.Ledger.rows", lambda self, columns: states)
    check = doctor._ledger(project)
    assert check.state == "warn"
    assert check.found.startswith("4 runs")
    assert check.found.endswith("1 running, 2 lost")


def test_a_look_that_fails_is_a_finding() -> None:
    def look() -> Check:
        raise ImportError("no module of that name")

    assert doctor._looked("x", look)[:3] == ("x", "bad", "ImportError: no module of that name")


@pytest.mark.parametrize(("free", "state"), [(9, "ok"), (1, "warn"), (0, "bad")])
def test_room_is_judged_by_two_limits(free: int, state: str) -> None:
    got = doctor._room("disk", free * doctor.GIB, doctor.FEW_DISK, doctor.NO_DISK, "do")
    assert got.state == state
    assert bool(got.next_step) == (state != "ok")


def test_wandb_is_offline_without_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert doctor._wandb().found == "offline, no key"
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password x\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert doctor._wandb().found == "online, a key is here"


def test_the_command_exits_2_when_something_is_bad_and_still_shows_everything(
    project: Project,
) -> None:
    done = toy.assay(project.root, "doctor", "--device", "cuda:99", "--json")
    assert done.returncode == 2
    answer = json.loads(done.stdout)
    assert answer["error"]["message"] == "bad: torch"
    assert {row["name"] for row in answer["data"]} >= {"python", "torch", "git", "ledger", "disk"}
    assert "\ntorch: ./run setup" in done.stderr
