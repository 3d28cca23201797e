"""The two tables of a draft that are edited: the task's config, and what the study runs with."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.tui import draft, fields
from core.tui.draft import Draft
from core.tui.fields import Field
from core.tui.widgets.rows import Column, Row, Rows
from core.tui.words import Cell

CONFIG = (
    Column("Key", elastic=True),
    Column("Value", elastic=True),
    Column("Default", elastic=True, spare=3),
    Column("Takes", elastic=True, spare=4),
)
OPTIONS = (Column("Key", elastic=True), Column("Value", elastic=True))


class Spot(NamedTuple):
    """A key under the cursor."""

    field: Field
    value: Any
    changes: dict[str, Any]  # of the draft, that the key's change goes to


class Form(Rows):
    """Keys and values of a draft."""

    draft: Draft | None = None

    def draw(self, one: Draft) -> None:
        """Show this draft as it stands."""

    def spot(self) -> Spot | None:
        """The key under the cursor."""


class Config(Form):
    """The task's own config."""

    def __init__(self) -> None:
        super().__init__(CONFIG, id="keys")

    def draw(self, one: Draft) -> None:
        """A changed key is marked •, one that the study file sets ◦."""
        self.draft = one
        self.show({field.key: _field(one, field) for field in one.fields.values()})

    def spot(self) -> Spot | None:
        """The key under the cursor."""
        one, key = self.draft, self.chosen
        if one is None or key is None or key not in one.fields:
            return None
        return Spot(one.fields[key], one.value(key), one.config)


class Options(Form):
    """What the study runs with."""

    def __init__(self) -> None:
        super().__init__(OPTIONS, id="with")

    def draw(self, one: Draft) -> None:
        """A changed key is marked •."""
        self.draft = one
        self.show({key: _option(one, key, value) for key, value in one.runs_with().items()})

    def spot(self) -> Spot | None:
        """The key under the cursor."""
        one, key = self.draft, self.chosen
        if one is None or key not in draft.OPTIONS:
            return None
        value = one.runs_with()[key]
        return Spot(draft.OPTIONS[key]._replace(default=value), value, one.options)


def written(key: str, value: Any) -> str:
    """The value of an option."""
    return "by config" if key == "budget" and not value else fields.written(value)


def _field(one: Draft, field: Field) -> Row:
    changed = field.key in one.config
    value = one.value(field.key)
    said = fields.written(value)
    if field.kind == "switch":
        said = "◉ on" if value else "○ off"
    tone = "accent" if changed else "warning" if field.key in one.given else ""
    mark = "•" if changed else "◦" if field.key in one.given else " "
    return (
        Cell(f"{mark} {field.key}", tone),
        Cell(said, tone),
        Cell(fields.written(field.default), "text-muted"),
        Cell(field.takes, "text-muted"),
    )


def _option(one: Draft, key: str, value: Any) -> Row:
    changed = key in one.options
    tone = "accent" if changed else ""
    return Cell(f"{'•' if changed else ' '} {key}", tone), Cell(written(key, value), tone)
