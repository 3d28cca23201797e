"""One run: its page, its config, its code beside the baseline's, its log, its pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static, TabbedContent, TabPane

from core.errors import AssayError
from core.ledger.record import RunRecord
from core.tui import sheet
from core.tui.growing import Growing
from core.tui.screens.page import Page
from core.tui.source import Source
from core.tui.widgets.lines import Lines
from core.tui.widgets.picture import Gallery
from core.tui.widgets.rows import Column, Row, Rows
from core.tui.words import Cell

CONFIG = (
    Column("Key"),
    Column("Value", elastic=True),
    Column("Default", elastic=True, spare=1),
    Column("Baseline", elastic=True),
    Column("From", spare=2),
)
IMAGES = (".png", ".jpg", ".jpeg", ".gif")


class Found(NamedTuple):
    """What the page shows."""

    record: RunRecord
    config: dict[str, Row]
    code: list[str]
    pictures: list[Path]
    folder: Path | None


class RunPage(Page):
    """Everything about a run."""

    MODE = "ledger"
    PUSHED = True
    HELP = (
        "One run. Left and right go from its page to its config (beside the task's default and the "
        "baseline's), the code that differs from the baseline's, its log and its pictures. "
        "y copies the command that does it again, o opens a picture or the folder."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "Previous", show=False),
        Binding("right,l", "step(1)", "Next part"),
        Binding("o", "open", "Open"),
        Binding("y", "copy", "Copy repro"),
        Binding("a", "accept", "Judge"),
        Binding("escape,backspace", "back", "Back", show=True),
    ]

    def __init__(self, run: str, part: str = "page") -> None:
        super().__init__()
        self._run = run
        self._part = part
        self._found: Found | None = None
        self._log: Growing | None = None

    def body(self) -> Iterator[Widget]:
        """Five parts."""
        with TabbedContent(id="parts"):
            with TabPane("Page", id="page"), VerticalScroll(classes="sheet"):
                yield Static(id="sheet", markup=False)
            with TabPane("Config", id="config"):
                yield Rows(CONFIG, id="keys")
            with TabPane("Code", id="code"):
                yield Lines(id="diff", diff=True)
            with TabPane("Log", id="log"):
                yield Lines(id="lines")
            with TabPane("Pictures", id="pictures"):
                yield Gallery()

    def gather(self, source: Source) -> Found:
        """The record, and what it is compared with."""
        record: RunRecord = source.record(self._run)
        with source.lock:
            other = _baseline(source, record)
            code = _code(source, record, other)
            config = _config(source, record, other)
        place = source.folder(record.run)
        pictures = sorted(p for p in place.rglob("*") if p.suffix in IMAGES) if place else []
        return Found(record, config, code, pictures, place)

    def show(self, found: Found) -> None:
        """Fill the parts."""
        first = self._found is None
        self._found = found
        tone = sheet.toned(self.app.theme_variables)
        self.query_one("#sheet", Static).update(sheet.run(found.record, tone))
        self.query_one("#keys", Rows).show(found.config)
        self.query_one(Gallery).show(found.pictures)
        if first:
            self.query_one(TabbedContent).active = self._part
            self.query_one("#diff", Lines).following = False
            self.query_one("#diff", Lines).append(found.code)
            self._log = Growing(found.folder / "log.txt") if found.folder else None
            self.query_one(Gallery).open(next(iter(found.pictures), None))
        lines = self.query_one("#lines", Lines)
        if self._log is not None:
            lines.append(self._log.new())
        elif first:
            lines.append(found.record.log_tail or ["its folder is not on this machine"])

    def fail(self, error: AssayError) -> None:
        """A folder that the ledger does not know has no page."""
        if self._found is None:
            place = self.assay.source.project.run_dir(self._run)
            self.query_one("#sheet", Static).update(f"⚠ {error}\n\n{place}")
        else:
            super().fail(error)

    def action_step(self, by: int) -> None:
        """The next or previous part."""
        parts = self.query_one(TabbedContent)
        names = [pane.id or "" for pane in parts.query(TabPane)]
        parts.active = names[(names.index(parts.active) + by) % len(names)]
        pane = parts.query_one(f"#{parts.active}")
        for widget in pane.query("*"):
            if widget.can_focus:
                self.call_after_refresh(widget.focus)
                break

    def action_open(self) -> None:
        """Open the picture, else the folder, with what this machine has for it."""
        on_pictures = self.query_one(TabbedContent).active == "pictures"
        picture = self.query_one(Gallery).chosen if on_pictures else None
        path = picture or (self._found.folder if self._found else None)
        if path:
            self.app.open_url(path.as_uri())
            self.notify(str(path), markup=False)

    def action_accept(self) -> None:
        """The task's acceptance, with this run's group."""
        if self._found:
            task = self._found.record.task
            self.app.pop_screen()
            self.assay.open_task(task)

    def copied(self) -> str:
        """The command that does the run again."""
        return f"assay repro {self._run}"


def _baseline(source: Source, record: RunRecord) -> RunRecord | None:
    """The first run of the task's baseline, when the ledger knows it and it is another."""
    with contextlib.suppress(AssayError):
        other = source.ledger.find(f"@baseline:{record.task}")
        return other if other.run != record.run else None
    return None


def _code(source: Source, record: RunRecord, other: RunRecord | None) -> list[str]:
    """The difference from the baseline's code, else from the parent commit's."""
    from core import git

    if other is None:
        return ["no baseline is recorded to compare the code with"]
    try:
        ends = [git.locate(source.project, one.git) for one in (other, record)]
        text = git.diff(source.project, *ends)
    except AssayError as error:
        return [f"cannot be compared: {error}"]
    return text.splitlines() or [f"the same code as the baseline {other.run}"]


def _config(source: Source, record: RunRecord, other: RunRecord | None) -> dict[str, Row]:
    from core import config, registry

    mine = dict(config.flatten(record.config, record.origins))
    theirs = dict(config.flatten(other.config, other.origins)) if other else {}
    defaults: dict[str, Any] = {}
    with contextlib.suppress(AssayError):  # the task is gone, or does not import any more
        task = registry.load(source.project).find(record.task)
        keys = config.leaves(task.config)
        defaults = dict(config.flatten(task.config().model_dump(mode="json"), keys))
    told: dict[str, Row] = {}
    rest: dict[str, Row] = {}
    for key, value in sorted(mine.items()):
        changed = key in defaults and defaults[key] != value
        moved = key in theirs and theirs[key] != value
        (told if changed or moved else rest)[key] = (
            Cell(f"• {key}", "accent") if changed or moved else f"  {key}",
            str(value),
            Cell(str(defaults.get(key, "–")), "" if changed else "text-muted"),
            Cell(str(theirs.get(key, "–")), "" if moved else "text-muted"),
            Cell(record.origins.get(key, ""), "text-muted"),
        )
    return told | rest
