"""Config in layers: code, registry, study, `-o`. Later wins; every value knows its origin."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from core import strict_yaml
from core.contract import Task, TaskConfig
from core.errors import AssayError, unknown

DEFAULT = "default"
DERIVED = "other settings"  # the config's own rules changed the default


class Layer(NamedTuple):
    """Some values and where they come from."""

    origin: str  # "registry.yaml", "studies/x.yaml", "variant encoder", "-o"
    values: Mapping[str, Any]  # dotted keys or nested maps


class Resolved(NamedTuple):
    """A whole config with the history of every value."""

    config: TaskConfig
    origins: dict[str, str]  # dotted key -> layer, DEFAULT or DERIVED
    overrides: dict[str, Any]  # dotted key -> value, where it differs from the task's defaults


def resolve(task: Task[Any], layers: Iterable[Layer]) -> Resolved:
    """Apply the layers in order over the task's defaults and validate the whole.

    Raises:
        AssayError: an unknown key (with the closest one), or a value that the config refuses.
    """
    keys = leaves(task.config)
    values: dict[str, Any] = {}
    origins = dict.fromkeys(keys, DEFAULT)
    for layer in layers:
        for key, value in flatten(layer.values, keys):
            if key not in origins:
                raise unknown("config key", key, keys, where=f"{task.name} ({layer.origin})")
            values[key] = value
            origins[key] = layer.origin
    config = _validate(task, values, origins)
    defaults = dict(flatten(_validate(task, {}, {}).model_dump(mode="json"), keys))
    final = dict(flatten(config.model_dump(mode="json"), keys))
    overrides = {k: v for k, v in final.items() if v != defaults[k]}
    derived = {k: DERIVED for k in overrides if origins[k] == DEFAULT}
    return Resolved(config, origins | derived, overrides)


def _validate(task: Task[Any], values: Mapping[str, Any], origins: Mapping[str, str]) -> TaskConfig:
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        place = nested
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    try:
        config: TaskConfig = task.config.model_validate(nested)
        return config
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        origin = next((o for k, o in origins.items() if key and key.startswith(k)), "")
        given = f"{key} = {first['input']!r}" if key else "the config"
        raise AssayError(
            f"{task.name}: {given}{f' (from {origin})' if origin else ''}: {first['msg']}",
            f"See `assay config {task.name}`",
            code="bad_config",
        ) from error


def leaves(model: type[BaseModel]) -> list[str]:
    """Dotted keys of a config; nested models are opened, maps and lists are leaves."""
    return [key for key, _ in _fields(model)]


def flatten(values: Mapping[str, Any], keys: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Nested maps as dotted pairs, down to the leaves in `keys`."""
    known = set(keys)

    def walk(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for name, value in node.items():
            key = f"{prefix}{name}"
            if isinstance(value, Mapping) and key not in known:
                yield from walk(value, f"{key}.")
            else:
                yield key, value

    return walk(values, "")


def parse_overrides(items: Iterable[str]) -> dict[str, Any]:
    """`-o key=value` items; values are YAML."""
    out: dict[str, Any] = {}
    for item in items:
        key, eq, text = item.partition("=")
        if not eq or not key.strip():
            raise AssayError(
                f"-o {item} is not key=value", "Write e.g. -o hidden=32", code="bad_option"
            )
        if key.strip() in out:
            raise AssayError(f"-o {key.strip()} is given twice", "Keep one", code="bad_option")
        out[key.strip()] = strict_yaml.parse(text, f"-o {key}")
    return out


def site_keys(model: type[BaseModel]) -> set[str]:
    """Leaves that cannot change a number: paths (digested as data) and fields made by `site`."""
    fields = dict(_fields(model))
    paths = {k for k, f in fields.items() if Path in (f.annotation, *get_args(f.annotation))}
    return paths | {k for k, f in fields.items() if _mark(f) == "site"}


def protocol(config: TaskConfig) -> dict[str, Any]:
    """The values that decide what is measured, by dotted key: fields made by `protocol`."""
    flat = dict(flatten(config.model_dump(mode="json"), leaves(type(config))))
    return {k: flat[k] for k, f in _fields(type(config)) if _mark(f) == "protocol"}


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info


def _mark(field: FieldInfo) -> Any:
    extra = field.json_schema_extra
    return extra.get("assay") if isinstance(extra, dict) else None


def digest(config: TaskConfig) -> str:
    """Digest of all that can change a number."""
    model = type(config)
    out = site_keys(model)
    flat = flatten(config.model_dump(mode="json"), leaves(model))
    return digest_of({k: v for k, v in flat if k not in out})


def digest_of(value: Any) -> str:
    """16 hex digits of a JSON value's canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
