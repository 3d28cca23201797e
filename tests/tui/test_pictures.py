"""Pictures of a run in the terminal, and what opens them elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from textual.color import Color
from textual.pilot import Pilot

from core.ledger import Ledger
from core.project import Project
from core.tui.app import Assay
from core.tui.widgets import picture
from core.tui.widgets.picture import Picture
from tests.tui.driving import drive, press, settle, text

# textual-image's
pytestmark = pytest.mark.filterwarnings("ignore:Image.Image.getdata:DeprecationWarning")
P = Pilot[None]
RED, BLUE = (200, 20, 10), (10, 30, 210)


def halves(path: Path) -> None:
    """Left half red, right half blue."""
    image = Image.new("RGB", (40, 20), RED)
    image.paste(BLUE, (20, 0, 40, 20))
    path.parent.mkdir(exist_ok=True)
    image.save(path)


def colours(pilot: P) -> list[tuple[int, int, int]]:
    """Of the letters in the third line of the picture: what a half block paints."""
    region = pilot.app.screen.query_one(Picture).region
    strip = pilot.app.screen._compositor.render_strips()[region.y + 2]
    strip = strip.crop(region.x, region.right)
    out: list[tuple[int, int, int]] = []
    for segment in strip:
        shown = segment.style.color if segment.style else None
        if segment.text.strip() and shown is not None:
            out += [Color.from_rich_color(shown).rgb] * len(segment.text)
    return out


async def on_pictures(pilot: P, run: str) -> Assay:
    app = pilot.app
    assert isinstance(app, Assay)
    app.open_run(run, part="pictures")
    await settle(pilot)
    return app


@pytest.fixture
def run(history: Project) -> str:
    return str(Ledger(history).rows(["run"], "variant = 'better' and seed = 0")[0]["run"])


def test_a_picture_is_drawn_and_opened(
    history: Project, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("textual_image", reason="textual-image is not installed (assay[images])")
    path = history.run_dir(run) / "images" / "error_map.png"
    halves(path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    opened: list[str] = []
    monkeypatch.setattr(Assay, "open_url", lambda _, url, **__: opened.append(url))

    async def scene(pilot: P) -> None:
        await on_pictures(pilot, run)
        assert "error_map.png" in text(pilot)
        painted = colours(pilot)
        middle = len(painted) // 2
        assert middle > 10
        assert (painted[0], painted[-1]) == (RED, BLUE)  # between them scaling blurs the edge
        assert all(red > blue for red, _, blue in painted[: middle - 1])
        assert all(red < blue for red, _, blue in painted[middle + 1 :])
        await press(pilot, "o")
        assert opened == [path.as_uri()]
        await press(pilot, "left", "o")  # elsewhere it is the folder
        assert opened[1:] == [path.parents[1].as_uri()]

    drive(history, scene)


@pytest.mark.parametrize(("shape", "width"), [((300, 100), 76), ((100, 300), 12)])
def test_a_wide_picture_has_the_whole_width(
    history: Project,
    run: str,
    shape: tuple[int, int],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wide one below the list, 78 letters less the frame; a tall one beside it, 20 lines high."""
    pytest.importorskip("textual_image", reason="textual-image is not installed (assay[images])")
    monkeypatch.delenv("NO_COLOR", raising=False)
    path = history.run_dir(run) / "images" / "one.png"
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", shape, RED).save(path)

    async def scene(pilot: P) -> None:
        await on_pictures(pilot, run)
        drawn = colours(pilot).count(RED)
        assert width - 2 <= drawn <= width + 2, drawn

    drive(history, scene, size=(80, 24))


def test_a_damaged_picture_is_told(history: Project, run: str) -> None:
    path = history.run_dir(run) / "images" / "[half].png"  # a name is no markup
    halves(path)
    path.write_bytes(path.read_bytes()[:60])

    async def scene(pilot: P) -> None:
        await on_pictures(pilot, run)
        assert "cannot be drawn" in text(pilot)
        assert text(pilot).count("[half].png") == 2  # in the list, and where it would be drawn

    drive(history, scene, size=(300, 40))  # the path is on one line, however long


def test_without_the_optional_part_the_path_is_there(
    history: Project, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "HAS", False)
    halves(history.run_dir(run) / "images" / "error_map.png")

    async def scene(pilot: P) -> None:
        await on_pictures(pilot, run)
        assert "o opens it" in text(pilot)
        assert "images/error_map.png" in text(pilot).replace("\n", "")

    drive(history, scene, size=(200, 40))
