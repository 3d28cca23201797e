"""Pictures, two pixels a letter, where `textual-image` is installed; else their paths."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import DataTable, Static

from core.tui.widgets.rows import Column, Rows

HAS = importlib.util.find_spec("textual_image") is not None
PICTURES = (Column("Picture", elastic=True),)
LIST = 6  # lines of the list above a picture; as in app.tcss
SHARE = 2 / 3  # of the width that a picture beside the list has; as in app.tcss


class Picture(Static):
    """Shows one file."""

    shape: tuple[int, int] | None = None  # of the file, in pixels

    def open(self, path: Path | None) -> None:
        """Show this picture; None for none."""
        self.shape = None
        self.update(self._drawn(path) if path else "no picture")

    def _drawn(self, path: Path) -> Any:
        if not HAS:
            return f"{path}\n\no opens it (pip install 'assay[images]' draws it here)"
        from PIL import Image as Files
        from PIL import UnidentifiedImageError
        from textual_image.renderable.halfcell import Image

        try:
            with Files.open(path) as file:
                self.shape = file.size
            return Image(path, width="auto", height="auto")
        except (OSError, UnidentifiedImageError) as error:
            return f"{path}\n\n⚠ cannot be drawn: {error}"


class Gallery(Container):
    """A list of pictures, and the one under the cursor: beside it, or below it if larger there."""

    def compose(self) -> ComposeResult:
        """List and picture."""
        yield Rows(PICTURES, id="files", empty="it made no picture")
        yield Picture(id="picture", markup=False)

    @property
    def chosen(self) -> Path | None:
        """The picture under the cursor."""
        key = self.query_one(Rows).chosen
        return Path(key) if key else None

    def show(self, paths: Sequence[Path]) -> None:
        """List these."""
        self.query_one(Rows).show({str(p): (p.name,) for p in paths})

    def open(self, path: Path | None) -> None:
        """Draw this one."""
        self.query_one(Picture).open(path)
        self._lay()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """The picture under the cursor."""
        if event.row_key and event.row_key.value:
            self.open(Path(event.row_key.value))

    def on_resize(self, event: events.Resize) -> None:
        """It may be larger elsewhere now."""
        self._lay()

    def _lay(self) -> None:
        shape = self.query_one(Picture).shape
        (width, height), (wide, high) = self.size, shape or (1, 1)
        beside = min(SHARE * width / wide, 2 * height / high)
        below = min(width / wide, 2 * (height - LIST) / high)
        self.set_class(shape is not None and below > beside, "-below")
