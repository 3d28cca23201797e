"""Do the docs say what is true? `python -m tests.docs_check`, a part of ./run check.

The tree in README.md names what there is, docs/cli.md holds the real help (`--write` renews it),
relative links lead somewhere, no page names a place on somebody's machine, and every decision has a
number of its own.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.toy import ROOT

CLI = Path("docs") / "cli.md"
HEAD = """# The command line

Every command takes `--json` and then answers with one JSON object on stdout. Exit codes: 0 done or
accepted, 1 a bug, 2 a mistake in what it was given, 3 inconclusive, 4 not accepted, 5 the run did
not finish, 75 busy, 130 interrupted. Written by `python -m tests.docs_check --write`.
"""
MACHINE = re.compile(r"(?<![\w.<>])/(?:home|Users|root|work|mnt|scratch)/\w+|[A-Z]:\\\w+")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)")
ENTRY = re.compile(r"^(?P<indent> *)(?P<name>[\w.<>*-]+/?)(?P<clause>.*)$")


def main() -> None:
    """Write docs/cli.md, or print every problem and exit 1 if there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs_check")
    parser.add_argument("--write", action="store_true", help=f"renew {CLI}")
    if parser.parse_args().write:
        (ROOT / CLI).write_text(manual())
        return
    found = [*tree(ROOT, tracked(ROOT)), *cli(ROOT), *links(ROOT), *machines(ROOT)]
    found += decisions(ROOT)
    print("\n".join(found) or "docs: true")
    sys.exit(bool(found))


def tracked(root: Path) -> list[str]:
    """Paths that git knows."""
    done = subprocess.run(["git", "ls-files"], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def tree(root: Path, files: list[str]) -> Iterator[str]:
    """What README's tree leaves out, makes up or says nothing about."""
    text = (root / "README.md").read_text()
    block = re.search(r"^#+ .*\btree\b.*?^```\w*\n(.*?)^```", text, re.M | re.S | re.I)
    if not block:
        yield "README.md: no heading with the word `tree` and a fenced block below it"
        return
    named = dict(entries(block[1]))
    ignored = (root / ".gitignore").read_text().split()
    for path, clause in named.items():
        if not clause:
            yield f"README.md, tree: no clause for {path}"
        pattern = "<" in path or "*" in path
        if not pattern and path not in ignored and not (root / path).exists():
            yield f"README.md, tree: there is no {path}"
    for path in sorted({*folders(files), *modules(files)} - named.keys()):
        yield f"README.md, tree: {path} is missing"


def entries(block: str) -> Iterator[tuple[str, str]]:
    """Paths (folders end in /) and clauses of an indented tree."""
    above: list[tuple[int, str]] = []
    for line in block.splitlines():
        found = ENTRY.match(line)
        if not found:
            continue
        indent = len(found["indent"])
        above = [(i, folder) for i, folder in above if i < indent]
        path = (above[-1][1] if above else "") + found["name"]
        if path.endswith("/"):
            above.append((indent, path))
        yield path, found["clause"].strip()


def folders(files: list[str]) -> set[str]:
    """Top-level folders."""
    return {f"{name.partition('/')[0]}/" for name in files if "/" in name}


def modules(files: list[str]) -> set[str]:
    """core's modules, and its packages as folders."""
    found = [name.split("/") for name in files if name.startswith("core/")]
    alone = {"/".join(p) for p in found if len(p) == 2 and p[1].endswith(".py")}
    packages = {f"core/{p[1]}/" for p in found if len(p) == 3 and p[2] == "__init__.py"}
    return (alone | packages) - {"core/__init__.py"}


def cli(root: Path) -> Iterator[str]:
    """Whether docs/cli.md is what the commands say."""
    page = root / CLI
    if not page.exists() or page.read_text() != manual():
        yield f"{CLI} is not the real help: python -m tests.docs_check --write"


def manual() -> str:
    """The help of every command, as a page."""
    import typer

    from core.cli.app import app

    sections = [
        f"## {name}\n\n```\n{text}```\n" for name, text in helps(typer.main.get_command(app))
    ]
    return "\n".join([HEAD, *sections])


def helps(command: Any, *path: str) -> Iterator[tuple[str, str]]:
    """`assay run` and its help, command by command, groups first."""
    from typer.testing import CliRunner

    from core.cli.app import app

    done = CliRunner().invoke(app, [*path, "--help"], prog_name="assay", env={"COLUMNS": "80"})
    yield " ".join(["assay", *path]), done.stdout
    for name, inner in getattr(command, "commands", {}).items():
        yield from helps(inner, *path, name)


def pages(root: Path) -> list[Path]:
    """Every page for people."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


def links(root: Path) -> Iterator[str]:
    """Relative links to files or headings that are not there."""
    for page in pages(root):
        for path, anchor in LINK.findall(page.read_text()):
            target = page.parent / path if path else page
            where = f"{page.relative_to(root)}: link to {path}{f'#{anchor}' if anchor else ''}"
            if not target.exists():
                yield f"{where}: no such file"
            elif anchor and anchor not in headings(target):
                yield f"{where}: no such heading"


def headings(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def machines(root: Path) -> Iterator[str]:
    """Absolute paths of a machine in a page."""
    for page in pages(root):
        for number, line in enumerate(page.read_text().splitlines(), start=1):
            if found := MACHINE.search(line):
                yield f"{page.relative_to(root)}:{number}: {found[0]} is a place on one machine"


def decisions(root: Path) -> Iterator[str]:
    """Decision records that share a number, or whose title has another than their file."""
    seen: dict[int, str] = {}
    for page in sorted((root / "docs" / "decisions").glob("*.md")):
        number = int(page.name.partition("-")[0])
        if number in seen:
            yield f"docs/decisions: {seen[number]} and {page.name} share a number; rename one"
        seen[number] = page.name
        if not page.read_text().startswith(f"# {number}. "):
            yield f"docs/decisions/{page.name}: its title does not begin with `# {number}. `"


if __name__ == "__main__":
    main()
