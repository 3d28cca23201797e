"""Launch: choose a study or a variant, change its config, see the command, start it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import DataTable, Static

from core.errors import AssayError
from core.tui import fields, preflight, starting, words
from core.tui.fields import Field
from core.tui.screens.ask import Ask, when
from core.tui.screens.edit import Edit
from core.tui.screens.page import Page
from core.tui.source import Source
from core.tui.widgets.rows import Column, Row, Rows
from core.tui.words import Cell

MODES = ("off", "auto", "offline", "online")  # of W&B
SINKS = ("wandb", "tensorboard")  # options of the command, not keys of the study
WAIT_S = 0.4  # after the last change, until the preflight looks again
WHAT = (Column("Task"), Column("What", elastic=True), Column("Kind", spare=1))
KEYS = (
    Column("Key", elastic=True),
    Column("Value", elastic=True),
    Column("Default", elastic=True, spare=2),
    Column("Takes", elastic=True, spare=1),
)
WITH = (Column("Key", elastic=True), Column("Value", elastic=True))


class What(NamedTuple):
    """Something to launch."""

    task: str
    name: str  # of the study file, or of the variant
    kind: str  # of the study; "variant"
    study: Mapping[str, Any]  # keys of the file as they stand
    broken: str = ""


class Launch(Page):
    """Four panels and the command."""

    MODE = "launch"
    HELP = (
        "Choose a study file, or a variant to run alone, on the left. In the middle is the task's "
        "own config with its help, bounds and defaults: enter edits, space turns a switch or takes "
        "the next choice, backspace goes back to the default. The right says with what it "
        "runs: seeds, trials, workers, device, budget, W&B. The command below is what will be "
        "typed for you; y copies it. L launches, after the preflight has nothing against it."
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
        self._fields: dict[str, Field] = {}
        self._set: dict[str, Any] = {}  # config keys that were changed
        self._with: dict[str, Any] = {}  # and study keys
        self._sinks: dict[str, Any] = {}  # as the project's registry has them
        self._wanted: str | None = None
        self._timer: Timer | None = None
        self._result: preflight.Result | None = None

    def body(self) -> Iterator[Widget]:
        """What, config, with, checks, command."""
        with Vertical(id="launch"):
            with Horizontal(id="choices"):
                yield Rows(WHAT, id="what", empty="no task is registered").panel("Launch")
                yield Rows(KEYS, id="keys").panel("Config")
                with Vertical(id="right"):
                    yield Rows(WITH, id="with").panel("Run with")
                    checks = Static(id="checks", classes="panel", markup=False)
                    checks.border_title = "Preflight"
                    yield checks
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
            return _everything(source)

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

        self._chosen, self._set, self._with = key, {}, {}
        one = self._all[key]
        self._fields = {}
        if not one.broken:
            try:
                task = registry.load(self.assay.source.project).find(one.task)
                self._fields = {f.key: f for f in fields.of(task)}
            except AssayError as error:
                self.fail(error)
        self._draw()
        self._check_soon()

    @property
    def _what(self) -> What | None:
        return self._all.get(self._chosen or "")

    def _draw(self) -> None:
        one = self._what
        if one is None:
            return
        keys = self.query_one("#keys", Rows)
        keys.border_title = f"Config of {one.task}"
        keys.border_subtitle = f"{len(self._set)} changed" if self._set else ""
        keys.show({key: self._row(field) for key, field in self._fields.items()})
        self.query_one("#with", Rows).show(
            {key: _with(key, value, key in self._with) for key, value in self._withs().items()}
        )
        self.query_one("#command", Static).update(starting.shown(self._command()))

    def _row(self, field: Field) -> Row:
        one = self._what
        assert one is not None  # the caller has looked
        given = _flat(one.study.get("config") or {})
        changed = field.key in self._set
        value = self._set.get(field.key, given.get(field.key, field.default))
        said = fields.written(value)
        if field.kind == "switch":
            said = "◉ on" if value else "○ off"
        tone = "accent" if changed else "warning" if field.key in given else ""
        mark = "•" if changed else "◦" if field.key in given else " "
        return (
            Cell(f"{mark} {field.key}", tone),
            Cell(said, tone),
            Cell(fields.written(field.default), "text-muted"),
            Cell(field.takes, "text-muted"),
        )

    def _withs(self) -> dict[str, Any]:
        """What a study of this kind runs with, as it stands."""
        one = self._what
        assert one is not None  # the callers have looked
        study = {**one.study, **self._with}
        shown: dict[str, Any] = {}
        if one.kind == "search":
            shown["trials"] = study.get("trials", 20)
        else:
            shown["seeds"] = study.get("seeds", [0])
        shown["workers"] = study.get("workers", 1)
        shown["device"] = study.get("device", "cpu")
        shown["budget"] = study.get("budget") or {}
        if one.kind == "search":
            shown["sampler"] = study.get("sampler", "auto")
            shown["pruner"] = study.get("pruner", "none")
        shown |= {key: self._with.get(key, self._sinks.get(key)) for key in SINKS}
        return shown

    def _command(self) -> list[str]:
        """The words after `assay`."""
        one = self._what
        assert one is not None  # the callers have looked
        command = ["study", "run"]
        changes = {k: v for k, v in self._with.items() if k not in SINKS}
        if one.kind == "variant":
            changes = {"task": one.task, "kind": "seeds", "variants": [one.name]} | changes
        else:
            command.append(one.name)
        for key, value in changes.items():
            command += ["-s", f"{key}={fields.written(value)}"]
        for key, value in self._set.items():
            command += ["-o", f"{key}={fields.written(value)}"]
        if "wandb" in self._with:
            command += ["--wandb", self._with["wandb"]]
        if "tensorboard" in self._with:
            command.append("--tensorboard" if self._with["tensorboard"] else "--no-tensorboard")
        return command

    def _check_soon(self) -> None:
        """Look again when nothing has changed for a moment."""
        self._result = None
        if self._timer is not None:
            self._timer.stop()
        self.query_one("#checks", Static).update("looking …")
        self._timer = self.set_timer(WAIT_S, self._check)

    def _check(self) -> None:
        if self._what is not None:
            self.run_worker(self._checked(), exclusive=True, group="preflight")

    async def _checked(self) -> None:
        one = self._what
        assert one is not None  # the caller has looked
        if one.broken:
            result = preflight.Result([preflight.Look("bad", "file", one.broken)], 0)
        else:
            arguments = (self.assay.source, one.task, self._command(), dict(self._set))
            result = await asyncio.to_thread(preflight.look, *arguments)
        self._result = result
        lines = []
        for look in result.looks:
            glyph = preflight.GLYPHS[look.state]
            tone = words.colour(self.app.theme_variables, glyph.tone)
            lines.append(Text.assemble((f"{glyph.text} {look.what:5}", tone), look.found))
        self.query_one("#checks", Static).update(Text("\n").join(lines))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """What the cursor is on is what will be launched; of a key, its help."""
        key = event.row_key.value if event.row_key else None
        if event.data_table.id == "what" and event.data_table.has_focus:
            self._choose(key)
        elif event.data_table.id == "keys":
            field = self._fields.get(key or "")
            self.query_one("#keys").border_subtitle = (field.help if field else "")[:200].replace(
                "[", "("
            )

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Edit the value, or go on to the form."""
        key = event.row_key.value or ""
        if event.data_table.id == "what":
            self._choose(key)
            self.query_one("#keys").focus()
        elif event.data_table.id == "keys":
            self._edit(key)
        else:
            self._edit_with(key)

    def _edit(self, key: str) -> None:
        from core import registry

        one, field = self._what, self._fields[key]
        assert one is not None  # it has fields
        task = registry.load(self.assay.source.project).find(one.task)
        given = _flat(one.study.get("config") or {})
        value = self._set.get(key, given.get(key, field.default))

        def check(new: Any) -> str:
            others = {k: v for k, v in (given | self._set).items() if k in self._fields}
            return fields.refused(task, others | {key: new})

        self.app.push_screen(Edit(field, value, check), lambda got: self._take(key, got))

    def _take(self, key: str, got: tuple[Any] | None) -> None:
        if got is not None:
            self._put(self._set, key, got[0])

    def _edit_with(self, key: str) -> None:
        value = self._withs()[key]
        field = WITHS[key]._replace(default=value)
        self.app.push_screen(
            Edit(field, value), lambda got: self._put(self._with, key, got[0]) if got else None
        )

    def _put(self, where: dict[str, Any], key: str, value: Any) -> None:
        where[key] = value
        self._draw()
        self._check_soon()

    def action_next(self) -> None:
        """Turn a switch, take the next choice."""
        if self.query_one("#keys").has_focus:
            key = self.query_one("#keys", Rows).chosen or ""
            field = self._fields.get(key)
            one = self._what
            if field and field.choices and one:
                given = _flat(one.study.get("config") or {})
                value = self._set.get(key, given.get(key, field.default))
                self._put(self._set, key, _after(field.choices, value))
        elif self.query_one("#with").has_focus:
            key = self.query_one("#with", Rows).chosen or ""
            if key and WITHS[key].choices:
                self._put(self._with, key, _after(WITHS[key].choices, self._withs()[key]))

    def action_default(self) -> None:
        """What was changed is as before."""
        for table, where in (("#keys", self._set), ("#with", self._with)):
            rows = self.query_one(table, Rows)
            if rows.has_focus and rows.chosen in where:
                del where[rows.chosen]
                self._draw()
                self._check_soon()

    def action_launch(self) -> None:
        """Start it, when that is meant."""
        if self._what is None:
            return
        if self._result is None:
            self.notify("the preflight is still looking")
            return
        if not self._result.clear:
            self.notify("the preflight found something against it", severity="warning")
            return
        command = self._command()
        said = "\n".join(f"{look.what}: {look.found}" for look in self._result.looks)
        ask = Ask("Launch?", f"{starting.shown(command)}\n\n{said}", "Launch")
        self.app.push_screen(ask, when(lambda: self.assay.launch(command)))

    def copied(self) -> str:
        """The command."""
        return starting.shown(self._command()) if self._what else ""


