"""The cache of a csv's maps: the same numbers, never stale, never half; and reading ahead."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import AssayError
from core.run import LiveRun
from core.testing import tiny_run
from core.testing.tiny import tiny_spec
from tasks.circuitnet import cache, dataset, maps, network, task, work
from tasks.circuitnet.ahead import Ahead
from tasks.circuitnet.split import Split
from tests.circuitnet.test_dataset import NAMES, folder, tiny


def test_a_float32_cache_holds_the_bits_of_the_files(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    told: list[tuple[int, int]] = []
    plain, kept = (
        dataset.read(
            tiny(dataroot=root, cache=c), lambda done, total, _: told.append((done, total))
        )
        for c in ("off", "float32")
    )
    for which in ("train", "val", "test"):
        a, b = (getattr(data, which).maps(range(2)) for data in (plain, kept))
        for x, y in zip(a, b, strict=True):
            assert x.dtype == y.dtype == np.float32
            assert x.tobytes() == y.tobytes()
    assert told == [(i, n) for n in (6, 2) for i in range(1, n + 1)]  # of the two csv files
    (made,) = (root / "cache").glob("test-float32-*")
    want = [np.load(root / "feature" / f"{n}.npy").transpose(2, 0, 1) for n in NAMES[-2:]]
    np.testing.assert_array_equal(np.load(made / "feature.npy"), np.float32(want))


def test_a_float16_cache_rounds_features_and_keeps_labels(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    plain, kept = (
        dataset.read(tiny(dataroot=root, **given)).test.maps([0, 1])
        for given in ({}, {"cache": "float16", "cache_dir": tmp_path / "elsewhere"})
    )
    np.testing.assert_array_equal(kept[0], plain[0].astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(kept[1], plain[1])
    assert not (root / "cache").exists()
    assert list((tmp_path / "elsewhere").glob("test-float16-*/label.npy"))


@pytest.mark.parametrize("change", ["feature", "label", "rows", "channels"])
def test_other_maps_never_come_from_an_old_cache(tmp_path: Path, change: str) -> None:
    root = folder(tmp_path / "d")
    which = int(change == "label")
    before = dataset.read(tiny(dataroot=root, cache="float32")).test.maps([0])[which]
    path = root / change / f"{NAMES[-2]}.npy"
    if path.exists():  # as many bytes; only the time tells
        at = path.stat().st_mtime_ns
        np.save(path, np.load(path)[::-1])
        os.utime(path, ns=(at, at + 1))
    elif change == "rows":
        lines = (root / "test.csv").read_text().splitlines()
        (root / "test.csv").write_text("\n".join(reversed(lines)) + "\n")
    else:
        with pytest.raises(AssayError, match=r"expected \(H, W, 9\)"):
            dataset.read(tiny(dataroot=root, cache="float32", task="drc_routenet")).test.one(0)
        return
    for kind in ("off", "float32"):
        after = dataset.read(tiny(dataroot=root, cache=kind)).test.maps([0])[which]
        assert not np.array_equal(after, before)


def test_what_a_kill_left_is_not_taken_for_whole_and_is_gone_on_from(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    child = f"""
import os, signal
from tasks.circuitnet import cache, dataset
from tests.circuitnet.test_dataset import tiny
from pathlib import Path
put = cache.Rows.put
def dying(self, number, values, name):
    put(self, number, values, name)
    if number == 3:
        self.file.write(b"torn"); self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
