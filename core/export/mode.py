"""Whether W&B is off, offline or online, decided before it is asked for anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from core.export.settings import Wanted

NO_KEY = "no API key"


class Mode(NamedTuple):
    """How W&B is used, and why."""

    name: Literal["off", "offline", "online"]
    why: str


def resolve(wanted: Wanted, env: Mapping[str, str], has_key: Callable[[], bool]) -> Mode:
    """From what was asked for to what is done; `has_key` is not called where it cannot matter.

    Without a key nothing goes online: W&B would ask for one and wait.
    """
    said = env.get("WANDB_MODE", "")
    if wanted == "off":
        return Mode("off", "not asked for")
    if wanted == "offline":
        return Mode("offline", "asked for")
    if wanted == "auto" and said in ("disabled", "offline", "dryrun"):
        return Mode("off" if said == "disabled" else "offline", f"WANDB_MODE={said}")
    return Mode("online", "there is an API key") if has_key() else Mode("offline", NO_KEY)


def has_key() -> bool:
    """Whether W&B knows a key (environment, netrc); asks nobody. A malformed one is none."""
    said = os.environ.pop("WANDB_MODE", None)  # offline, W&B says that it has none
    try:
        import wandb

        return bool(wandb.login(prompt=False, verify=False))
    except wandb.errors.AuthenticationError:
        return False
    finally:
        if said is not None:
            os.environ["WANDB_MODE"] = said
