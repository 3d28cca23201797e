"""What a task says of itself, as plain values: for `assay tasks`, its JSON, and the TUI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from core import config
from core.contract import AnyOf, Criterion, Space, Task
from core.errors import AssayError
from core.registry import Registry

BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def board(registry: Registry) -> list[dict[str, Any]]:
    """One row a task; one that does not import has `broken` with the reason, and hides no other."""
    return [_row(registry, name) for name in sorted(registry.lines)]


def _row(registry: Registry, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "origin": registry.line(name).origin}
    try:
        task = registry.find(name)
    except AssayError as error:
        return row | {"broken": error.message}
    return row | {
        "title": task.title,
        "version": task.version,
        "primary": task.primary,
        "unit": task.metric(task.primary).unit,
        "variants": len(task.variants),
        "criteria": len(task.criteria),
    }


def sheet(task: Task[Any]) -> dict[str, Any]:
    """Everything that a task declares."""
    return {
        **{k: getattr(task, k) for k in ("name", "title", "version", "work", "framework")},
        "primary": task.primary,
        "best_by": task.checkpoints.best_by,
        "config": settings(task),
        "models": [m.model_dump() for m in task.models],
        "losses": [loss.model_dump() for loss in task.losses],
        "metrics": [m.model_dump() for m in task.metrics],
        "criteria": [{"name": c.name, "words": criterion(task, c)} for c in task.criteria],
        "variants": [v.model_dump(mode="json") for v in task.variants],
        "published": [p.model_dump(mode="json") for p in task.published],
        "search": {key: _space(space) for key, space in task.search.items()},
        "tools": dict(task.tools),
        "tiny": dict(task.tiny),
    }


def settings(task: Task[Any]) -> list[dict[str, Any]]:
    """Every config key with its default, the values it takes, and its help."""
    keys = list(config.leaves(task.config))
    defaults = dict(config.flatten(task.config().model_dump(mode="json"), keys))
    site = config.site_keys(task.config)
    return [
        {
            "key": key,
            "default": defaults[key],
            "takes": _takes(schema),
            "help": schema.get("description", ""),
            "site": key in site,
        }
        for key, schema in schemas(task.config)
    ]


def schemas(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The JSON schema of each leaf, nested models opened."""
    properties = model.model_json_schema()["properties"]
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from schemas(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", properties[name]


def _takes(schema: dict[str, Any]) -> str:
    """The allowed values in words: `integer ≥ 1 ≤ 64`, `cosine | plateau`, `path or null`."""
    if "anyOf" in schema:
        return " or ".join(_takes(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind = schema.get("format", schema.get("type", "value"))
    if "prefixItems" in schema:
        kind = f"list of {len(schema['prefixItems'])}"
    elif kind == "array" and isinstance(schema.get("items"), dict):
        kind = f"list of {_takes(schema['items'])}"
    return " ".join([kind, *(f"{sign} {schema[k]}" for k, sign in BOUNDS.items() if k in schema)])


def _space(space: Space) -> str:
    if space.choices:
        return " | ".join(map(str, space.choices))
    scale = " (log)" if space.log else f" (steps of {space.step})" if space.step else ""
    return f"{space.low} to {space.high}{scale}"


def criterion(task: Task[Any], clause: Criterion | AnyOf) -> str:
    """A declared criterion as a sentence: `ssim at least 0.02 better than baseline`."""
    if isinstance(clause, AnyOf):
        return ", or ".join(criterion(task, one) for one in clause.of)
    bound, metric = clause.threshold, task.metric(clause.metric)
    unit = "" if metric.unit == "1" else f" {metric.unit}"
    device = " (on CUDA)" if clause.needs == "cuda" else ""
    if not clause.relative:
        return f"{metric.name} {clause.rule.replace('_', ' ')} {bound:g}{unit}{device}"
    amount = f"{100 * abs(bound):g} %" if clause.rule == "ratio" else f"{abs(bound):g}{unit}"
    words = f"at least {amount} better" if bound >= 0 else f"at most {amount} worse"
    return f"{metric.name} {words} than {clause.against}{device}"
