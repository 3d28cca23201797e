"""The network that the config asks for, with its weights where a file is given."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from core.errors import AssayError
from core.kit import checkpoint
from tasks.route.config import RouteConfig
from tasks.route.models.segformer import Segformer
from tasks.route.models.unet import UNet


class NoNetwork(nn.Module):
    """Stands where the true mask is the probability: holds nothing, predicts nothing."""


def build(cfg: RouteConfig) -> nn.Module:
    """A fresh network; `with_weights` loads `ckpt` into it."""
    if cfg.model == "mask":
        return NoNetwork()
    return Segformer() if cfg.model == "segformer" else UNet(cfg.width)


def with_weights(cfg: RouteConfig) -> nn.Module:
    """The network, with the weights of `ckpt`.

    Raises:
        AssayError: a checkpoint of another network.
    """
    net = build(cfg)
    if cfg.ckpt is not None and cfg.model != "mask":
        _take(net, cfg.ckpt)
    return net


def _take(net: nn.Module, path: Path) -> None:
    saved = checkpoint.load(path)["state"].get("net")
    own = net.state_dict()
    if saved is None or {k: v.shape for k, v in saved.items()} != {
        k: v.shape for k, v in own.items()
    }:
        raise AssayError(
            f"{path} holds another network than {type(net).__name__}",
            "Give the model and width that it was trained with",
            code="other_architecture",
        )
    net.load_state_dict(saved)
