"""What is exported: the project's `review:` in registry.yaml, and what a command asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core import registry
from core.errors import AssayError, unknown
from core.ledger import disk
from core.project import REGISTRY, Project

Wanted = Literal["auto", "offline", "online", "off"]
FILE = "export.json"


class Settings(BaseModel):
    """Which sinks are fed, and how W&B names things."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wandb: Wanted = "off"
    tensorboard: bool = False
    project: str | None = Field(None, pattern=r"^[^/\\#?%:]{1,128}$")  # None: the checkout's name
    entity: str | None = None  # W&B's team; None: the account's default

    @property
    def on(self) -> bool:
        """Whether there is anything to do."""
        return self.wandb != "off" or self.tensorboard


def of(
    project: Project,
    folder: Path | None = None,
    *,
    wandb: Wanted | None = None,
    tensorboard: bool | None = None,
) -> Settings:
    """The project's settings, then what the study in `folder` began with, then what is given.

    Raises:
        AssayError: `review` in the registry has an unknown key or a refused value.
    """
    given: dict[str, Any] = {**registry.review(project.root)}
    if folder and (folder / FILE).exists():
        given |= json.loads((folder / FILE).read_text())
    asked = {"wandb": wandb, "tensorboard": tensorboard}
    given |= {k: v for k, v in asked.items() if v is not None}
    try:
        return Settings.model_validate({"project": project.root.name, **given})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise AssayError(
            f"{REGISTRY}, review.{key} = {first['input']!r}: {first['msg']}",
            f"Known: {', '.join(Settings.model_fields)}",
            code="broken_registry",
        ) from error


def keep(folder: Path, settings: Settings) -> None:
    """Remember what a study began with, for its next session."""
    disk.replace(folder / FILE, settings.model_dump_json(indent=1).encode())


def checked(mode: str | None) -> Wanted | None:
    """A mode as a command was given it.

    Raises:
        AssayError: it is none.
    """
    known = get_args(Wanted)
    if mode is not None and mode not in known:
        raise unknown("W&B mode", mode, known)
    return mode  # type: ignore[return-value]
