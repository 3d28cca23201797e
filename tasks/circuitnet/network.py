"""A network that is ready to predict: loaded, quantised as the config asks, in evaluation mode."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from core.kit import checkpoint
from tasks.circuitnet import dataset, quantise, weights
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.dataset import Split
from tasks.circuitnet.model import build
from tasks.circuitnet.quantise import Quantised

say = logging.getLogger("circuitnet").warning

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)  # hashed by identity
class Network:
    """What a checkpoint predicts with."""

    net: nn.Module
    device: str
    mean_label: Array | None  # of its training maps, H W; None: an official weight file
    bits: int  # of all parameters, as the config stores them


class Predicted(NamedTuple):
    """A batch of maps."""

    pred: Float[np.ndarray, "B H W"]
    label: Float[np.ndarray, "B H W"]
    feature: Float[np.ndarray, "B C H W"]


def load(cfg: CircuitnetConfig, path: Path, device: str) -> Network:
    """The network of a run's checkpoint or of an official weight file.

    One whose fine-tuning had not begun is quantised as any other.

    Raises:
        AssayError: the file holds another architecture.
    """
    content, model = checkpoint.foreign(path), build(cfg)
    for said in weights.put(model, content, path, partial=cfg.partial_load):
        say(f"{path}: {said}")
    state = content["state"] if content.get("format") == checkpoint.FORMAT else {}
    bits = quantise.bits(cfg, model)
    net: nn.Module = model.eval()
    if cfg.qat_steps and content["step"] > cfg.float_steps:
        tuned = Quantised(model, cfg)
        tuned.load_state_dict(state["quant"], strict=False)  # the network is in it already
        net = tuned.eval().freeze()
    else:
        net = quantise.apply(cfg, model, calibration(cfg))
    mean = state.get("mean_label")
    return Network(net.to(device), device, None if mean is None else mean.numpy(), bits)


def calibration(cfg: CircuitnetConfig) -> Iterator[Tensor]:
    """Features of the first training maps, a batch at a time."""
    train = dataset.read(cfg).train
    some = Split(train.names[: cfg.calib_maps], train.one)
    for feature, _ in some.batches(cfg.eval_batch):
        yield torch.from_numpy(feature)


@torch.inference_mode()
def forward(net: nn.Module, feature: Array, device: str) -> Array:
    """Maps B H W in [0, 1] of features B C H W."""
    out: Array = net(torch.from_numpy(feature).to(device))[:, 0].float().cpu().numpy()
    return out


def predictions(network: Network, split: Split, batch: int) -> Iterator[Predicted]:
    """All maps of a split, `batch` at a time."""
    for feature, label in split.batches(batch):
        yield Predicted(forward(network.net, feature, network.device), label[:, 0], feature)