def _f(key: str, takes: str, said: str, choices: tuple[Any, ...] = ()) -> Field:
    return Field(key, "choice" if choices else "text", None, takes, said, choices)


WITHS = {
    f.key: f
    for f in (
        _f(
            "seeds", "list of integers", "Each seed is a run of every variant; a claim needs three."
        ),
        _f("trials", "integer ≥ 1", "How many trials the search makes."),
        _f("workers", "integer ≥ 1", "Runs at the same time; they share the cores."),
        _f("device", "cpu, cuda or cuda:<n>", "Where the runs compute."),
        _f(
            "budget",
            "{steps: n}, {epochs: n} or {seconds: s}",
            "What training may use; {}: the config decides.",
        ),
        _f(
            "sampler",
            "a sampler",
            "Who proposes trials; auto decides by the space.",
            ("auto", "tpe", "gp", "random", "grid", "nsga2"),
        ),
        _f("pruner", "a pruner", "Who gives hopeless trials up.", ("none", "median", "hyperband")),
        _f("wandb", "a mode", "Where W&B keeps it; auto: online with a key, else offline.", MODES),
        _f(
            "tensorboard",
            "yes or no",
            "Whether TensorBoard's files are written too.",
            (True, False),
        ),
    )
}


def _after(choices: tuple[Any, ...], value: Any) -> Any:
    at = choices.index(value) if value in choices else -1
    return choices[(at + 1) % len(choices)]


