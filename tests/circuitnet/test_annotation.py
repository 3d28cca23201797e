from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import AssayError
from tasks.circuitnet import annotation

N28 = [
    "1-RISCY-a-1-c2-u0.7-m1-p1-f0",
    "2-RISCY-a-1-c2-u0.8-m1-p1-f0",
    "3-RISCY-FPU-a-1-c2-u0.7-m1-p1-f0",
    "4-zero-riscy-a-1-c2-u0.7-m1-p1-f0",
    "5-zero-riscy-b-1-c2-u0.7-m1-p1-f1",
]


def test_written_rows_read_back(tmp_path: Path) -> None:
    rows = annotation.read(annotation.write(tmp_path / "train.csv", N28))
    assert [r.name for r in rows] == N28
    assert rows[0] == ("feature/" + N28[0] + ".npy", "label/" + N28[0] + ".npy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("feature/a.npy,label/a.npy\nfeature/b.npy\n", "line 2 has 1 columns, expected 2"),
        ("feature/a.npy,label/a.npy,x\n", "line 1 has 3 columns"),
        ("feature/a.npy,\n", "line 1"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(AssayError, match=said):
        annotation.read(tmp_path / "a.csv")


def test_rows_without_files_are_counted_and_listed(tmp_path: Path) -> None:
    for part in ("feature", "label"):
        (tmp_path / part).mkdir()
        (tmp_path / part / f"{N28[0]}.npy").touch()
    (tmp_path / "feature" / f"{N28[1]}.npy").touch()  # a feature without its label
    rows = [annotation.row(n) for n in N28[:3]]
    with pytest.raises(AssayError, match=rf"lacks files of 2 of 3 rows: .*label/{N28[1]}"):
        annotation.present(rows, tmp_path)
    found = annotation.present(rows, tmp_path, allow_missing=True)
    assert found == ([rows[0]], 2)
    with pytest.raises(AssayError, match="lacks files of 1 of 1"):
        annotation.present(rows[1:2], tmp_path, allow_missing=True)


def test_a_split_by_design_keeps_families_whole() -> None:
    halves = annotation.split_by_design(N28, ["zero-riscy"])
    assert halves == {"train": N28[:3], "test": N28[3:]}
    with pytest.raises(AssayError, match="no layout of design 'zero'"):
        annotation.split_by_design(N28, ["zero"])
    with pytest.raises(AssayError, match="leaves no layout for train"):
        annotation.split_by_design(N28, ["RISCY", "RISCY-FPU", "zero-riscy"])


@pytest.mark.parametrize("seed", range(5))
def test_a_split_by_seed_keeps_families_whole_too(seed: int) -> None:
    halves = annotation.split_by_seed(N28, 0.3, seed)
    assert sorted(halves["train"] + halves["test"]) == N28
    families = [{n.split("-c2")[0][2:-4] for n in half} for half in halves.values()]
    assert not families[0] & families[1]
    assert halves == annotation.split_by_seed(N28, 0.3, seed)


def test_one_family_is_split_layout_by_layout() -> None:
    halves = annotation.split_by_seed(N28[:2], 0.5, 0)
    assert len(halves["train"]) == len(halves["test"]) == 1
    with pytest.raises(AssayError, match=r"test share of 1\.5"):
        annotation.split_by_seed(N28, 1.5, 0)
