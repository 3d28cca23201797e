"""The network that the config asks for, with its weights where a file is given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from core.errors import AssayError
from core.kit import checkpoint
from tasks.route.config import RouteConfig
from tasks.route.models import samfile
from tasks.route.models.samroad import CELL, SamRoad
from tasks.route.models.segformer import Segformer
from tasks.route.models.unet import UNet


class NoNetwork(nn.Module):
    """Stands where the true mask is the probability: holds nothing, predicts nothing."""


class Weighted(NamedTuple):
    """A network with its weights."""

    net: nn.Module
    scalars: Mapping[str, float]  # learned routing parameters, where the file has them


def with_weights(cfg: RouteConfig) -> Weighted:
    """A fresh network, or the one of `ckpt`.

    Raises:
        AssayError: a checkpoint of another network.
    """
    if cfg.model == "samroad" and cfg.ckpt is not None:
        found = samfile.open_file(cfg.ckpt, cfg.patch // CELL)
        if cfg.whole and found.raw:
            raise AssayError(
                f"{cfg.ckpt} holds raw SAM weights: its road decoder is untrained",
                "Train it on regions first (data_root), or give a SAM-Road checkpoint",
            )
        return Weighted(found.net, found.scalars)
    net = _fresh(cfg)
    if cfg.ckpt is not None and cfg.model != "mask":
        try:
            saved = checkpoint.load(cfg.ckpt)
        except AssayError as error:
            hint = "Give best.ckpt or last.ckpt of a run; SAM-Road files need model=samroad"
            raise AssayError(error.message, hint, code=error.code) from error
        fill(net, saved["state"].get("net", {}), cfg.ckpt)
    return Weighted(net, {})


def trained(cfg: RouteConfig) -> Weighted:
    """`with_weights`, where one image is seen: no network is trained on that.

    Raises:
        AssayError: a network without weights; a checkpoint of another network.
    """
    if cfg.whole and cfg.model in ("unet", "segformer") and cfg.ckpt is None:
        raise AssayError(
            f"an image needs a trained {cfg.model}: give ckpt",
            "`assay run route` trains one; or model=mask",
        )
    return with_weights(cfg)


def of_checkpoint(cfg: RouteConfig, saved: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The network whose weights one of our checkpoints holds."""
    if cfg.model == "samroad":
        net: nn.Module = SamRoad(samfile.shape_of(dict(saved), path))
    else:
        net = _fresh(cfg)
    fill(net, saved, path)
    return net


def _fresh(cfg: RouteConfig) -> nn.Module:
    if cfg.model == "mask":
        return NoNetwork()
    return Segformer() if cfg.model == "segformer" else UNet(cfg.width)


def fill(net: nn.Module, saved: Mapping[str, Tensor], path: Path) -> None:
    """Load weights, all of them.

    Raises:
        AssayError: they belong to another network.
    """
    own = net.state_dict()
    if {k: v.shape for k, v in saved.items()} != {k: v.shape for k, v in own.items()}:
        raise AssayError(
            f"{path} holds another network than {type(net).__name__}",
            "Give the model and width that it was trained with",
            code="other_architecture",
        )
    net.load_state_dict(dict(saved))
