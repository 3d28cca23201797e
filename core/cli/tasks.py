"""Commands about tasks and this checkout: tasks, config, new, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli.answer import Answer, command


def register(app: typer.Typer) -> None:
    """Add this file's commands."""

    @command(app)
    def tasks(
        name: Annotated[str | None, typer.Argument(help="One task, in full.")] = None,
    ) -> Answer:
        """List the tasks, or show one task's data sheet."""
        from core import datasheet, project, registry

        found = registry.load(project.find())
        if name:
            return datasheet.sheet(found.find(name))
        return datasheet.board(found)

    @command(app, "config")
    def config_(
        task: str,
        variant: Annotated[
            str | None, typer.Option("--variant", "-v", help="A declared variant.")
        ] = None,
        study: Annotated[
            Path | None, typer.Option("--study", "-s", help="Study file to apply.")
        ] = None,
        set_: Annotated[
            list[str] | None, typer.Option("-o", "--set", help="key=value; repeat.")
        ] = None,
    ) -> Answer:
        """Print the resolved config and where each value came from."""
        from core import config, plan, project, strict_yaml

        layers = []
        if study:
            layers = [config.Layer(str(study), strict_yaml.read(study).get("config") or {})]
        spec = plan.prepare(
            project.find(),
            task,
            variant=variant,
            layers=layers,
            overrides=config.parse_overrides(set_ or []),
        )
        flat = dict(config.flatten(spec.config, spec.origins))
        rows = [f"{key:28} {flat[key]!s:20} {origin}" for key, origin in spec.origins.items()]
        return Answer({"config": spec.config, "origins": spec.origins}, "\n".join(rows))

    @command(app)
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

    @command(app)
    def doctor() -> Answer:
        """Check this machine and checkout: versions, devices, git, ledger, disk."""
        from core import doctor as checks
        from core import project

        return checks.examine(project.find())
