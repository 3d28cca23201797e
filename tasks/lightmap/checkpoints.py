"""What a checkpoint tells of itself, and making a network of it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from core.errors import AssayError
from core.kit import checkpoint as kit_checkpoint
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day, digest
from tasks.lightmap.model import Lightmap, build
from tasks.lightmap.quantise import quantised


def about(cfg: LightmapConfig, day: Day) -> dict[str, Any]:
    """What a checkpoint holds beside the weights: `about`, and `image` with embed_baseline."""
    facts = {
        "config": cfg.model_dump(mode="json"),
        "baseline": digest(cfg, day),
        "width": day.width,
        "height": day.height,
        "hours": list(day.hours),
    }
    if not cfg.embed_baseline:
        return {"about": facts}
    at = day.hours.index(cfg.baseline_time)
    return {"about": facts, "image": day.frames[at : at + 1].cpu()}


class Saved(NamedTuple):
    """What `about` had put into a checkpoint."""

    config: LightmapConfig
    baseline: str
    width: int
    height: int
    hours: list[float]
    image: Tensor | None  # 1 3 H W uint8
    weights: dict[str, Tensor]
    file: bytes = b""  # the basis images


def read(path: Path, device: str) -> Saved:
    """A checkpoint's contents.

    Raises:
        AssayError: no checkpoint, or one of another task.
    """
    state = kit_checkpoint.load(path, device)["state"]
    try:
        facts = dict(state["about"])
        config = LightmapConfig.model_validate(facts.pop("config"))
        file = bytes(state["file"].cpu().numpy()) if "file" in state else b""
        return Saved(
            config=config, image=state.get("image"), weights=state["model"], file=file, **facts
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AssayError(
            f"{path} is not a checkpoint of this lightmap version ({str(error).splitlines()[0]})",
            "Train it again, or use the code that it was trained with: assay repro",
            code="bad_checkpoint",
        ) from error


def load(cfg: LightmapConfig, path: Path, device: str) -> Lightmap:
    """The network of a checkpoint that was trained with the same architecture.

    Raises:
        AssayError: not a checkpoint, or one of another architecture.
    """
    saved = read(path, device)
    theirs = saved.config.architecture()
    differing = [
        f"{k}={theirs.get(k)}" for k, v in cfg.architecture().items() if theirs.get(k) != v
    ]
    if differing:
        raise AssayError(
            f"{path} was trained with other settings: {', '.join(differing)}",
            "Give the same ones with -o",
            code="other_architecture",
        )
    model = build(cfg, max(saved.width, saved.height))
    model.load_state_dict(saved.weights)
    model.baseline_digest, model.file = saved.baseline, saved.file
    quantised(model, cfg.quantize)
    return model.to(device).eval()
