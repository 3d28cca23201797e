from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from core.kit import figure


def test_a_sheet_holds_every_cell_unchanged_below_its_label() -> None:
    rng = np.random.default_rng(0)
    cells = [rng.integers(0, 256, (20, 50, 3), dtype=np.uint8) for _ in range(5)]
    page = figure.sheet(cells, [f"{i}:00" for i in range(5)], columns=3)
    assert page.shape == (2 * (20 + figure.BAR) + figure.GAP, 3 * 56 + figure.GAP, 3)
    for i, cell in enumerate(cells):
        x, y = figure.GAP + i % 3 * 56, i // 3 * (20 + figure.BAR) + figure.BAR
        assert np.array_equal(page[y : y + 20, x : x + 50], cell)
        assert page[y - figure.BAR : y, x : x + 50].min() < 128  # a label is drawn


def test_heat_is_dark_at_zero_bright_at_the_limit_and_the_same_beyond() -> None:
    colours = figure.heat(np.array([[0.0, 0.1, 0.2, 0.5]]), limit=0.2).astype(int).sum(-1)[0]
    assert colours[0] < 20 < colours[1] < colours[2] == colours[3]


def test_curves_and_heat_sheets_are_written(tmp_path: Path) -> None:
    lines = [figure.Line("a", [0, 1, 2], [1.0, math.nan, 3.0]), figure.Line("b", [1], [2.0])]
    path = figure.curves(
        tmp_path / "c.png", {"PSNR (dB)": lines, "SSIM": lines}, x_label="hour", title="t"
    )
    with Image.open(path) as picture:
        assert picture.size == (round(9.2 * figure.DPI), round(3.7 * figure.DPI))
    maps = [np.random.default_rng(0).random((8, 10)) for _ in range(3)]
    sheet = figure.heat_sheet(
        tmp_path / "h.png", maps, "abc", columns=2, limit=1.0, unit="1", title="t"
    )
    assert sheet.stat().st_size > 1000


def test_a_heat_sheet_has_every_map_in_its_place(tmp_path: Path) -> None:
    maps = [np.zeros((4, 4)), np.ones((4, 4)), np.full((4, 4), 0.5)]
    path = figure.heat_sheet(
        tmp_path / "h.png",
        maps,
        ("dark", "bright", "half"),
        columns=2,
        limit=1.0,
        unit="1",
        title="t",
    )
    with Image.open(path) as picture:
        page = np.asarray(picture.convert("RGB")).astype(int)
    height, width = page.shape[:2]
    sheet_height = height - round((figure.HEAD + figure.FOOT) * figure.DPI)
    row = [round(figure.HEAD * figure.DPI + sheet_height * share) for share in (0.3, 0.75)]
    found = [page[row[0], width // 4], page[row[0], 3 * width // 4], page[row[1], width // 4]]
    wanted = figure.heat(np.array([[0.0, 1.0, 0.5]]), 1.0)[0]
    assert np.abs(np.array(found) - wanted).max() <= 2
    assert (page[row[1], 3 * width // 4] == figure.PAPER).all()


def test_a_long_legend_breaks_into_rows_that_fit(tmp_path: Path) -> None:
    lines = [figure.Line(f"{i} {'name' * 8}", [0, 1], [i, i + 1]) for i in range(3)]
    path = figure.curves(tmp_path / "c.png", {"y": lines}, x_label="x", title="t", log=True)
    with Image.open(path) as picture:
        page = np.asarray(picture.convert("L"))
    for edge in (page[:, :4], page[:, -4:]):
        assert edge.min() > 250  # nothing is cut off
