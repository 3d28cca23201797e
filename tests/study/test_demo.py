"""`./run demo` as a newcomer runs it: in a fresh clone. CI runs it at its full length."""

import subprocess
import sys
from pathlib import Path

import pytest

from core import demo, project
from core.ledger import Ledger, baselines
from core.study import folder
from tests import toy

SHORTER = {"epochs: 10": "epochs: 1", "samples_per_epoch: 122880": "samples_per_epoch: 8192"}


def shortened(clone: Path) -> None:
    """The demo's study with a hundredth of its steps, as a commit."""
    file = clone / "studies" / f"{demo.STUDY}.yaml"
    text = file.read_text()
    for long, short in SHORTER.items():
        assert long in text
        text = text.replace(long, short)
    file.write_text(text)
    toy.run_git(clone, "-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-qam", "-")


@pytest.mark.slow
@pytest.mark.timeout(900)  # twelve processes, on machines that have other things to do
def test_the_demo_judges_and_records_in_a_fresh_clone(tmp_path: Path) -> None:
    clone = tmp_path / "assay"
    subprocess.run(["git", "clone", "-q", toy.ROOT, clone], check=True)
    shortened(clone)
    done = subprocess.run(
        [sys.executable, "-m", "core.demo"], cwd=clone, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    here = project.find(clone)
    study = folder.find(here, demo.STUDY).plan.id  # others' runs come with the clone
    runs = Ledger(here).records(f"study = '{study}'")
    assert [r.status for r in runs] == 12 * ["finished"]
    assert len({r.git and r.git.commit for r in runs}) == 1
    verdicts = {r.variant: r.verdict and r.verdict.verdict for r in runs}
    assert verdicts["baseline"] is None
    assert all(verdicts[name] for name in ("encoder", "patch_ssim", "hybrid"))
    yardstick = baselines.get(here, "lightmap")
    assert {r.variant for r in runs if r.run in yardstick.runs} == {"baseline"}
    shown = [line.strip() for line in done.stdout.splitlines()]
    pictures = [clone / line for line in shown if line.endswith(".png")]
    assert pictures
    assert all(p.is_file() for p in pictures)
    assert any("not measured" in line for line in shown)
    best = max(
        verdicts, key=lambda name: sum(r.metrics["ssim"].value for r in runs if r.variant == name)
    )
    assert any(line.startswith(f"Pictures of {best}, seed 0 (") for line in shown)
    assert [line.split()[0] for line in shown[shown.index("Next:") + 1 :]] == 5 * [demo.ASSAY]
