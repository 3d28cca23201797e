"""`assay new`: a small working task to start from, its test, and its line in registry.yaml."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import string
from pathlib import Path

from core import registry
from core.errors import AssayError
from core.project import REGISTRY, Project

TEMPLATES = Path(__file__).parent / "templates"


def new(project: Project, name: str, dry_run: bool = False) -> list[str]:
    """Write the task and register it; the paths that were (or would be) written.

    All or nothing: the files are written aside, and moved when every one of them is there.

    Raises:
        AssayError: the name is no name for a task, or it is taken.
    """
    _check(project, name)
    files = _files(project, name)
    files[REGISTRY] = _registered((project.root / REGISTRY).read_text(), name)
    if not dry_run:
        _write(project.root, files, name)
    return list(files)


def _check(project: Project, name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name):
        raise AssayError(
            f"'{name}' is no name for a task",
            "Use up to 40 lower-case letters, digits and _, a letter first, no Python keyword",
            code="bad_name",
        )
    taken = [f for f in (f"tasks/{name}", f"tests/{name}") if (project.root / f).exists()]
    known = registry.load(project).lines
    if name in known or taken:
        where = known[name].origin if name in known else taken[0]
        raise AssayError(
            f"the name '{name}' is taken by {where}", "Choose another name", code="taken_name"
        )


def _registered(text: str, name: str) -> str:
    """The registry's text with one line more, below the last line of `tasks:`."""
    lines = text.splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if re.match(r"tasks:\s*(#|$)", line)), None)
    if start is None:
        raise AssayError(
            f"{REGISTRY} has no line `tasks:` with the tasks below it",
            "Write it so, one task a line",
            code="broken_registry",
        )
    inside = [i for i in range(start + 1, len(lines)) if re.match(r"\s+[^\s#]", lines[i])]
    last = inside[-1] if inside else start
    indent = re.match(r"\s*", lines[inside[0]])[0] if inside else "  "  # type: ignore[index]
    lines[last] = lines[last].rstrip("\n") + "\n"
    lines.insert(last + 1, f"{indent}{name}: tasks.{name}:task\n")
    return "".join(lines)


def _files(project: Project, name: str) -> dict[str, str]:
    """Relative path -> content of every new file."""

    def filled(template: Path) -> str:
        return string.Template(template.read_text()).substitute(name=name)

    made = {
        f"tasks/{name}/{path.name.removesuffix('.txt')}": filled(path)
        for path in sorted((TEMPLATES / "task").glob("*.txt"))
    }
    made[f"tests/{name}/test_{name}.py"] = filled(TEMPLATES / "test_task.py.txt")
    if not (project.root / "tasks" / "__init__.py").exists():
        made["tasks/__init__.py"] = ""
    return made


def _write(root: Path, files: dict[str, str], name: str) -> None:
    """Put all files in place, the registry last; on any trouble take back what was put."""
    aside = root / f".new-{name}.{os.getpid()}"
    folders = [f"tasks/{name}", f"tests/{name}"]
    alone = [f for f in files if not f.startswith(tuple(f"{d}/" for d in folders))]
    placed: list[Path] = []
    try:
        for path, text in files.items():
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            (aside / path).write_text(text)
        for part in (*folders, *alone):
            (root / part).parent.mkdir(exist_ok=True)
            (aside / part).rename(root / part)
            placed.append(root / part)
    except BaseException:
        for done in placed:
            shutil.rmtree(done) if done.is_dir() else done.unlink()
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
