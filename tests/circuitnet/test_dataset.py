"""The maps of a run: splits, generated designs, and a user's folder from end to end."""

import ast
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import AssayError
from core.testing import tiny_run
from core.testing.tiny import tiny_config
from tasks.circuitnet import dataset, task
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.split import Split

NAMES = [f"{i}-{d}-a-1-c2-u0.{i}-m1-p1-f0" for d in ("RISCY", "zero-riscy") for i in range(4)]


def tiny(**given: Any) -> CircuitnetConfig:
    return tiny_config(task, overrides=given)  # type: ignore[return-value]


def folder(root: Path, names: list[str] = NAMES, side: int = 16, channels: int = 3) -> Path:
    """A preprocessed tree as CircuitNet's users have it."""
    rng = np.random.default_rng(0)
    for kind, depth in (("feature", channels), ("label", 1)):
        (root / kind).mkdir(parents=True)
        for name in names:
            np.save(root / kind / f"{name}.npy", rng.random((side, side, depth)))
    rows = [f"feature/{n}.npy,label/{n}.npy\n" for n in names]
    (root / "train.csv").write_text("".join(rows[:-2]))
    (root / "test.csv").write_text("".join(rows[-2:]))
    return root


def test_no_netlist_is_on_both_sides_of_the_validation_split(tmp_path: Path) -> None:
    data = dataset.read(tiny(dataroot=folder(tmp_path / "d"), val_share=0.3))
    train, val = ({dataset.netlist(n) for n in s.names} for s in (data.train, data.val))
    assert train
    assert val
    assert not train & val
    assert len(data.train) + len(data.val) == 6


def test_layouts_of_one_netlist_differ_in_number_and_physical_settings_alone() -> None:
    one = dataset.netlist("12-RISCY-FPU-b-2-c5-u0.7-m3-p2-f1")
    assert one == dataset.netlist("9-RISCY-FPU-b-2-c5-u0.9-m1-p8-f0")
    assert one != dataset.netlist("12-RISCY-FPU-b-3-c5-u0.7-m3-p2-f1")


def test_one_netlist_cannot_be_split_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    root = folder(tmp_path / "d", NAMES[:4])
    with pytest.raises(AssayError, match="cannot be split") as refused:
        dataset.read(tiny(dataroot=root))
    assert "select_on=test" in refused.value.hint
    data = dataset.read(tiny(dataroot=root, select_on="test"))
    assert data.val is data.test


