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

GIVEN = {  # settings that a tool may be given beside a checkpoint: data, and how it is measured
    "data_dir",
    "data",
    "resize",
    "allow_missing",
    "alpha_background",
    "city_size",
    "city_seed",
    "val_hours",
    "val_downsample",
    "infer_hours",
    "quantize",
}


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


def own(cfg: LightmapConfig, path: Path) -> LightmapConfig:
    """A checkpoint's own settings, with those of GIVEN that the caller set in `cfg`.

    Raises:
        AssayError: another one was set, which only training could have followed.
    """
    saved = read(path, "cpu").config
    given = cfg.model_dump(include=cfg.model_fields_set)
    free = GIVEN - {"val_hours"} if saved.val_split == "holdout" else GIVEN
    fixed = [k for k, v in given.items() if k not in free and v != getattr(saved, k)]
    if fixed:
        theirs = ", ".join(f"{k}={getattr(saved, k)}" for k in fixed)
        raise AssayError(
            f"{', '.join(fixed)} cannot be given: {path} was trained with {theirs}",
            "Leave it out, or train again with it",
            code="other_settings",
        )
    return LightmapConfig.model_validate(saved.model_dump() | given)


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


def check_baseline(cfg: LightmapConfig, model: Lightmap, day: Day) -> None:
    """Refuse images that are not those which the model's output belongs to.

    Raises:
        AssayError: they are others.
    """
    if model.baseline_digest != digest(cfg, day):
        name = f"tod_{cfg.baseline_time}.png" if cfg.blend == "none" else "the day"
        raise AssayError(
            f"{name} is not the baseline image that this model was trained on",
            "Give the training's data_dir (and resize), or its baseline image; with infer, "
            "batch_infer and eval -o force_baseline=true uses it all the same",
            code="other_baseline",
        )
