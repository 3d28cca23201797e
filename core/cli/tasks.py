"""Commands about tasks and this checkout: tasks, config, new, doctor."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.cli.answer import Answer, command


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    command(app)(tasks)
    command(app, "config")(config_)
    command(app)(new)
    command(app)(doctor)


def tasks(
    name: Annotated[str | None, typer.Argument(help="One task, in full.")] = None,
) -> Answer:
    """List the tasks, or show one task's data sheet."""
    from core import datasheet, project, registry

    found = registry.load(project.find())
    if name:
        sheet = datasheet.sheet(found.find(name))
        return Answer(sheet, _sheet(sheet))
    board = datasheet.board(found)
    return Answer(board, _board(board))


def config_(
    task: str,
    variant: Annotated[
        str | None, typer.Option("--variant", "-v", help="A declared variant.")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option("--study", "-s", help="A study file to apply, or the name of one."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("-o", "--set", help="key=value; repeat.")
    ] = None,
) -> Answer:
    """Print the resolved config and where each value came from."""
    from core import config, plan, project, strict_yaml
    from core.study import file

    here = project.find()
    layers = []
    if study:
        path = file.find(here, study)
        layers = [config.Layer(str(path), strict_yaml.read(path).get("config") or {})]
    spec = plan.prepare(
        here,
        task,
        variant=variant,
        layers=layers,
        overrides=config.parse_overrides(set_ or []),
    )
    flat = dict(config.flatten(spec.config, spec.origins))
    rows = [f"{key:28} {flat[key]!s:20} {origin}" for key, origin in spec.origins.items()]
    return Answer({"config": spec.config, "origins": spec.origins}, "\n".join(rows))


def new(
    name: Annotated[str, typer.Argument(help="Name of the new task: letters, digits, _.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files only.")] = False,
) -> Answer:
    """Make a small working task: a folder under tasks/ and a line in registry.yaml."""
    from core import project, scaffold

    files = scaffold.new(project.find(), name, dry_run=dry_run)
    verb = "would write" if dry_run else "wrote"
    return Answer(
        files, "\n".join([*(f"{verb} {f}" for f in files), f"next: assay run {name} --tiny"])
    )


def doctor(device: Annotated[str, typer.Option(help="Must be here.")] = "cpu") -> Answer:
    """Check this machine and checkout: versions, devices, git, ledger, disk. Exit 2 if bad."""
    from core import doctor as checks
    from core import project
    from core.errors import AssayError, Exit

    found = checks.examine(project.find(), device)
    text = _columns([[c.state.upper(), c.name, c.found] for c in found])
    steps = "".join(f"\n{c.name}: {c.next_step}" for c in found if c.next_step)
    bad = [c.name for c in found if c.state == "bad"]
    error = AssayError(f"bad: {', '.join(bad)}", code="unfit") if bad else None
    data = [c._asdict() for c in found]
    return Answer(data, f"{text}\n{steps}".rstrip(), Exit.INPUT if bad else Exit.OK, error)


def _columns(rows: list[list[str]], indent: str = "") -> str:
    """Aligned cells, a row a line; the last column may be as long as it likes."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"{indent}{line}".rstrip() for line in lines)


def _board(board: list[dict[str, Any]]) -> str:
    """A line a task."""
    rows = [["task", "version", "judged by", "variants", "criteria", "from", ""]]
    for task in board:
        if "broken" in task:
            rows.append([task["name"], *[""] * 4, task["origin"], f"BROKEN: {task['broken']}"])
            continue
        judged = task["primary"] + ("" if task["unit"] == "1" else f" ({task['unit']})")
        numbers = [str(task[k]) for k in ("variants", "criteria")]
        rows.append(
            [task["name"], str(task["version"]), judged, *numbers, task["origin"], task["title"]]
        )
    return _columns(rows)


def _sheet(sheet: dict[str, Any]) -> str:
    """A task's data sheet, part by part."""
    parts = {
        "config": [
            [s["key"], _short(s["default"]), s["takes"], s["help"]] for s in sheet["config"]
        ],
        "models": [[m["name"], m["doc"]] for m in sheet["models"]],
        "losses": [
            [x["name"], f"x {x['weight']}", x["formula"], x["source"]] for x in sheet["losses"]
        ],
        "metrics": [
            [m["name"], m["unit"], m["direction"], m["split"], m["doc"]] for m in sheet["metrics"]
        ],
        "criteria": [[c["name"], c["words"]] for c in sheet["criteria"]],
        "variants": [[v["name"], _set(v["set"]), v["why"]] for v in sheet["variants"]],
        "published": [[p["name"], _set(p["metrics"]), p["source"]] for p in sheet["published"]],
        "search": [[key, space] for key, space in sheet["search"].items()],
        "tools": [[name, use] for name, use in sheet["tools"].items()],
        "tiny": [[_set(sheet["tiny"])]],
    }
    head = f"{sheet['name']} {sheet['version']}: {sheet['title']}"
    judged = f"judged by {sheet['primary']}, checkpoints by {sheet['best_by']}"
    tables = (f"\n{name}\n{_columns(rows, '  ')}" for name, rows in parts.items() if rows)
    return "\n".join([head, judged, *tables])


def _short(value: Any, most: int = 24) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _set(values: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())