def test_more_generated_designs_do_not_change_the_test() -> None:
    few, many = (dataset.read(tiny(synth_designs=n)) for n in (6, 9))
    for a, b in zip(few.test.maps([0, 1]), many.test.maps([0, 1]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not set(many.train.names) & set(many.test.names)


def test_features_are_read_channel_first(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    feature, label = dataset.read(tiny(dataroot=root)).test.maps([1])
    want = np.load(root / "feature" / f"{NAMES[-1]}.npy")
    assert feature.dtype == np.float32
    np.testing.assert_array_equal(feature[0, 2], want[:, :, 2].astype(np.float32))
    assert label.shape == (1, 1, 16, 16)


def test_a_users_folder_trains_and_predicts(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    done = tiny_run(task, tmp_path / "run", overrides={"dataroot": str(root)})
    assert done.metrics["nrms"] > 0  # type: ignore[operator]
    cfg: CircuitnetConfig = done.config.model_copy(  # type: ignore[assignment]
        update={"infer_input": root / "feature" / f"{NAMES[0]}.npy"}
    )
    from tasks.circuitnet import work

    loaded = work.load(cfg, done.run.judged(), "cpu")
    made = work.infer(cfg, loaded, tmp_path / "out", done.run)
    assert sorted(p.name for p in made) == sorted(
        [f"{NAMES[0]}.npy", f"{NAMES[0]}.png", "hotspots.csv"]
    )
    pred = np.load(tmp_path / "out" / f"{NAMES[0]}.npy")
    assert pred.shape == (16, 16)
    assert 0 <= pred.min() <= pred.max() <= 1


def test_a_network_is_measured_on_maps_of_another_size(tmp_path: Path) -> None:
    from tasks.circuitnet import use

    done = tiny_run(task, tmp_path / "run")
    cfg: CircuitnetConfig = done.config.model_copy(  # type: ignore[assignment]
        update={"synth_grid": 48}
    )
    assert done.config.synth_grid == 32  # type: ignore[attr-defined]
    found = use.evaluate(cfg, done.run, ckpt=str(done.run.judged()))
    data = dataset.read(cfg)
    labels = np.stack([data.train.one(i)[1][0] for i in range(len(data.train))]).mean(0)
    truth = data.test.one(0)[1][0]
    assert labels.shape == truth.shape == (48, 48)
    assert 0 < float(found["mean_nrms"]) < 1


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda p: np.save(p, np.zeros((16, 16))), r"has shape \(16, 16\), expected \(H, W, 3\)"),
        (lambda p: np.save(p, np.zeros((18, 16, 3))), "multiples of 4"),
        (lambda p: np.save(p, np.full((16, 16, 3), np.nan)), "768 values that are not finite"),
        (lambda p: np.save(p, np.full((16, 16, 3), 1e39)), "768 values .* float32"),
        (lambda p: p.write_bytes(p.read_bytes()[:500]), "cannot be read as a map"),
        (
            lambda p: np.save(p, np.array([{"a": 1}], dtype=object), allow_pickle=True),
            "cannot be read as a map",
        ),
        (lambda p: np.save(p, np.zeros((20, 20, 3))), "differ in size"),
        (lambda p: np.save(p, np.full((16, 16, 3), "x")), "holds no numbers"),
        (lambda p: np.savez(p) or Path(f"{p}.npz").replace(p), "magic string"),
        (lambda p: p.write_bytes(b""), "cannot be read as a map"),
        (lambda p: p.unlink(), "lacks files of 1 of 2 rows"),
    ],
)
def test_bad_files_are_named_with_what_was_expected(
    tmp_path: Path, break_it: Any, said: str
) -> None:
    root = folder(tmp_path / "d")
    break_it(root / "feature" / f"{NAMES[-1]}.npy")
    with pytest.raises(AssayError, match=said) as refused:
        dataset.read(tiny(dataroot=root)).test.maps([0, 1])
    assert NAMES[-1] in str(refused.value)


@pytest.mark.parametrize("side", [1, 20])  # of one pixel, arithmetic would spread it
def test_training_maps_of_two_sizes_are_refused_by_name(side: int) -> None:
    def one(i: int) -> Any:
        return tuple(np.ones((c, *[side if i == 2 else 16] * 2), np.float32) for c in (3, 1))

    split = Split(NAMES[:4], one)
    for asked in (lambda: split.mean_label, lambda: split.maps([1, 2])):
        with pytest.raises(AssayError, match=rf"{NAMES[2]} has shape .*{side}.*16, 16"):
            asked()


def test_the_mean_label_reads_no_feature(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    plain, kept = (dataset.read(tiny(dataroot=root, cache=c)).train for c in ("off", "float32"))
    kept.one(0)
    for path in root.glob("feature/*"):
        path.write_bytes(b"")
    want = np.mean([np.load(root / "label" / f"{n}.npy")[:, :, 0] for n in plain.names], axis=0)
    for train in (plain, kept):
        np.testing.assert_allclose(train.mean_label, want, atol=1e-6)
        assert train.label
        assert train.label(0).dtype == np.float32


def test_missing_files_can_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = folder(tmp_path / "d")
    (root / "label" / f"{NAMES[-1]}.npy").unlink()
    assert len(dataset.read(tiny(dataroot=root, allow_missing=True)).test) == 1
    assert "1 rows left out" in caplog.text


def test_hotspots_are_connected_regions_by_their_peaks() -> None:
    from tasks.circuitnet.maps import Hotspot, hotspots

    pred = np.zeros((8, 8), np.float32)
    pred[1, 2], pred[2, 3] = 0.5, 0.75  # touch at a corner
    pred[6, 6] = 0.25
    assert hotspots(pred, 0.1) == [Hotspot(2, 3, 0.75, 2, 0.625), Hotspot(6, 6, 0.25, 1, 0.25)]


def test_a_run_on_a_bad_csv_or_missing_maps_is_refused_before_it_starts(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    assert set(task.inputs(tiny(dataroot=root))) == {"feature", "label", "train", "test"}
    (root / "label" / f"{NAMES[0]}.npy").unlink()
    with pytest.raises(AssayError, match=f"lacks files of 1 of 6 rows.*label/{NAMES[0]}"):
        task.inputs(tiny(dataroot=root))
    task.inputs(tiny(dataroot=root, allow_missing=True))
    (root / "test.csv").write_text("")
    with pytest.raises(AssayError, match=r"test\.csv is empty"):
        task.inputs(tiny(dataroot=root, allow_missing=True))


def test_inputs_are_looked_for_from_the_projects_root_wherever_the_caller_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core import inputs
    from core.project import Project

    folder(tmp_path / "d")
    (tmp_path / "below").mkdir()
    there = Project(tmp_path, tmp_path / ".assay", None)
    cfg = tiny(dataroot="d", ann_file_test="d/test.csv")
    found = []
    for place in (tmp_path, tmp_path / "below"):
        monkeypatch.chdir(place)
        found.append(inputs.digest(there, task, cfg))
    assert [d.files for d in found[0]] == [8, 8, 1, 1]
    assert found[0] == found[1]
    (tmp_path / "d" / "label" / f"{NAMES[0]}.npy").unlink()
    with pytest.raises(AssayError, match="lacks files of 1 of 6 rows"):
        inputs.digest(there, task, cfg)


def test_the_launch_form_says_what_a_run_would_be_refused_for(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from core import project
    from core.tui import preflight
    from tests.toy import ROOT

    source: Any = SimpleNamespace(project=project.find(ROOT))
    study = {"config": {"dataroot": str(folder(tmp_path / "d"))}}
    assert preflight._inputs(source, "circuitnet", study, {})[0].state == "ok"
    (tmp_path / "d" / "test.csv").write_text("a\n")
    (look,) = preflight._inputs(source, "circuitnet", study, {})
    assert look.state == "bad"
    assert "line 1 has 1 columns" in look.found


def test_what_makes_and_judges_test_maps_is_in_the_evaluators_digest() -> None:
    """All that evaluation imports, but the network, which is judged, and what changes no map."""
    apart = {"config", "model", "quantise", "weights", "ahead", "raw", "tree"}
    found, todo = set(), {"evaluation"}
    while todo:
        found.add(name := todo.pop())
        source = importlib.import_module(f"tasks.circuitnet.{name}").__file__
        for node in ast.walk(ast.parse(Path(str(source)).read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "") == "tasks.circuitnet":
                todo |= {a.name for a in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tasks."):
                todo.add(str(node.module).split(".")[2])
        todo -= found | apart
    assert {"split", "generated", "synth", "route_kernels"} <= found
    assert found | {"work"} == {m.rpartition(".")[2] for m in task.evaluator}