def _what(one: What) -> Row:
    if one.broken:
        return one.task, one.name, Cell("⚠ broken", "warning")
    return one.task, one.name, Cell(one.kind, "text-muted")


def _with(key: str, value: Any, changed: bool) -> Row:
    tone = "accent" if changed else ""
    said = "by config" if key == "budget" and not value else fields.written(value)
    return Cell(f"{'•' if changed else ' '} {key}", tone), Cell(said, tone)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys; maps are opened, and stand for themselves too."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        out[f"{prefix}{name}"] = value
        if isinstance(value, Mapping):
            out |= _flat(value, f"{prefix}{name}.")
    return out


def _everything(source: Source) -> dict[str, What]:
    from core import registry
    from core.study import file

    found: dict[str, What] = {}
    for path in sorted((source.project.root / file.FOLDER).glob("*.yaml")):
        try:
            study = file.read(path)
        except AssayError as error:
            found[f"study {path.stem}"] = What("?", path.stem, "", {}, error.message)
            continue
        given = study.model_dump(mode="json", exclude_unset=True)
        found[f"study {path.stem}"] = What(study.task, path.stem, study.kind, given)
    known = registry.load(source.project)
    for name in sorted(known.lines):
        try:
            task = known.find(name)
        except AssayError as error:
            found[f"task {name}"] = What(name, "", "", {}, error.message)
            continue
        for variant in task.variants:
            found[f"{name}/{variant.name}"] = What(name, variant.name, "variant", {})
    return dict(sorted(found.items(), key=lambda item: (item[1].task, item[1].kind == "variant")))
