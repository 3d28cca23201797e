"""A task's config as fields of a form: what each takes, its bounds, its help."""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

from core import config, datasheet, strict_yaml
from core.contract import Task
from core.errors import AssayError

Kind = Literal["switch", "choice", "number", "text"]


class Field(NamedTuple):
    """One config key."""

    key: str
    kind: Kind
    default: Any
    takes: str  # `integer ≥ 1`, `cosine | plateau`
    help: str
    choices: tuple[Any, ...] = ()
    site: bool = False  # cannot change a number


def of(task: Task[Any]) -> list[Field]:
    """The fields of a task, in the order of its config; loss weights say which loss they weigh."""
    schemas = dict(datasheet.schemas(task.config))
    weighs = {loss.weight: loss for loss in task.losses}
    out = []
    for row in datasheet.settings(task):
        schema, loss = schemas[row["key"]], weighs.get(row["key"])
        said = row["help"] or (f"weight of {loss.name}: {loss.formula}" if loss else "")
        kind, choices = _kind(schema)
        out.append(
            Field(row["key"], kind, row["default"], row["takes"], said, choices, row["site"])
        )
    return out


def _kind(schema: dict[str, Any]) -> tuple[Kind, tuple[Any, ...]]:
    kinds = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    optional = len(kinds) < len(schema.get("anyOf", [schema]))
    one = kinds[0] if len(kinds) == 1 else {}
    null = (None,) if optional else ()
    if "enum" in one:
        return "choice", (*one["enum"], *null)
    if "const" in one:
        return "choice", (one["const"], *null)
    if one.get("type") == "boolean":
        return ("choice", (True, False, None)) if optional else ("switch", (True, False))
    if one.get("type") in ("integer", "number") and not optional:
        return "number", ()
    return "text", ()


def read(field: Field, text: str) -> Any:
    """What was typed, as YAML has it.

    Raises:
        AssayError: it is no YAML.
    """
    return strict_yaml.parse(text, field.key)


def written(value: Any) -> str:
    """A value as one types it on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, str) and _otherwise(value):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _otherwise(text: str) -> bool:
    """Whether YAML takes these letters for something else than themselves."""
    try:
        return bool(strict_yaml.parse(text, "") != text)
    except AssayError:
        return True


def refused(task: Task[Any], values: dict[str, Any]) -> str:
    """Why the task refuses these values; "" when it takes them."""
    try:
        config.resolve(task, [config.Layer("the form", values)])
    except AssayError as error:
        return error.message
    return ""
