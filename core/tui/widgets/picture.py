"""A picture, two pixels a letter, where `textual-image` is installed; else its path."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from textual.widgets import Static

HAS = importlib.util.find_spec("textual_image") is not None


class Picture(Static):
    """Shows one file."""

    def open(self, path: Path | None) -> None:
        """Show this picture; None for none."""
        self.update(_drawn(path) if path else "no picture")


def _drawn(path: Path) -> Any:
    if not HAS:
        return f"{path}\n\no opens it (pip install 'assay[images]' draws it here)"
    from PIL import UnidentifiedImageError
    from textual_image.renderable.halfcell import Image

    try:
        return Image(path, width="auto", height="auto")
    except (OSError, UnidentifiedImageError) as error:
        return f"{path}\n\n⚠ cannot be drawn: {error}"
