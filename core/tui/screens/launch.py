"""Launch: choose a study or a variant, change its config, see the command, start it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.widget import Widget
from textual.widgets import DataTable, Static

from core.errors import AssayError
from core.tui import draft, fields, starting, words
from core.tui.draft import Draft, What
from core.tui.fields import Field
from core.tui.screens.ask import Ask, when
from core.tui.screens.edit import Edit
from core.tui.screens.page import Page
from core.tui.source import Source
from core.tui.widgets.checks import Checks
from core.tui.widgets.forms import Config, Form, Options, Spot, written
from core.tui.widgets.rows import Column, Row, Rows
from core.tui.words import Cell

WHAT = (Column("What", elastic=True), Column("Kind", spare=1), Column("Task", spare=3))
PANELS = {"what": "Launch", "keys": "Config", "with": "Run with", "checks": "Preflight"}


class Launch(Page):
    """Four panels, the help of the key at hand, and the command.

    Where it is narrow the panel with the focus has the room, and each of the others is one line
    that says what stands in it.
    """

    MODE = "launch"
    HELP = (
        "Choose a study file, or a variant to run alone, on the left. In the middle is the task's "
        "own config with its help, bounds and defaults: enter edits, space turns a switch or takes "
        "the next choice, backspace goes back to the default. The right says with what it "
        "runs: seeds, trials, workers, device, budget, W&B. Tab goes on to the next panel. The "
        "command below is what will be typed for you; y copies it. L launches, after the preflight "
        "has nothing against it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("L", "launch", "Launch"),
        Binding("space", "next", "Turn"),
        Binding("backspace,delete", "default", "Default"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._all: dict[str, What] = {}
        self._chosen: str | None = None
        self._draft: Draft | None = None
        self._sinks: dict[str, Any] = {}  # as the project's registry has them
        self._wanted: str | None = None

    def body(self) -> Iterator[Widget]:
        """What, config, with, checks, help, command."""
        with Vertical(id="launch"):
            with Container(id="choices"):
                yield Rows(WHAT, id="what", empty="no task is registered").panel("Launch")
                yield Config().panel("Config")
                with Vertical(id="right"):
                    yield Options().panel("Run with")
                    yield Checks(id="checks")
            yield Static(id="about", markup=False)
            command = Static(id="command", classes="panel", markup=False)
            command.border_title = "Command"
            yield command

    def on_mount(self) -> None:
        """The list has the keys."""
        self.query_one("#what").focus()

    def gather(self, source: Source) -> dict[str, What]:
        """Study files by task, then each task's variants."""
        from core.export import settings

        with source.lock:
            given = settings.of(source.project)
            self._sinks = {"wandb": given.wandb, "tensorboard": given.tensorboard}
            return draft.everything(source.project)

    def show(self, found: Any) -> None:
        """Fill the list; keep what was chosen and changed."""
        self._all = found
        rows = self.query_one("#what", Rows)
        rows.show({key: _what(one) for key, one in found.items()})
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            key = next((k for k, one in found.items() if one.task == wanted), None)
            rows.choose(key)
            self._choose(key)
        elif self._chosen not in found:
            self._choose(next(iter(found), None))

    def select(self, task: str) -> None:
        """Begin with this task."""
        self._wanted = task
        self.reload()

    def _choose(self, key: str | None) -> None:
        if key is None or key == self._chosen:
            return
        from core import registry

        self._chosen, what = key, self._all[key]
        made: dict[str, Field] = {}
        if not what.broken:
            try:
                task = registry.load(self.assay.source.project).find(what.task)
                made = {f.key: f for f in fields.of(task)}
            except AssayError as error:
                self.fail(error)
        self._draft = Draft(what, made, self._sinks)
        self._draw()

    def _draw(self) -> None:
        """The draft has changed."""
        if self._draft is not None:
            for form in self.query(Form):
                form.draw(self._draft)
            self.query_one("#command", Static).update(self.copied())
            self.query_one(Checks).soon(self.assay.source, self._draft)
            self._titles()

    def _titles(self) -> None:
        """Of each panel its name, and what stands in it where it is not open."""
        one = self._draft
        if one is None:
            return
        changed = f", {len(one.config)} changed" if one.config else ""
        said = {"keys": f" of {one.what.task}{changed}"}
        if self.has_class("-narrow"):
            said["what"] = f"  {one.what.title}"
            pairs = one.runs_with().items()
            said["with"] = "  " + ", ".join(f"{key} {written(key, value)}" for key, value in pairs)
            said["checks"] = f"  {self.query_one(Checks).said}"
        for name, title in PANELS.items():
            panel = self.query_one(f"#{name}")
            more = "" if name != "keys" and panel.has_class("open") else said.get(name, "")
            panel.border_title = Text.assemble(title, (more, "not bold"))

    def _about(self) -> None:
        """The help of the key under the cursor."""
        said = Text()
        if spot := self._spot():
            field, faint = spot.field, words.colour(self.app.theme_variables, "text-muted")
            takes = f"{field.takes}; default {fields.written(field.default)}  "
            said = Text.assemble((f"{field.key}  ", "bold"), (takes, faint), field.help)
        self.query_one("#about", Static).update(said)

    def _spot(self) -> Spot | None:
        return self.focused.spot() if isinstance(self.focused, Form) else None

    def on_checks_found(self) -> None:
        """Where it is narrow the title says it."""
        self._titles()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The panel with the focus is the open one."""
        if event.widget.id in PANELS:
            for name in PANELS:
                self.query_one(f"#{name}").set_class(name == event.widget.id, "open")
            self.query_one("#right").set_class(event.widget.id in ("with", "checks"), "open")
            self._titles()
            self._about()

    def on_resize(self) -> None:
        """Closed panels say more."""
        self.call_after_refresh(self._titles)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """What the cursor is on is what will be launched; of a key, its help."""
        if event.data_table.id == "what" and event.data_table.has_focus:
            self._choose(event.row_key.value if event.row_key else None)
        else:
            self._about()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Edit the value, or go on to the form."""
        key = event.row_key.value or ""
        if event.data_table.id == "what":
            self._choose(key)
            self.query_one("#keys").focus()
        else:
            self._edit()

    def _edit(self) -> None:
        from core import registry

        spot, one = self._spot(), self._draft
        if spot is None or one is None:
            return
        check = None
        if spot.changes is one.config:
            task = registry.load(self.assay.source.project).find(one.what.task)
            check = partial(one.refused, task, spot.field.key)
        self.app.push_screen(Edit(spot.field, spot.value, check), lambda got: self._put(spot, got))

    def _put(self, spot: Spot, got: tuple[Any] | None) -> None:
        if got is not None:
            spot.changes[spot.field.key] = got[0]
            self._draw()

    def action_next(self) -> None:
        """Turn a switch, take the next choice."""
        if (spot := self._spot()) and spot.field.choices:
            self._put(spot, (draft.after(spot.field.choices, spot.value),))

    def action_default(self) -> None:
        """What was changed is as before."""
        if (spot := self._spot()) and spot.field.key in spot.changes:
            del spot.changes[spot.field.key]
            self._draw()

    def action_launch(self) -> None:
        """Start it, when that is meant."""
        if self._draft is None:
            return
        result = self.query_one(Checks).result
        if result is None:
            self.notify("the preflight is still looking")
            return
        if not result.clear:
            self.notify("the preflight found something against it", severity="warning")
            return
        command = self._draft.command()
        said = "\n".join(f"{look.what}: {look.found}" for look in result.looks)
        ask = Ask("Launch?", f"{starting.shown(command)}\n\n{said}", "Launch")
        self.app.push_screen(ask, when(lambda: self.assay.launch(command)))

    def copied(self) -> str:
        """The command."""
        return starting.shown(self._draft.command()) if self._draft else ""


def _what(one: What) -> Row:
    if one.broken:
        return one.title, Cell("⚠ broken", "warning"), one.task
    return one.title, Cell(one.kind, "text-muted"), Cell(one.task, "text-muted")
