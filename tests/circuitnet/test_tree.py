from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import AssayError
from tasks.circuitnet import preprocess, raw, sample_maps, synth, tree
from tasks.circuitnet.preprocess import Recipe
from tests.toy import ROOT

RECIPE = Recipe(size=32)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three raw layouts."""
    for i in range(3):
        synth.write(synth.Order(tmp_path / "raw", 0, i, 32, 300, "l"))
    return tmp_path / "raw"


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.npy")}


def test_a_second_run_does_nothing(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert tree.process(source, out, RECIPE, workers=1)[:3] == (3, 0, 0)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.npy")}
    assert len(before) == 6
    assert tree.process(source, out, RECIPE, workers=1)[:3] == (0, 3, 0)
    assert before == {p: p.stat().st_mtime_ns for p in out.rglob("*.npy")}


def test_the_number_of_workers_changes_nothing(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    tree.process(source, tmp_path / "one", RECIPE, workers=1)
    tree.process(
        source, tmp_path / "two", RECIPE, workers=2, progress=lambda i, n: seen.append((i, n))
    )
    assert everything(tmp_path / "one") == everything(tmp_path / "two")
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_files_are_what_pack_makes_and_the_manifest_says_so(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tree.process(source, out, RECIPE, workers=1)
    made = synth.layout(0, 1, 32, 300)
    packed = preprocess.pack(made.maps, RECIPE)
    assert np.array_equal(np.load(out / "feature" / f"{made.name}.npy"), packed.feature)
    assert np.array_equal(np.load(out / "label" / f"{made.name}.npy"), packed.label)
    head, entries = tree.read_manifest(out)
    assert head == {"version": tree.VERSION, "recipe": RECIPE._asdict()}
    assert entries[made.name]["shapes"]["RUDY"] == [32, 32]
    scale = json.loads((out / "scale.json").read_text())
    assert scale[made.name]["label"] == list(packed.ranges["label"])


def test_a_cut_off_run_goes_on_where_it_stopped(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, calls, make = tmp_path / "out", [], tree.make

    def dies(job: tree.Job) -> tree.Entry:
        calls.append(job.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return make(job)

    monkeypatch.setattr(tree, "make", dies)
    with pytest.raises(KeyboardInterrupt):
        tree.process(source, out, RECIPE, workers=1)
    with (out / tree.MANIFEST).open("a") as file:
        file.write('{"name": "half a li')  # a kill in the middle of a line
    monkeypatch.setattr(tree, "make", make)
    assert tree.process(source, out, RECIPE, workers=1)[:3] == (1, 2, 0)
    tree.process(source, tmp_path / "whole", RECIPE, workers=1)
    assert everything(out) == everything(tmp_path / "whole")
    assert set(tree.read_manifest(out)[1]) == set(tree.read_manifest(tmp_path / "whole")[1])


def test_a_killed_run_goes_on_and_ends_the_same(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = (
        "import os, sys; from pathlib import Path; from tasks.circuitnet import preprocess, tree\n"
        "def die_at_two(done, total):\n"
        "    if done == 2: os.kill(os.getpid(), 9)\n"
        "tree.process(*map(Path, sys.argv[1:]), preprocess.Recipe(size=32), workers=1,\n"
        "             progress=die_at_two)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, source, out], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(everything(out)) == 4
    assert tree.process(source, out, RECIPE, workers=1)[:3] == (1, 2, 0)
    tree.process(source, tmp_path / "whole", RECIPE, workers=1)
    assert everything(out) == everything(tmp_path / "whole")


def test_a_changed_raw_map_or_a_lost_file_is_made_again(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tree.process(source, out, RECIPE, workers=1)
    changed, lost = sorted((out / "label").iterdir())[:2]
    lost.unlink()
    path = raw.find(source, ["RUDY"])["RUDY"] / changed.name
    raw.save(path, np.load(path) ** 2)
    before = (out / "feature" / changed.name).read_bytes()
    assert tree.process(source, out, RECIPE, workers=1).made == 2
    assert lost.exists()
    assert (out / "feature" / changed.name).read_bytes() != before


def test_another_recipe_needs_another_folder(source: Path, tmp_path: Path) -> None:
    tree.process(source, tmp_path / "out", RECIPE, workers=1)
    with pytest.raises(AssayError, match="Give another folder"):
        tree.process(source, tmp_path / "out", Recipe(mode="clean", size=32), workers=1)


def test_a_bad_map_names_its_file_and_leaves_no_half(source: Path, tmp_path: Path) -> None:
    folder = raw.find(source, ["RUDY_pin"])["RUDY_pin"]
    bad = sorted(folder.iterdir())[1]
    bad.write_bytes(bad.read_bytes()[:200])
    with pytest.raises(AssayError, match=bad.name):
        tree.process(source, tmp_path / "out", RECIPE, workers=1)
    assert [p.name for p in (tmp_path / "out" / "feature").iterdir()] == [
        sorted(folder.iterdir())[0].name
    ]


def test_only_the_layouts_of_an_annotation(source: Path, tmp_path: Path) -> None:
    name = synth.layout(0, 2, 32, 300).name
    out = tmp_path / "out"
    rudy = raw.find(source, ["RUDY"])["RUDY"]
    raw.save(rudy / "of-another-split.npy", np.ones((32, 32)))
    assert tree.process(source, out, RECIPE, names=[name], workers=1).made == 1
    with pytest.raises(AssayError, match=r"no raw maps of 1 \(other\) of 2 layouts"):
        tree.process(source, out, RECIPE, names=[name, "other"], workers=1)
    left = tree.process(source, out, RECIPE, names=[name, "other"], allow_missing=True, workers=1)
    assert left[:3] == (0, 1, 1)


def test_layouts_without_a_label_get_features_alone(tmp_path: Path) -> None:
    maps = sample_maps.maps()[sample_maps.UNLABELLED]
    raw.write(tmp_path / "raw", sample_maps.UNLABELLED, maps)
    with pytest.raises(AssayError, match="no folder with maps named congestion_GR_horizontal"):
        tree.process(tmp_path / "raw", tmp_path / "out", Recipe(size=64), workers=1)
    recipe, out = Recipe(size=64, labels=False), tmp_path / "out"
    assert tree.process(tmp_path / "raw", out, recipe, workers=1).made == 1
    feature = np.load(out / "feature" / f"{sample_maps.UNLABELLED}.npy")
    assert np.array_equal(feature, preprocess.features(maps, recipe)[0])
    assert not (out / "label").exists()
    assert tree.process(tmp_path / "raw", out, recipe, workers=1).kept == 1


def test_a_global_scale_is_the_largest_overflow(source: Path, tmp_path: Path) -> None:
    recipe = Recipe(mode="clean", size=32)
    tree.process(source, tmp_path / "out", recipe, global_scale=True, workers=1)
    peaks = [preprocess.overflow(synth.layout(0, i, 32, 300).maps, recipe).max() for i in range(3)]
    labels = [np.load(p).max() for p in sorted((tmp_path / "out" / "label").iterdir())]
    np.testing.assert_allclose(labels, np.array(peaks) / max(peaks), atol=1e-6)