cache.Rows.put = dying
dataset.read(tiny(dataroot=Path({str(root)!r}), cache="float32")).train.one(0)
"""
    done = subprocess.run([sys.executable, "-c", child], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (part,) = (root / "cache").iterdir()
    assert part.name.endswith(".part")
    read: list[str] = []
    whole = dataset.read(tiny(dataroot=root))
    original = dataset.read_map

    def reading(path: Path, channels: int) -> Any:
        read.append(path.stem)
        return original(path, channels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "read_map", reading)
        again = dataset.read(tiny(dataroot=root, cache="float32"))
        again.train.one(0)
    assert NAMES[1] not in read
    assert NAMES[4] in read
    for want, got in ((whole.train, again.train), (whole.val, again.val)):
        for a, b in zip(want.maps(range(len(want))), got.maps(range(len(want))), strict=True):
            np.testing.assert_array_equal(a, b)
    assert not list((root / "cache").glob("*.part"))


def test_two_that_make_it_at_once_both_have_it(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    gate = threading.Barrier(2)
    found: list[Split] = []

    def one(i: int) -> Any:
        if i == 2:
            gate.wait(10)  # both are in the middle
        feature, label = (np.full((c, 8, 8), i, np.float32) for c in (3, 1))
        return feature, label

    def make() -> None:
        found.append(cache.opened(Split(NAMES[:6], one), root / "cache" / "x", "float32"))
        found[-1].one(0)

    both = [threading.Thread(target=make) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [s.one(i)[0][0, 0, 0] for s in found for i in range(6)] == [*range(6), *range(6)]


def test_a_cache_that_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    np.save(root / "feature" / f"{NAMES[-1]}.npy", np.full((16, 16, 3), 1e6))
    with pytest.raises(AssayError, match=f"{NAMES[-1]} has values beyond float16"):
        dataset.read(tiny(dataroot=root, cache="float16")).test.one(0)
    assert not list((root / "cache").iterdir())
    for kind, depth in (("feature", 3), ("label", 1)):
        np.save(root / kind / f"{NAMES[-1]}.npy", np.zeros((20, 20, depth)))
    with pytest.raises(AssayError, match=rf"{NAMES[-1]} has shape \(3, 20, 20\)"):
        dataset.read(tiny(dataroot=root, cache="float32")).test.one(0)
    (tmp_path / "file").touch()
    with pytest.raises(AssayError, match="cannot write the cache") as refused:
        dataset.read(
            tiny(dataroot=root, cache="float32", cache_dir=tmp_path / "file" / "in")
        ).test.one(0)
    assert "cache=off" in refused.value.hint


def test_who_finds_it_whole_after_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    split = dataset.read(tiny(dataroot=root)).test
    there = tmp_path / "cache" / "x"

    def one(i: int) -> Any:
        if not there.exists():  # another one makes it meanwhile
            cache.opened(split, there, "float32").one(0)
        return split.one(i)

    late = cache.opened(dataclasses.replace(split, one=one), there, "float32")
    np.testing.assert_array_equal(late.one(1)[0], split.one(1)[0])
    assert list(there.parent.iterdir()) == [there]


def test_data_roots_share_a_folder_and_no_maps(tmp_path: Path) -> None:
    one, other = folder(tmp_path / "a"), tmp_path / "b"
    shutil.copytree(one, other)  # with times
    path = other / "feature" / f"{NAMES[-1]}.npy"
    at = path.stat()
    np.save(path, np.load(path)[::-1])
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    for root in (one, other):
        given = {"dataroot": root, "cache": "float32", "cache_dir": tmp_path / "kept"}
        want = dataset.read(tiny(dataroot=root)).test.one(1)
        np.testing.assert_array_equal(dataset.read(tiny(**given)).test.one(1)[0], want[0])


@pytest.mark.parametrize("size", [0, 60, 1000])
def test_a_damaged_cache_is_named_with_what_to_do(tmp_path: Path, size: int) -> None:
    cfg = tiny(dataroot=folder(tmp_path / "d"), cache="float32")
    dataset.read(cfg).test.one(0)
    (made,) = (tmp_path / "d" / "cache").iterdir()
    os.truncate(made / "feature.npy", size)
    with pytest.raises(AssayError, match=f"{made.name} is damaged") as refused:
        dataset.read(cfg).test.one(0)
    assert f"Delete {made}" in refused.value.hint


def test_only_maps_that_are_asked_for_are_copied_and_once_for_all_threads(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    told: list[int] = []
    data = dataset.read(tiny(dataroot=root, cache="float32"), lambda done, *_: told.append(done))
    assert not (root / "cache").exists()
    with ThreadPoolExecutor(4) as threads:
        assert len(list(threads.map(data.test.one, [0, 1] * 4))) == 8
    (made,) = (root / "cache").iterdir()
    assert made.name.startswith("test-")
    assert told == [1, 2]
    given = {"dataroot": root, "cache": "float32", "calib_maps": 2, "infer_maps": 1}
    few = tiny(**given, cache_dir=tmp_path / "kept")
    assert len(list(network.calibration(few))) == len(list(maps.inputs(few))) == 1
    assert not (tmp_path / "kept").exists()


def test_runs_are_equal_bit_for_bit_whatever_reads_their_maps(tmp_path: Path) -> None:
    root = folder(tmp_path / "d")
    ways = ({"num_workers": 0}, {"num_workers": 3}, {"num_workers": 2, "cache": "float32"})
    runs = [
        tiny_run(task, tmp_path / str(i), overrides={"dataroot": str(root), **way})
        for i, way in enumerate(ways)
    ]
    first = runs[0].last["state"]["model"]
    for run in runs[1:]:
        assert all(torch.equal(v, first[k]) for k, v in run.last["state"]["model"].items())
        assert run.metrics["nrms"] == runs[0].metrics["nrms"]


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_what_is_taken_is_made_once_in_order_and_no_further_than_the_end(threads: int) -> None:
    made: list[int] = []

    def make(n: int) -> int:
        made.append(n)
        return n * n

    with Ahead(make, 9, threads) as coming:
        assert [coming.take(n) for n in range(4, 9)] == [16, 25, 36, 49, 64]
    assert sorted(made) == [4, 5, 6, 7, 8]


def test_the_next_ones_are_made_while_one_is_used() -> None:
    started = threading.Event()

    def make(n: int) -> int:
        if n == 1:
            started.set()
        return n

    with Ahead(make, 3, 1) as coming:
        coming.take(0)
        assert started.wait(10)  # nobody asked for it


def test_no_thread_outlives_its_batches() -> None:
    with Ahead(lambda n: n, 9, 3) as coming:
        coming.take(0)
        assert any(t.name.startswith("ahead") for t in threading.enumerate())
    assert not any(t.name.startswith("ahead") for t in threading.enumerate())


def test_training_reads_ahead_with_the_threads_of_the_config(tmp_path: Path) -> None:
    cfg = tiny(dataroot=folder(tmp_path / "d"), num_workers=3)
    run = LiveRun(tiny_spec(task, tmp_path / "run"), task)
    _, batches = next(work.fed(cfg, dataset.read(cfg).train, run, {}))
    assert batches.threads == 3


def test_an_error_comes_when_its_batch_is_asked_for() -> None:
    def make(n: int) -> int:
        if n == 2:
            raise AssayError("no such map")
        return n

    with Ahead(make, 5, 2) as coming:
        assert [coming.take(0), coming.take(1)] == [0, 1]
        with pytest.raises(AssayError, match="no such map"):
            coming.take(2)
