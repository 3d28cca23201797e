"""Annotation files: which feature belongs to which label, and which layouts are for training.

A csv without a header, two columns `feature/NAME.npy,label/NAME.npy`, relative to the data root.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from core.errors import AssayError
from tasks.circuitnet.names import listed, parse


class Row(NamedTuple):
    """One layout: two paths relative to the data root."""

    feature: str
    label: str

    @property
    def name(self) -> str:
        """The layout's name."""
        return Path(self.feature).name.removesuffix(".npy")


def row(name: str) -> Row:
    """The row of a layout that `preprocess` made."""
    return Row(f"feature/{name}.npy", f"label/{name}.npy")


def read(path: Path) -> list[Row]:
    """All rows.

    Raises:
        AssayError: no such file, no rows, or a line that has not two columns.
    """
    try:
        lines = list(csv.reader(path.read_text().splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise AssayError(f"cannot read {path}: {error}", "Give an annotation csv") from error
    rows = []
    for number, cells in enumerate(lines, start=1):
        if not cells:
            continue
        if len(cells) != 2 or not all(c.strip() for c in cells):
            raise AssayError(
                f"{path}, line {number} has {len(cells)} columns, expected 2",
                "Each line is feature/NAME.npy,label/NAME.npy",
                code="bad_csv",
            )
        rows.append(Row(cells[0].strip(), cells[1].strip()))
    if not rows:
        raise AssayError(
            f"{path} is empty", "Each line is feature/NAME.npy,label/NAME.npy", code="bad_csv"
        )
    return rows


class Present(NamedTuple):
    """Rows whose files are there, and how many were not."""

    rows: list[Row]
    missing: int


def present(rows: Sequence[Row], root: Path, allow_missing: bool = False) -> Present:
    """Rows with both files below `root`.

    Raises:
        AssayError: files are missing and that is not allowed, or nothing is left.
    """
    good = [r for r in rows if (root / r.feature).is_file() and (root / r.label).is_file()]
    gone = sorted({f for r in rows for f in r if not (root / f).is_file()})
    if gone and not (allow_missing and good):
        raise AssayError(
            f"{root} lacks files of {len(rows) - len(good)} of {len(rows)} rows: {listed(gone)}",
            "Preprocess those layouts" + ("" if allow_missing else ", or set allow_missing=true"),
            code="missing_maps",
        )
    return Present(good, len(rows) - len(good))


def write(path: Path, names: Iterable[str]) -> Path:
    """The annotation file of these layouts, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(row(name)) + "\n" for name in names))
    return path


def split_by_design(names: Sequence[str], test_designs: Sequence[str]) -> Mapping[str, list[str]]:
    """`train` and `test`: all layouts of the named families are for the test.

    Raises:
        AssayError: a family that no layout has, or nothing left to train on.
    """
    families = {name: parse(name).design for name in names}
    known = set(families.values())
    for design in test_designs:
        if design not in known:
            raise AssayError(f"no layout of design '{design}'", f"Known: {listed(known)}")
    return _halves({name: family in test_designs for name, family in families.items()})


def split_by_seed(names: Sequence[str], share: float, seed: int) -> Mapping[str, list[str]]:
    """`train` and `test`: about `share` of the layouts, whole families, are drawn for the test.

    A family is drawn whole: layouts of one netlist are too alike to stand on both sides. Where all
    layouts are one family, they are drawn one by one.
    """
    import numpy as np

    if not 0 < share < 1:
        raise AssayError(f"a test share of {share}", "Give a number between 0 and 1")
    families = {name: parse(name).design for name in names}
    if len(set(families.values())) == 1:
        families = {name: name for name in names}
    wanted, taken = round(share * len(names)), 0
    drawn: set[str] = set()
    order = sorted(set(families.values()))
    for i in np.random.default_rng(seed).permutation(len(order)):
        if taken >= wanted:
            break
        drawn.add(order[i])
        taken += sum(family == order[i] for family in families.values())
    return _halves({name: family in drawn for name, family in families.items()})


def _halves(in_test: Mapping[str, bool]) -> Mapping[str, list[str]]:
    halves = {
        "train": [n for n, test in in_test.items() if not test],
        "test": [n for n, test in in_test.items() if test],
    }
    for half, names in halves.items():
        if not names:
            raise AssayError(f"the split leaves no layout for {half}", "Split it otherwise")
    return halves
