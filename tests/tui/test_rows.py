"""Columns of a table: what is cut, what gives way, and that no room is left meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from textual.app import App, ComposeResult

from core.tui.widgets.rows import GAP, LEAST, Column, Rows

COLUMNS = (
    Column("Age", right=True),
    Column("Run", elastic=True),
    Column("Set", elastic=True),
    Column("Gain", right=True, spare=1),
    Column("Commit", spare=3),
)
ROW = ("4 min", "lightmap/patch_ssim seed 2", "lr 0.002, width 64", "+0.0224", "8dc5cc7")
WIDTHS = [len(cell) for cell in ROW]
WHOLE = sum(WIDTHS) + GAP * len(ROW)


def drawn(width: int) -> dict[str, str]:
    """What stands in the row, by column, on a screen of this width."""

    class One(App[None]):
        def compose(self) -> ComposeResult:
            yield Rows(COLUMNS)

    async def play() -> dict[str, str]:
        app = One()
        async with app.run_test(size=(width, 10)) as pilot:
            rows = app.query_one(Rows)
            rows.show({"one": ROW})
            await pilot.pause()
            names = [str(column.label) for column in rows.ordered_columns]
            texts = [str(cell) for cell in rows.get_row("one")]
            return dict(zip((n.strip() for n in names), texts, strict=True))

    return asyncio.run(play())


@pytest.mark.parametrize("width", range(28, WHOLE + 3, 3))
def test_a_cut_column_has_all_the_room_there_is(width: int) -> None:
    found = drawn(width)
    used = sum(len(text) for text in found.values()) + GAP * len(found)
    assert used <= width
    if any("…" in text for text in found.values()):
        assert used >= width - 1  # two are cut to the same length
    for name in ("Run", "Set"):
        assert len(found[name]) >= min(LEAST, WIDTHS[1])


def test_all_is_whole_where_it_fits_and_the_spared_goes_first() -> None:
    assert list(drawn(WHOLE).values()) == list(ROW)
    fewer = drawn(WHOLE - 9)
    assert "Commit" not in fewer
    assert "…" not in "".join(fewer.values())
